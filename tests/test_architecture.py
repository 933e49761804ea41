"""The arrows of the architecture: which part may import which, and no circle anywhere."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE_ROOTS = (ROOT / "constructs", ROOT / "lambda", ROOT / "cli", ROOT / "local_aws", ROOT)

CORE, HANDLER, MONITOR = "privacy_budget_core", "privacy_budget_handler", "privacy_budget_monitor"
CONSTRUCTS, COMMAND, LOCAL_AWS = "cleanrooms_privacy_budget", "privacy_budget_cli", "cleanrooms_local_aws"
MAY_IMPORT: dict[str, set[str]] = {
    CORE: set(),
    HANDLER: {CORE},
    MONITOR: {CORE},
    CONSTRUCTS: {CORE, MONITOR},  # of the monitor its contract alone, below
    COMMAND: {CORE},
    LOCAL_AWS: set(),
    "stacks": {CORE, CONSTRUCTS},
    "tools": {CORE, CONSTRUCTS, COMMAND, LOCAL_AWS, "stacks"},
    "benchmarks": {CORE, CONSTRUCTS, HANDLER, MONITOR, LOCAL_AWS, "tools"},
}
"""The parts, and which of them each may import."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the parts, by its name."""
    found: dict[str, Path] = {}
    for root in SOURCE_ROOTS:
        for part in MAY_IMPORT:
            for file in (root / part).rglob("*.py"):
                names = file.relative_to(root).with_suffix("").parts
                found[".".join(names[:-1] if names[-1] == "__init__" else names)] = file
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports, at its top or later: its names as they are written, and of this repository's the modules they are of."""
    file = modules()[module]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(_imported(ast.parse(file.read_text()), package))


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in modules() else base


def part_of(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_what_it_may(part: str) -> None:
    """Constructs and command meet only in core; handler and monitor are imported by benchmarks and tests alone."""
    of_part = [module for module in modules() if part_of(module) == part]
    assert of_part
    imported = {part_of(name) for module in of_part for name in imports(module)} & MAY_IMPORT.keys()
    assert imported - {part} <= MAY_IMPORT[part]


def test_constructs_import_only_the_monitors_contract() -> None:
    """The names of its metrics."""
    of_constructs = {name for module in modules() if part_of(module) == CONSTRUCTS for name in imports(module)}
    assert {name for name in of_constructs if part_of(name) == MONITOR} <= {f"{MONITOR}.contract"}


def test_core_needs_no_framework() -> None:
    """Neither the CDK nor what answers CloudFormation."""
    imported = {part_of(name) for module in modules() if part_of(module) == CORE for name in imports(module)}
    assert imported - sys.stdlib_module_names == {CORE, "botocore"}


def test_what_assembles_the_zip_needs_nothing() -> None:
    """A build has the standard library alone."""
    assembling = [module for module in modules() if module.startswith("tools.function_bundle")] + ["tools.release.sbom"]
    imported = {name for module in assembling for name in imports(module)}
    assert {name for name in imported if part_of(name) not in sys.stdlib_module_names} <= set(assembling)


def test_there_is_no_circle() -> None:
    """Not even one by an import within a function, or for type checking."""
    graph = {module: (imports(module) & modules().keys()) - {module} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
