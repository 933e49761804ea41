"""The files of the functions' zip: this project's packages, and the parts of the installed distributions that the functions use."""

import importlib.metadata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from .service_data import SERVICES, trimmed

HANDLER: Final = "privacy_budget_handler"
MONITOR: Final = "privacy_budget_monitor"
CORE: Final = "privacy_budget_core"

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
    *(f"botocore/data/{service}/*" for service in SERVICES),
    "botocore/data/_retry.json",
    "botocore/data/endpoints.json",
    "botocore/data/partitions.json",
    "botocore/data/sdk-default-configuration.json",
)
"""The part of botocore's service data that the functions' clients read."""

LEFT_OUT: Final = (
    "urllib3/contrib/emscripten/*",  # of Python in a browser
    "*/__pycache__/*",
    "*.pyc",
    "*.pyi",
    "*/examples-1.json",
    "*/paginators-1.json",
    "*/waiters-2.json",
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
"""Parts that no function uses, and files that differ between installations."""

KEPT_UTILITIES: Final = ("aws_lambda_powertools/utilities/__init__.py", "aws_lambda_powertools/utilities/jmespath_utils/*")
"""The part of powertools' utilities that its Logger imports."""

KEPT_METADATA: Final = ("*.dist-info/METADATA", "*.dist-info/LICEN[CS]E*", "*.dist-info/NOTICE*", "*.dist-info/licenses/*")
"""Names, versions and licences. The rest of a distribution's metadata depends on how it was installed."""


def contents(checkout: Path) -> dict[str, bytes]:
    """The zip's files by their names, in the names' order."""
    return dict(sorted([*_sources(checkout), *(trimmed(name, path.read_bytes()) for name, path in _installed())]))


def _sources(checkout: Path) -> Iterator[tuple[str, bytes]]:
    yield f"{HANDLER}/LICENSE", (checkout / "LICENSE").read_bytes()
    for package in (CORE, HANDLER, MONITOR):
        for path in (checkout / "lambda" / package).rglob("*.py"):
            yield path.relative_to(checkout / "lambda").as_posix(), path.read_bytes()


def _installed() -> Iterator[tuple[str, Path]]:
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.files(name) or ():
            if _is_kept(file.as_posix()):
                yield file.as_posix(), Path(str(file.locate()))


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
