"""The built wheel in a foreign app: installed into an empty environment, synthesized from a foreign folder without a network."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERSHIP = "12345678-1111-4222-8333-444455556666"

APP = f'''
import aws_cdk as cdk
from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "Foreign")
for number in range(3):
    PrivacyBudgetTemplate(
        stack,
        f"Budget{{number}}",
        membership_id="{MEMBERSHIP[:-1]}" + str(number),
        budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
    )
app.synth()
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and what it depends on, and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder)
    interpreter = folder / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", interpreter, "--constraint", _pins(folder), wheel],
        check=True,
    )
    return interpreter


def _pins(folder: Path) -> Path:
    """The checkout's own pins, so that the foreign app has the CDK that was tested."""
    pins = folder / "pins.txt"
    pins.write_text("".join(line for line in (ROOT / "requirements.txt").read_text().splitlines(True) if not line.startswith("-e")))
    return pins


def synth(python: Path, folder: Path, prefix: list[str]) -> dict[str, dict[str, object]]:
    (folder / "app.py").write_text(APP)
    finished = subprocess.run(
        [*prefix, str(python), "app.py"],
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"], "CDK_OUTDIR": str(folder / "cdk.out"), "CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    template = json.loads((folder / "cdk.out" / "Foreign.template.json").read_text())
    return dict(template["Resources"])


def without_network() -> list[str]:
    """The command that runs another one in a network namespace of its own, with no network in it."""
    for command in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    raise RuntimeError("a network namespace is needed to show that synth asks for no network, and this machine lets nobody make one")


def test_the_wheel_ships_the_functions_zip(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        zips = [name for name in archive.namelist() if name.endswith(".zip")]
        assert len(zips) == 1
        assert {name.split("/")[0] for name in archive.namelist() if "dist-info" not in name} == {
            "cleanrooms_privacy_budget",
            "privacy_budget_handler",
            "privacy_budget_cli",
            "cleanrooms_local_aws",
        }


def test_the_wheels_zip_is_the_checkouts(wheel: Path) -> None:
    from cleanrooms_privacy_budget.asset import handler_asset  # noqa: PLC0415

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".zip")]
        assert handler_asset().digest in name


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_foreign_app_synthesizes_without_a_network(python: Path, tmp_path: Path) -> None:
    resources = synth(python, tmp_path, without_network())
    types = [resource["Type"] for resource in resources.values()]
    assert types.count("Custom::CleanRoomsPrivacyBudgetTemplate") == 3
    for type_ in ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup"):
        assert types.count(type_) == 1


def test_the_asset_hash_is_the_same_for_two_folders_umasks_and_hash_seeds(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = set()
    for seed, umask in (("1", "077"), ("2", "002")):
        folder = tmp_path / seed
        folder.mkdir()
        prefix = ["env", f"PYTHONHASHSEED={seed}", "sh", "-c", f'umask {umask}; exec "$@"', "sh"]
        (function,) = [resource for resource in synth(python, folder, prefix).values() if resource["Type"] == "AWS::Lambda::Function"]
        keys.add(json.dumps(function["Properties"]["Code"]["S3Key"]))  # type: ignore[index]
    assert len(keys) == 1


def test_the_construct_needs_neither_boto3_nor_crhelper(python: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "list", "--python", python, "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {package["name"] for package in json.loads(listed.stdout)}
    assert "aws-cdk-lib" in names
    assert not names & {"boto3", "botocore", "crhelper", "aws-lambda-powertools", "moto", "ministack"}
