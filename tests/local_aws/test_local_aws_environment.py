"""A command run against the local AWS reaches no account of the user's."""

import subprocess
import sys
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from cleanrooms_local_aws.environment import environment
from cleanrooms_local_aws.folder import Folder

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "a real one",
    "AWS_ENDPOINT_URL_CLEANROOMS": "https://cleanrooms.example.com",
    "AWS_CA_BUNDLE": "/nowhere",
    "SSL_CERT_FILE": "/nowhere",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "CDK_DEFAULT_ACCOUNT": "999999999999",
}


def test_nothing_of_the_users_accounts_is_inherited(tmp_path: Path) -> None:
    given = environment({"PATH": "/bin", "no_proxy": "example.com", **HOSTILE}, Folder(tmp_path), "https://127.0.0.1:1")
    assert {name for name in given if name in HOSTILE} == {"AWS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "CDK_DEFAULT_ACCOUNT"}
    assert given["PATH"] == "/bin"
    assert given["CDK_DEFAULT_ACCOUNT"] == "111122223333"
    assert given["AWS_CA_BUNDLE"] == given["NODE_EXTRA_CA_CERTS"] == str(tmp_path / "certificate.pem")
    assert given["NO_PROXY"] == given["no_proxy"] == "example.com,127.0.0.1,localhost"
    assert given["CDK_HOME"] == str(tmp_path / "cdk")


def test_the_apps_validation_stays_off(tmp_path: Path) -> None:
    """It is no option of the CDK CLI."""
    given = environment({"CDK_VALIDATION": "false", "CDK_ROLE_ARN": "arn:…"}, Folder(tmp_path), "https://127.0.0.1:1")
    assert given["CDK_VALIDATION"] == "false"
    assert "CDK_ROLE_ARN" not in given


def test_exec_runs_a_command_in_it(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    script = "import boto3, sys; print(boto3.client('sts').get_caller_identity()['Account']); sys.exit(7)"
    cli = [sys.executable, "-m", "cleanrooms_local_aws", "exec", "--folder", str(local_aws.folder), "--"]
    done = subprocess.run([*cli, sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "111122223333\n", "")
    unknown = subprocess.run([*cli, "no-such-command"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 127
    assert unknown.stderr == "The command 'no-such-command' could not be run: No such file or directory.\n"


def test_exec_bootstraps_with_the_projects_cdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the folder that npm installed into, by the CLI's name, by its path and by npx; not for a command that bootstraps itself."""
    installed = tmp_path / "app" / "node_modules" / ".bin"
    installed.mkdir(parents=True)
    below = tmp_path / "app" / "stacks"
    below.mkdir()
    for name in ("cdk", "npx"):
        (installed / name).write_text(f'#!/bin/sh\necho "{name} $1 $2 in $(basename "$PWD")" >> "{tmp_path}/ran"\n')
        (installed / name).chmod(0o755)

    def ran(*command: str) -> list[str]:
        (tmp_path / "ran").unlink(missing_ok=True)
        cli = [sys.executable, "-m", "cleanrooms_local_aws", "exec", "--folder", str(tmp_path / "local-aws"), "--"]
        subprocess.run([*cli, *command], cwd=below, check=True)
        return (tmp_path / "ran").read_text().splitlines()

    bootstrap = "cdk bootstrap aws://111122223333/us-east-1 in empty"
    try:
        assert ran("cdk", "deploy", "--all") == [bootstrap, "cdk deploy --all in stacks"]
        assert ran("../node_modules/.bin/cdk", "diff", "A") == [bootstrap, "cdk diff A in stacks"]
        assert ran("npx", "cdk", "deploy") == [bootstrap, "npx cdk deploy in stacks"]
        assert ran("cdk", "bootstrap", "--force") == ["cdk bootstrap --force in stacks"]
        assert ran("sh", "-c", "cdk synth --quiet") == ["cdk synth --quiet in stacks"]
    finally:
        LocalAws(tmp_path / "local-aws").destroy()


def test_client_is_bound_to_it(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    assert local_aws.client("sts").get_caller_identity()["Account"] == "111122223333"
