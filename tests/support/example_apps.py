"""The examples as their user meets them: the commands that their docstrings give, and what these synthesize and deploy."""

import ast
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk import CLI, ROOT, Ran
from cleanrooms_local_aws import LocalAws

FOLDER = ROOT / "examples"
APPS = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("test_"))


def commands(name: str, values: Mapping[str, str]) -> list[list[str]]:
    """The ``cdk`` commands in an example's docstring, with a value for each ``-c key=<what it is>``."""
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    written = re.findall(r"^ +(cdk .+)$", docstring, re.MULTILINE)
    return [shlex.split(re.sub(r"(\w+)=<.+?>", lambda given: f"{given[1]}={values[given[1]]}", command)) for command in written]


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
    """What an example's synthesis printed, and the folder that it wrote."""

    ran: Ran
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


def synthesize(name: str, context: Mapping[str, str], folder: Path, home: Path) -> Assembly:
    """Run an example as the CLI does: from a foreign folder, with an empty one to write to, and without credentials."""
    ran = _run(
        [sys.executable, str(FOLDER / f"{name}.py")],
        folder,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "CDK_OUTDIR": str(folder / "cdk.out"),
            "CDK_VALIDATION": "false",
        },
    )
    return Assembly(ran, folder / "cdk.out")


def deploys(local_aws: LocalAws, name: str, values: Mapping[str, str], folder: Path) -> dict[str, dict[str, str]]:
    """Deploy an example by the first command of its docstring, which must succeed, and give each stack's outputs."""
    outputs = folder / "outputs.json"
    options = ["--output", str(folder / "cdk.out"), "--outputs-file", str(outputs), "--concurrency", "2", "--require-approval", "never"]
    ran = _run(
        [str(CLI), *commands(name, values)[0][1:], *options, "--no-notices", "--no-version-reporting"],
        ROOT,
        {
            **local_aws.environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CI": "true",
            "CDK_VALIDATION": "false",
        },
    )
    assert ran.status == 0, ran.text
    found: dict[str, dict[str, str]] = json.loads(outputs.read_text())
    return found


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> Ran:
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout)
