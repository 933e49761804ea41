"""What is compared, installed from the package registries where it is not here already: each is a folder that Lambda would unzip.

Everything is pinned: the Python packages to this checkout's own versions, the handler of AwsCustomResource to its aws-cdk-lib.
"""

import functools
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aws_cdk

from cleanrooms_local_aws import packages
from privacy_budget_core import contract
from tools.function_bundle import DISTRIBUTIONS, HANDLER, assemble, bytecode
from tools.function_bundle.bytecode import RUNTIME

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build" / "bench"
RUNTIMES: Final = Path(__file__).with_name("runtimes")

PYTHONS: Final = (RUNTIME, "3.13", "3.12", "3.11")
"""Versions of Python that Lambda has, the construct's own first."""
AWS_SDK: Final = "@aws-sdk/client-cleanrooms@3.1048.0"
"""Stands in for the SDK in Lambda's Node.js runtime."""
AWS_CUSTOM_RESOURCE: Final = "package/custom-resource-handlers/dist/custom-resources/aws-custom-resource-handler/index.js"
"""The handler of AwsCustomResource, in aws-cdk-lib's own package."""
DATA_OF_PLAIN: Final = ("cleanrooms", "events", "lambda", "logs")
"""Of botocore's service data, what the plain handler's clients read: its own and the three that crhelper makes."""

MEMBERSHIP: Final = "12345678-1111-4222-8333-444455556666"
DECLARED: Final[Mapping[str, Any]] = {
    "MembershipIdentifier": MEMBERSHIP,
    "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
    "AutoRefresh": "NONE",
    "Parameters": {"Epsilon": "3", "UsersNoisePerQuery": "30"},
    "Tags": [{"Key": "team", "Value": "privacy"}],
}
"""A template's properties, every scalar a string, as CloudFormation hands them over."""
REQUEST: Final[Mapping[str, Any]] = {
    "membershipIdentifier": MEMBERSHIP,
    "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
    "autoRefresh": "NONE",
    "parameters": {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    "tags": {"team": "privacy"},
}
"""The same as CreatePrivacyBudgetTemplate takes it."""


@dataclass(frozen=True)
class Peer:
    """A handler: the folder that it is in, and how to run it; the descriptor to report to is the command's last argument."""

    name: str
    asset: Path
    command: tuple[str, ...]
    runtime: str
    resource_type: str = contract.RESOURCE_TYPE
    create: Mapping[str, Any] = field(default_factory=lambda: DECLARED)
    """Of an event that creates a template, the properties."""


@dataclass(frozen=True)
class Interpreter:
    """A program, and its version."""

    path: str
    version: str


@functools.cache
def python() -> Interpreter:
    """The newest Python at hand of those that Lambda has; found as uv finds them, so one on the PATH comes first."""
    for version in PYTHONS:
        find = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version]
        found = subprocess.run(find, capture_output=True, text=True, check=False)  # noqa: S603
        if found.returncode == 0:
            # Of a virtual environment or a launcher script, the interpreter itself.
            ask = "import platform, sys; print(sys._base_executable, platform.python_version(), sep='\\n')"
            return Interpreter(*_output(found.stdout.strip(), "-c", ask).splitlines())
    raise RuntimeError(f"the benchmarks need one of Python {', '.join(PYTHONS)}, got none")


@functools.cache
def node() -> Interpreter:
    """The environment's own Node.js; the script beside Python only launches it."""
    ask = "`${process.execPath}\\n${process.versions.node}`"
    return Interpreter(*_output(str(Path(sys.executable).with_name("node")), "-p", ask).splitlines())


def bare() -> Peer:
    """An interpreter without a handler, which nobody can be faster than."""
    return _python_peer("bare interpreter", RUNTIMES / "bare", "index.handler")


def ours() -> Peer:
    """The construct's function as it is deployed where the runtime's Python is not at hand: from sources."""
    asset = assemble(ROOT, BUILD / "assets")
    return _python_peer("this construct, sources only", _unzipped("ours", asset), f"{HANDLER}.function.handler")


@functools.cache
def ours_compiled() -> Peer:
    """The construct's function with bytecode of the interpreter that runs it, as the wheel has it of Lambda's."""
    return _python_peer("this construct", _unzipped("ours-compiled", _compiled_asset()), f"{HANDLER}.function.handler")


