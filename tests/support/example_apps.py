"""The examples as their user meets them: the commands that their docstrings give, and what these synthesize and deploy."""

import ast
import functools
import itertools
import json
import os
import re
import runpy
import shlex
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import CLI, ROOT, Engine, Ran, run

FOLDER = ROOT / "examples"
APPS = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("test_"))

ANY = "cdk|aws|python -m cleanrooms_local_aws"
"""The first words of an example's commands."""

CDK_COMMAND = ArgumentParser(allow_abbrev=False, exit_on_error=False)
"""The options of the CDK CLI in the examples' commands."""
CDK_COMMAND.add_argument("what", choices=["deploy", "destroy"])
CDK_COMMAND.add_argument("--all", action="store_true")
CDK_COMMAND.add_argument("--app", required=True)
CDK_COMMAND.add_argument("-c", dest="context", action="append", default=[])


def commands(name: str, values: Mapping[str, str], of: str = "cdk") -> list[list[str]]:
    """The commands in an example's docstring, with values for the words in angle brackets: by these, or by the option before them.

    ``of`` is a pattern of their first words.
    """
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    written = re.findall(rf"^ +((?:{of}) .+)$", docstring, re.MULTILINE)

    def value(given: re.Match[str]) -> str:
        return f"{given[1]}{given[2]}{values.get(given[3]) or values[given[1]]}"

    return [shlex.split(re.sub(r"(\w+)([= ])<(.+?)>", value, command)) for command in written]


def contexts(name: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    """The different contexts of an example's commands, in their order."""
    found: list[dict[str, str]] = []
    for command in commands(name, values):
        given = [word for option, word in itertools.pairwise(command) if option == "-c"]
        context = dict(word.split("=", 1) for word in given)
        if context not in found:
            found.append(context)
    return found


@dataclass
class Assembly:
    """The folder that an example's synthesis wrote."""

    folder: Path

    @property
    def files(self) -> list[Path]:
        """The files of the templates, of nested stacks and of stages too."""
        return sorted(self.folder.rglob("*.template.json"))

    @property
    def templates(self) -> dict[str, Any]:
        """The templates, by the names that their files begin with."""
        return {file.name.split(".")[0]: json.loads(file.read_text()) for file in self.files}

    @property
    def artifacts(self) -> dict[str, Any]:
        """What the assembly's manifest says of its stacks."""
        artifacts: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())["artifacts"]
        return artifacts


def synthesize(name: str, context: Mapping[str, str], folder: Path) -> Assembly:
    """Run an example in this process, whose CDK runs already; the CLI would give it context and folder by its environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cdk, "App", functools.partial(cdk.App, context=dict(context), outdir=str(folder)))
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    return Assembly(folder)


@dataclass
class Step:
    """A command of a docstring, and how it ended."""

    command: list[str]
    ran: Ran


def follows(local_aws: LocalAws, name: str, values: Mapping[str, str], folder: Path, *context: str) -> Iterator[Step]:
    """Run the commands of an example's docstring one after another, as its user would; ``context`` is ``key=value`` to add.

    What is destroyed is the assembly that was deployed: the app would only write it once more.
    """
    for command in commands(name, values, ANY):
        if command[0] == "cdk":
            options = ["--no-notices", "--no-version-reporting", *(word for given in context for word in ("-c", given))]
            if command[1] == "deploy":
                options += ["--output", str(folder / "cdk.out"), "--require-approval", "never"]
            else:
                command[command.index("--app") + 1] = str(folder / "cdk.out")
                options += ["--force"]
            yield Step(command, run([*command, *options], ROOT, environment(local_aws)))
        else:
            yield _other(local_aws, command)


def performs(engine: Engine, name: str, values: Mapping[str, str]) -> Iterator[Step]:
    """Do what the commands of an example's docstring say, where each is for all of its stacks, without the CLI."""
    for command in commands(name, values, ANY):
        if command[0] != "cdk":
            yield _other(engine.local_aws, command)
            continue
        asked = CDK_COMMAND.parse_args(command[1:])
        assert asked.app == f"python examples/{name}.py"
        if asked.what == "deploy":
            shutil.rmtree(engine.folder / "cdk.out", ignore_errors=True)
            synthesize(name, dict(given.split("=", 1) for given in asked.context), engine.folder / "cdk.out")
            yield Step(command, engine.deploy_assembly())
        else:
            engine.destroys()
            yield Step(command, Ran(0, ""))


def _other(local_aws: LocalAws, command: list[str]) -> Step:
    """A command that is not of the CDK CLI."""
    options = ["--folder", str(local_aws.folder)] if command[0] == "python" else []
    return Step(command, run([*command, *options], ROOT, environment(local_aws)))


def environment(local_aws: LocalAws) -> dict[str, str]:
    """This machine with the local AWS, and with this checkout's tools."""
    tools = os.pathsep.join((str(Path(sys.executable).parent), str(CLI.parent), os.environ["PATH"]))
    return {**local_aws.environment, "PATH": tools, "CI": "true"}
