"""The code in README and docs is code: Python compiles and uses what exists, shell blocks call targets and modules that exist."""

import ast
import builtins
import importlib.util
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cleanrooms_privacy_budget
from cleanrooms_privacy_budget import PrivacyBudgetProvider
from tests.support.cdk import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(*languages: str) -> list[Any]:
    """The blocks of a language with their page and line, as parameters; a snippet's file has tests of its own."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            code = textwrap.dedent(block[3])
            if block[2] in languages and not code.startswith("--8<--"):
                line = text.count("\n", 0, block.start()) + 1
                found.append(pytest.param(code, id=f"{page.relative_to(ROOT).as_posix()}:{line}"))
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, Callable[..., Any], set[str]]]:
    """The calls of the package's public names: the name, what takes the keywords, and the keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            called: Any = cleanrooms_privacy_budget
            if name.partition(".")[0] in cleanrooms_privacy_budget.__all__:
                for part in name.split("."):
                    called = getattr(called, part)
                if called is PrivacyBudgetProvider.get_or_create:
                    called = PrivacyBudgetProvider
                # A jsii class itself has the signature of its metaclass.
                takes = called.__init__ if isinstance(called, type) else called  # type: ignore[misc]
                yield name, takes, {keyword.arg for keyword in node.keywords if keyword.arg}


def is_complete(tree: ast.Module) -> bool:
    """Whether code has all that it needs: every name is bound in it, and every module is installed."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    bound = {name.asname or name.name for node in imports for name in node.names}
    bound |= {name.id for name in names if isinstance(name.ctx, ast.Store)} | set(dir(builtins))
    modules = {node.module if isinstance(node, ast.ImportFrom) else name.name for node in imports for name in node.names}
    return all(name.id in bound for name in names) and all(importlib.util.find_spec(str(module).partition(".")[0]) for module in modules)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_of_the_docs_works(code: str) -> None:
    """Python in the docs compiles, uses names that exist, and runs where it is complete."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "cleanrooms_privacy_budget":
            assert {name.name for name in node.names} <= set(cleanrooms_privacy_budget.__all__)
    for name, takes, keywords in calls(tree):
        assert keywords <= set(inspect.signature(takes).parameters), name
    if is_complete(tree):
        exec(compile(tree, "block", "exec"), {})


@pytest.mark.parametrize("commands", blocks("sh"))
def test_shell_calls_targets_and_modules_that_exist(commands: str) -> None:
    assert set(re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE)) <= TARGETS
    for module in re.findall(r"^python -m (\w+)", commands, re.MULTILINE):
        assert importlib.util.find_spec(module), module
    for file in re.findall(r"\b(?:python|pip install -r) ((?:examples/)?[\w.]+\.\w+)", commands):
        assert Path(ROOT / file).is_file(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_names_targets_that_exist(page: Path) -> None:
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= TARGETS


@pytest.mark.parametrize("text", blocks("json"))
def test_json_is_json(text: str) -> None:
    json.loads(text if text.startswith(("{", "[")) else f"{{{text}}}")