def botocore_alone() -> Peer:
    """The part of the construct's function that is botocore: the difference is what the rest of it takes."""
    asset, handler = _compiled_asset(), RUNTIMES / "botocore_alone" / "index.py"

    def add(folder: Path) -> None:
        shutil.unpack_archive(asset, folder)
        shutil.copy(handler, folder)

    return _python_peer("botocore alone", _made("botocore-alone", f"{asset.stem}\n{handler.read_text()}", add), "index.handler")


def plain() -> Peer:
    """A handler of fifty lines with boto3, crhelper and powertools as they come."""
    return _python_peer("plain handler", _plain(), "index.handler")


def plain_pruned() -> Peer:
    """The plain handler without the data of services that it does not call."""

    def prune(folder: Path) -> None:
        shutil.copytree(_plain(), folder, dirs_exist_ok=True)
        for path in (folder / "botocore" / "data").iterdir():
            if path.is_dir() and path.name not in DATA_OF_PLAIN:
                shutil.rmtree(path)

    return _python_peer("plain handler, pruned data", _made("plain-pruned", _plain_key(), prune), "index.handler")


def aws_custom_resource() -> Peer:
    """The CDK's AwsCustomResource: its own handler on Node.js, with the SDK beside it where Lambda's runtime has one."""

    def install(folder: Path) -> None:
        (package,) = (Path(aws_cdk.__file__).parent / "_jsii").glob("aws-cdk-lib@*.tgz")
        with tarfile.open(package) as opened:
            handler = opened.extractfile(AWS_CUSTOM_RESOURCE)
            if handler is None:
                raise FileNotFoundError(f"{package.name} has no {AWS_CUSTOM_RESOURCE}")
            (folder / "task").mkdir()
            (folder / "task" / "index.js").write_bytes(handler.read())
        npm = str(Path(sys.executable).with_name("npm"))
        _run(npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), AWS_SDK)

    made = _made("aws-custom-resource", f"{importlib.metadata.version('aws-cdk-lib')} {AWS_SDK}", install)
    return Peer(
        "AwsCustomResource",
        made / "task",
        (node().path, str(RUNTIMES / "runtime.mjs"), str(made / "task")),
        f"AWS_Lambda_nodejs{node().version.partition('.')[0]}.x",
        resource_type="Custom::AWS",
        create={"Create": sdk_call("createPrivacyBudgetTemplate", REQUEST), "InstallLatestAwsSdk": "false"},
    )


def sdk_call(action: str, parameters: Mapping[str, Any]) -> str:
    """An AwsSdkCall as it stands in the properties of an AwsCustomResource; the id that it answers with is fixed."""
    return json.dumps({"service": "cleanrooms", "action": action, "parameters": parameters, "physicalResourceId": {"id": "template"}})


def zipped(folder: Path) -> int:
    """How many bytes a folder has as a zip, compressed as the CDK compresses assets."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files(folder):
                archive.write(path, path.relative_to(folder))
        return file.tell()


def files(folder: Path) -> list[Path]:
    """The files of a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _python_peer(name: str, asset: Path, handler: str) -> Peer:
    command = (python().path, "-S", "-P", str(RUNTIMES / "runtime.py"), str(asset), handler)
    return Peer(name, asset, command, f"AWS_Lambda_python{'.'.join(python().version.split('.')[:2])}")


@functools.cache
def _compiled_asset() -> Path:
    return assemble(ROOT, BUILD / "assets", bytecode.Interpreter(Path(python().path), python().version))


def _unzipped(name: str, archive: Path) -> Path:
    return _made(name, archive.stem, lambda folder: shutil.unpack_archive(archive, folder))


def _plain() -> Path:
    def install(folder: Path) -> None:
        # They are all that these packages need, so nothing has to be resolved.
        pins = [f"{name}=={importlib.metadata.version(name)}" for name in DISTRIBUTIONS]
        environment = packages.with_settings(os.environ)
        _run(*packages.install(Path(sys.executable), ["--quiet", "--no-deps", "--target", str(folder), *pins], environment))
        (folder / ".lock").unlink(missing_ok=True)
        shutil.copy(RUNTIMES / "plain" / "index.py", folder)

    return _made("plain", _plain_key(), install)


def _plain_key() -> str:
    return " ".join([*(importlib.metadata.version(name) for name in DISTRIBUTIONS), (RUNTIMES / "plain" / "index.py").read_text()])


def _made(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """A folder below build/bench, made anew where it was made from something else."""
    folder, note = BUILD / name, BUILD / f"{name}.key"
    if not (folder.is_dir() and note.is_file() and note.read_text() == key):
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            unfinished = Path(scratch) / name
            unfinished.mkdir()
            make(unfinished)
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
        note.write_text(key)
    return folder


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603
