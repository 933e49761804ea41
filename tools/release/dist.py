"""Make and check a release in dist/: wheel, sdist, bill of materials, plain template with its zip, and the sums of all.

With ``--tag v1.2.3`` it is a release proper: the tag must be the version's, the changelog must date it, the author and the project's URLs
must be filled in, and the wheel must pass its tests with every Python that pyproject.toml names.
"""

import argparse
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cleanrooms_local_aws.installation import REQUIREMENTS
from privacy_budget_core import __version__
from tools.function_bundle import HANDLER, assemble_for_the_runtime

ROOT: Final = Path(__file__).resolve().parents[2]
DIST: Final = ROOT / "dist"
NAME: Final = f"cleanrooms_privacy_budget-{__version__}"
BILL: Final = f"{NAME}.dist-info/sboms/{HANDLER}.cdx.json"
PACKAGE_OF_THE_ZIP: Final = "cleanrooms_privacy_budget"
EMULATOR: Final = f"{REQUIREMENTS.parent.name}/{REQUIREMENTS.name}"
SUMS: Final = "SHA256SUMS"
URLS: Final = ("Source", "Documentation", "Changelog", "Issues")
SUPPORTED: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")


class ReleaseError(Exception):
    """No release can be made; the message says why."""


def main() -> None:
    """Make and check everything in an empty folder. The sums come last: a folder without them is unfinished."""
    parser = argparse.ArgumentParser(description="Make a release in dist/ and check it.")
    parser.add_argument("--tag", help="the tag to release, v and the version")
    tag: str | None = parser.parse_args().tag
    if tag is not None:
        check_tag(tag, (ROOT / "CHANGELOG.md").read_text())
        check_metadata(_project()["project"])
        check_interpreters(_supported())
    shutil.rmtree(DIST, ignore_errors=True)
    sdist, wheel = build(ROOT, DIST)
    _run("twine's check", sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    check_contents(wheel)
    with zipfile.ZipFile(wheel) as opened:
        (DIST / f"{NAME}.cdx.json").write_bytes(opened.read(BILL))
        _run("writing the plain template", sys.executable, "-m", "tools.release.plain_template", DIST)
        archive = function_bundle()
        if (DIST / archive.name).read_bytes() != opened.read(f"{PACKAGE_OF_THE_ZIP}/{archive.name}"):
            raise ReleaseError(f"the plain template's zip is not the wheel's, byte by byte: remove {archive}, which is older")
    if tag is not None:
        _run(
            f"the wheel's test with Python {', '.join(_supported())}, which takes minutes,",
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", ROOT / "tests" / "wheel"),
            environment={"WHEEL": str(wheel), "WHEEL_PYTHONS": ",".join(_supported())},
        )
    write_sums(DIST)
    for path in sorted(DIST.glob("*")):
        print(f"{path.stat().st_size:>10,}  {path.relative_to(ROOT)}")


def check_tag(tag: str, changelog: str) -> None:
    """Raise ReleaseError unless the tag is the version's and the changelog dates it."""
    if tag != f"v{__version__}":
        raise ReleaseError(f"the tag must be v{__version__}, which privacy_budget_core/__init__.py states, got {tag}")
    if not re.search(rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md must have a heading '## {__version__} (<year>-<month>-<day>)'")


def check_metadata(project: dict[str, Any]) -> None:
    """The package index shows who wrote the package, and links to every page of URLS."""
    if not project.get("authors"):
        raise ReleaseError("authors must name at least one author in pyproject.toml's [project]")
    urls = project.get("urls", {})
    unset = [name for name in URLS if not urls.get(name, "").startswith("https://")]
    if unset:
        raise ReleaseError(
            f"[project.urls] in pyproject.toml must have an https URL for each of {', '.join(URLS)}; fill in {', '.join(unset)}"
        )


def check_interpreters(versions: Iterable[str]) -> None:
    """Raise ReleaseError unless this machine has these versions of Python."""
    missing = [version for version in versions if interpreter(version) is None]
    if missing:
        raise ReleaseError(f"a release is tested with every Python that pyproject.toml names, and here is no {', '.join(missing)}")


def interpreter(version: str) -> str | None:
    """The path of a version of Python that this machine has; None where it has none."""
    find = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version]
    ran = subprocess.run(find, capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else None


def build(checkout: Path, folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel. Raises ReleaseError unless the sdist and the checkout give the same wheel, byte by byte."""
    run_build("the build of sdist and wheel", folder, checkout)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tempfile.TemporaryDirectory() as scratch:
        run_build("the build of the wheel from the checkout", Path(scratch), checkout, "--wheel")
        if (Path(scratch) / wheel.name).read_bytes() != wheel.read_bytes():
            raise ReleaseError("the sdist makes another wheel than the checkout: name in pyproject.toml's sdist target what it lacks")
    return sdist, wheel


def run_build(what: str, folder: Path, checkout: Path, *options: str) -> None:
    """Run the build in this environment, which has what it requires and is checked for it. Raises ReleaseError where it fails."""
    _run(what, sys.executable, "-m", "build", "--quiet", "--no-isolation", *options, "--outdir", folder, checkout)


def check_contents(wheel: Path) -> None:
    """Raise ReleaseError unless the wheel holds modules, ``py.typed``, the emulator's pins, zip, licence and bill, and nothing else."""
    packages = [ROOT / package for package in _project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    expected = {path.relative_to(package.parent).as_posix() for package in packages for path in package.rglob("*.py")}
    expected |= {f"{package.name}/py.typed" for package in packages} | {EMULATOR}
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    expected |= {f"{NAME}.dist-info/{name}" for name in metadata} | {BILL, f"{PACKAGE_OF_THE_ZIP}/{function_bundle().name}"}
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    if expected - held:
        raise ReleaseError(f"the wheel lacks {', '.join(sorted(expected - held))}")
    if held - expected:
        raise ReleaseError(f"the wheel must not hold {', '.join(sorted(held - expected))}")


@functools.cache
def function_bundle() -> Path:
    """The functions' zip as this checkout's release carries it."""
    return assemble_for_the_runtime(ROOT, ROOT / "build" / "release")


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file, as ``sha256sum --check`` reads them."""
    files = sorted(path for path in folder.glob("*") if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files))


def _run(what: str, *command: str | Path, environment: dict[str, str] | None = None) -> None:
    """Run a command. Without SOURCE_DATE_EPOCH, whose date would get into the packages. Raises ReleaseError where it fails."""
    print(f"{what[0].upper()}{what[1:]} ...", flush=True)
    inherited = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    if subprocess.run(command, cwd=ROOT, env={**inherited, **(environment or {})}, check=False).returncode != 0:
        raise ReleaseError(f"{what} failed, see above")


def _supported() -> list[str]:
    """The versions of Python that pyproject.toml names."""
    return SUPPORTED.findall("\n".join(_project()["project"]["classifiers"]))


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as unfit:
        raise SystemExit(f"This is no release: {unfit}") from None
