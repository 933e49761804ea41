"""The README's second way of use: the wheel in a foreign app, installed into an empty environment, and synthesized in a foreign folder
without a network.

With the oldest CDK and, as the README types it, with the newest; with this Python or, where WHEEL_PYTHONS names some (3.11,3.13), with each
of those. WHEEL names a wheel that is built already.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cleanrooms_local_aws import packages
from tests.support.pages import clean_home, clone, commands, types
from tools.function_bundle import assemble_for_the_runtime
from tools.release import dist

ROOT = Path(__file__).parents[2]
APP = Path(__file__).with_name("foreign_app.py")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = os.environ.get("WHEEL_PYTHONS", RUNNING).split(",")


@dataclass(frozen=True)
class Cdk:
    """Which CDK an environment has, and under which conditions the app is run there."""

    requirements: list[str]
    constraints: list[str]
    seed: str
    umask: str


def oldest() -> Cdk:
    """The floor of each dependency, with the checkout's pins of what is not the CDK's."""
    dependencies = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    floors = [f"{needed.name}=={part.version}" for needed in dependencies for part in needed.specifier if part.operator == ">="]
    return Cdk(floors, [pin for pin in newest().constraints if not pin.startswith(("aws-cdk-", "constructs="))], "1", "077")


def newest() -> Cdk:
    """The checkout's own pins."""
    texts = [(ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt")]
    pins = [line for text in texts for line in text.splitlines() if "==" in line]
    return Cdk([], pins, "2", "002")


@dataclass(frozen=True)
class Synthesized:
    """A foreign environment, and what the app wrote there."""

    python: Path
    cdk_out: Path
    conditions: str
    installed: Mapping[str, str]

    def resources(self, template: str) -> list[dict[str, Any]]:
        (path,) = self.cdk_out.glob(template)
        return list(json.loads(path.read_text())["Resources"].values())


def installed(python: Path) -> dict[str, str]:
    """The versions of what is installed in an environment."""
    script = "import importlib.metadata as m, json; print(json.dumps({one.name: one.version for one in m.distributions()}))"
    listed = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, check=True)
    return {canonicalize_name(name): version for name, version in json.loads(listed.stdout).items()}


MAKE_DIST, PIP_INSTALL = commands("README.md", "make dist")
(PIP_INSTALL_EXTRAS,) = re.findall(r'`(pip install "\$\(ls dist/\*\.whl\)\[.*?\]")`', (ROOT / "README.md").read_text())

ENVIRONMENTS: list[tuple[str, Callable[[], Cdk]]] = [(python, cdk) for python in PYTHONS for cdk in (oldest, newest)]


def name_of(environment: tuple[str, Callable[[], Cdk]]) -> str:
    return f"python{environment[0]}-{environment[1].__name__}_cdk"


def activated(folder: Path) -> dict[str, str]:
    """What a shell has where the environment in a folder is activated; pip takes the checkout's pins."""
    environment = packages.with_settings(clean_home(folder))
    path = f"{folder / 'venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path, "PIP_CONSTRAINT": str(folder / "constraints.txt")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "WHEEL" in os.environ:
        return Path(os.environ["WHEEL"])
    folder = tmp_path_factory.mktemp("dist")
    checkout = clone(folder / "clone", with_tools=True)
    told = types([MAKE_DIST], checkout, clean_home(folder)).splitlines()
    (built,) = (checkout / "dist").glob("*.whl")
    assert told[0] == "The build of sdist and wheel ..."
    assert f"dist/{built.name}" in " ".join(told)
    return built


@pytest.fixture(scope="module", params=ENVIRONMENTS, ids=name_of)
def app(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The foreign app, synthesized. Every environment has a folder, an umask and a hash seed of its own."""
    version: str = request.param[0]
    choose: Callable[[], Cdk] = request.param[1]
    cdk = choose()
    folder = tmp_path_factory.mktemp("foreign")
    python = folder / "venv" / "bin" / "python"
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(cdk.constraints))
    interpreter = sys.executable if version == RUNNING else dist.interpreter(version)
    assert interpreter
    environment = packages.with_settings(clean_home(folder))
    if choose is newest:
        subprocess.run([interpreter, "-m", "venv", folder / "venv"], check=True)
        types([PIP_INSTALL], wheel.parents[1], activated(folder))
    else:
        subprocess.run(packages.create(folder / "venv", environment, interpreter), env=environment, check=True)
        options = ["--quiet", "--constraint", str(constraints), str(wheel), *cdk.requirements]
        subprocess.run(packages.install(python, options, environment), env=environment, check=True)
    shutil.copy(APP, folder)
    isolation = without_network()
    finished = subprocess.run(
        ["sh", "-c", f'umask {cdk.umask}; exec "$@"', "sh", *isolation, python, APP.name],
        cwd=folder,
        env={
            "HOME": str(folder),
            **{name: os.environ[name] for name in ("PATH", "CDK_VALIDATION", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")},
            "CDK_OUTDIR": str(folder / "cdk.out"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": cdk.seed,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return Synthesized(python, folder / "cdk.out", "without a network" if isolation else "with a network", installed(python))


def without_network() -> list[str]:
    """The command that runs another one in a network namespace of its own, with no network in it. Only Linux has these."""
    if sys.platform != "linux":
        return []
    for command in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    raise RuntimeError(
        "a network namespace is needed to show that synth asks for no network, and this machine lets nobody make one "
        "(on Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
    )


@pytest.mark.parametrize(
    ("template", "budgets"),
    [
        pytest.param("Plain.template.json", 4, id="stack"),
        pytest.param("*.nested.template.json", 2, id="nested_stack"),
        pytest.param("assembly-Alone/*.template.json", 2, id="stage"),
        pytest.param("assembly-Delivery-Production/*.template.json", 2, id="pipeline_stage"),
    ],
)
def test_a_foreign_app_synthesizes(app: Synthesized, template: str, budgets: int) -> None:
    types = [resource["Type"] for resource in app.resources(template)]
    assert types.count("Custom::CleanRoomsPrivacyBudgetTemplate") == budgets
    for type_ in ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup"):
        assert types.count(type_) == 1


def test_foreign_pipeline_publishes_zip_first(app: Synthesized) -> None:
    (pipeline,) = (one for one in app.resources("Delivery.template.json") if one["Type"] == "AWS::CodePipeline::Pipeline")
    assert [stage["Name"] for stage in pipeline["Properties"]["Stages"]][-2:] == ["Assets", "Production"]


@pytest.mark.parametrize("template", ["Plain.template.json", "assembly-Alone/*.template.json"], ids=["stack", "stage"])
def test_wheel_asset_equals_the_checkouts(app: Synthesized, template: str, tmp_path: Path) -> None:
    """In every folder, with every umask and hash seed."""
    (function,) = (one for one in app.resources(template) if one["Type"] == "AWS::Lambda::Function")
    digest = assemble_for_the_runtime(ROOT, tmp_path).stem.rpartition("-")[2]
    hashed = hashlib.sha256(digest.encode()).hexdigest()  # the CDK's way with a hash that it is given
    assert function["Properties"]["Code"]["S3Key"] == f"{hashed}.zip"


def test_the_construct_needs_neither_boto3_nor_crhelper(app: Synthesized) -> None:
    assert "cleanrooms-privacy-budget" in app.installed
    assert not app.installed.keys() & {"boto3", "botocore", "crhelper", "aws-lambda-powertools", "moto", "ministack"}


@pytest.mark.parametrize("app", [one for one in ENVIRONMENTS if one[1] is newest], ids=name_of, indirect=True)
def test_extras_bring_the_command_and_local_aws(app: Synthesized, wheel: Path) -> None:
    """As the README types them. The emulator of the local AWS is installed at its first start."""
    typed = [PIP_INSTALL_EXTRAS, "privacy-budget --help", "python -m cleanrooms_local_aws --help"]
    told = types(typed, wheel.parents[1], activated(app.python.parents[2]))
    assert "usage: privacy-budget " in told
    assert "usage: python -m cleanrooms_local_aws " in told
    assert installed(app.python).keys() >= {"boto3", "rich"}


def test_environment_has_the_requested_cdk(
    app: Synthesized, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    version = subprocess.run([app.python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    told = ", ".join(f"{name} {app.installed[name]}" for name in ("aws-cdk-lib", "constructs"))
    record_property("The wheel in a foreign app", f"{version}, {told}, {app.conditions}")
    python, cdk = request.node.callspec.params["app"]
    assert version.startswith(f"Python {python}.")
    for pin in cdk().requirements or cdk().constraints:
        name, _, pinned = pin.partition("==")
        assert app.installed.get(name, pinned) == pinned
