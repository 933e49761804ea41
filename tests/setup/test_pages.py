"""What the pages say about setting up and deploying, typed literally in a copy of the repository, on a clean home."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT
from tests.support.deployed_clean_rooms import held, new_membership

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would clone."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folder = tmp_path / "clone"
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """An environment with a home that is empty, without this checkout's tools. What is downloaded is kept in ``build``."""
    (tmp_path / "home").mkdir()
    base = str(Path(getattr(sys, "_base_executable", sys.executable)).parent)
    found = [folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VIRTUAL_ENV", "npm_"))}
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([base, *found]),
        "PIP_CACHE_DIR": str(ROOT / "build" / "pip"),
        "PIP_COMPILE": "0",  # each of the CDK's modules, of which two dozen are used
        "npm_config_cache": str(ROOT / "build" / "npm"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def block(page: str, first: str) -> list[str]:
    """The commands of a page's block that begins with these words."""
    (found,) = (text for text in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.M) if text.startswith(first))
    return [line.partition(" #")[0].strip() for line in found.splitlines()]


def types(commands: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Type commands one after another into one shell, each of which must succeed, and give what they printed."""
    ran = subprocess.run(
        ["sh", "-ec", "\n".join(commands)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_the_first_way_of_use(clone: Path, clean: dict[str, str], local_aws: LocalAws) -> None:
    """The README's environment, in its cdk.json, whose membership is one of the local AWS; it asks for no approval of IAM's changes."""
    (environments,) = re.findall(r'^```json\n("environments": .*?)^```', (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    settings = json.loads((clone / "cdk.json").read_text())
    settings["context"] |= json.loads(f"{{{environments}}}")
    clean_rooms = local_aws.client("cleanrooms")
    membership = new_membership(clean_rooms)
    settings["context"]["environments"]["prod"]["membership"] = membership
    (clone / "cdk.json").write_text(json.dumps({**settings, "requireApproval": "never"}))
    commands = block("README.md", "python3 -m venv .venv")
    first_of_cdk = next(number for number, command in enumerate(commands) if command.startswith("npx cdk"))
    types(commands[:first_of_cdk], clone, clean)
    aws = {**local_aws.environment, "HOME": clean["HOME"], "PATH": clean["PATH"]}
    told = types([". .venv/bin/activate", *commands[first_of_cdk:]], clone, aws)
    assert "PrivacyBudget-prod.TemplateArn = arn:aws:cleanrooms:us-east-1:111122223333:" in told
    (template,) = held(clean_rooms, membership)
    assert template["parameters"]["differentialPrivacy"] == {"epsilon": 3, "usersNoisePerQuery": 30}
    assert not (clone / ".venv/bin/mypy").exists()


def test_the_local_aws_by_hand(clone: Path, clean: dict[str, str]) -> None:
    """In a checkout whose set-up is done, here by the tools of this one."""
    for tools in (".venv", "node_modules"):
        (clone / tools).symlink_to(ROOT / tools)
    commands = block("docs/guide/testing.md", ". .venv/bin/activate")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # the emulator's environment, which was installed there
    told = types(commands, clone, {**clean, "XDG_CACHE_HOME": cache})
    assert "PrivacyBudget-local.TemplateArn = arn:aws:cleanrooms:us-east-1:111122223333:" in told
    assert "Spent 7 COUNT of arn:aws:cleanrooms:us-east-1:111122223333:" in told
    assert not (clone / ".local-aws").exists()
