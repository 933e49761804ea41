"""The function's deployment package: the handler and the installed distributions it needs, in one zip named by its contents.

The build hook of the wheel and the synth of a checkout both call ``assemble``; an installed wheel ships the zip ready-made. Nothing
here imports anything outside the standard library, since the build hook loads it by its path.
"""

import functools
import hashlib
import importlib.metadata
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

HANDLER: Final = "privacy_budget_handler"

DISTRIBUTIONS: Final = (
    "aws-lambda-powertools",
    "boto3",
    "botocore",
    "crhelper",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "six",
    "typing-extensions",
    "urllib3",
)

KEPT_DATA: Final = (
    "botocore/data/cleanrooms/*",
    "botocore/data/cloudformation/*",
    "botocore/data/_retry.json",
    "botocore/data/endpoints.json",
    "botocore/data/partitions.json",
    "botocore/data/sdk-default-configuration.json",
)
"""Of botocore's service data, what the handler's clients read."""

LEFT_OUT: Final = (
    "*/__pycache__/*",
    "*.pyc",
    "*.pyi",
    "*/examples-1.json",
    "../*",
    "tests/*",
    "boto3/data/*",
    "boto3/examples/*",
    "dateutil/zoneinfo/*",
    "aws_lambda_powertools/event_handler/*",
    "aws_lambda_powertools/logging/formatters/*",
    "aws_lambda_powertools/metrics/provider/datadog/*",
    "aws_lambda_powertools/middleware_factory/*",
)
"""Parts that the handler never imports, and what differs from one installation to the next."""

KEPT_UTILITIES: Final = ("aws_lambda_powertools/utilities/__init__.py", "aws_lambda_powertools/utilities/jmespath_utils/*")
"""Of powertools' utilities, what its Logger imports."""

KEPT_METADATA: Final = ("*.dist-info/METADATA", "*.dist-info/LICEN[CS]E*", "*.dist-info/NOTICE*", "*.dist-info/licenses/*")
"""Names, versions and licences; the rest of a distribution's metadata tells how it was installed."""


@dataclass(frozen=True)
class Asset:
    """A zip, and the digest of what is in it: the same for every folder, installer, umask and hash seed."""

    path: Path
    digest: str


@functools.cache
def handler_asset() -> Asset:
    """The zip that this installation ships or, in a checkout, the one assembled from its sources."""
    shipped = sorted(Path(__file__).parent.glob(f"{HANDLER}-*.zip"))
    if shipped:
        return Asset(shipped[0], shipped[0].stem.removeprefix(f"{HANDLER}-"))
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "lambda" / HANDLER).is_dir():
        raise FileNotFoundError(
            "cleanrooms-privacy-budget has neither its function's zip nor the sources to make it from "
            f"({checkout / 'lambda' / HANDLER}): reinstall the package"
        )
    return assemble(checkout, checkout / "build")


def assemble(checkout: Path, folder: Path) -> Asset:
    """Write the zip of a checkout's handler and the installed distributions into a folder, unless it is there already."""
    files = dict(sorted([*_sources(checkout), *_installed()]))
    digest = _digest(files)
    target = folder / f"{HANDLER}-{digest}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch) / target.name
            _write(files, unfinished)
            unfinished.replace(target)
        for outdated in folder.glob(f"{HANDLER}-*.zip"):
            if outdated != target:
                outdated.unlink(missing_ok=True)
    return Asset(target, digest)


def _sources(checkout: Path) -> Iterator[tuple[str, Path]]:
    yield f"{HANDLER}/LICENSE", checkout / "LICENSE"
    for path in (checkout / "lambda" / HANDLER).rglob("*.py"):
        yield path.relative_to(checkout / "lambda").as_posix(), path


def _installed() -> Iterator[tuple[str, Path]]:
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.files(name) or ():
            if _is_kept(file.as_posix()):
                yield file.as_posix(), Path(os.fspath(file.locate()))


def _is_kept(name: str) -> bool:
    if ".dist-info/" in name:
        return _matches(name, KEPT_METADATA)
    if name.startswith("botocore/data/"):
        return _matches(name, KEPT_DATA) and not _matches(name, LEFT_OUT)
    if name.startswith("aws_lambda_powertools/utilities/"):
        return _matches(name, KEPT_UTILITIES) and not _matches(name, LEFT_OUT)
    return not _matches(name, LEFT_OUT)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _digest(files: dict[str, Path]) -> str:
    total = hashlib.sha256()
    for name, path in files.items():
        total.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _write(files: dict[str, Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
