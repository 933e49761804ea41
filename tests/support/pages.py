"""What the pages say, typed literally into a shell, in a copy of the repository."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.cdk import ROOT, run

INSTALLED = (".venv/.installed", ".venv/.installed-tools", ".venv/.runtime-python", "node_modules/.installed")
MAKE = ["make", *(f"--old-file={target}" for target in INSTALLED)]
"""make, where the set-up is done."""


def clone(folder: Path, with_tools: bool = False) -> Path:
    """A copy of what git would clone; its set-up is done with this checkout's installed tools."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for tools in (".venv", "node_modules") if with_tools else ():
        (folder / tools).symlink_to(ROOT / tools)
    return folder


def block(page: str, first: str) -> list[str]:
    """The lines of a page's block that begins with these words."""
    (found,) = (text for text in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.M) if text.startswith(first))
    return str(found).splitlines()


def commands(page: str, first: str) -> list[str]:
    """The commands of a block, without what the page remarks on them."""
    return [line.partition(" #")[0].strip() for line in block(page, first)]


def clean_home(folder: Path) -> dict[str, str]:
    """An environment with a home below a folder, and without what another make put into it.

    What was downloaded stays at hand, as does the emulator. pip compiles nothing: of the CDK's modules, two dozen are used.
    """
    (folder / "home").mkdir(exist_ok=True)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VIRTUAL_ENV", "npm_"))}
    downloads = {"PIP_CACHE_DIR": str(ROOT / "build" / "pip"), "npm_config_cache": str(ROOT / "build" / "npm")}
    return {**kept, **downloads, "HOME": str(folder / "home"), "XDG_CACHE_HOME": cache, "PIP_COMPILE": "0"}


def types(typed: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Type commands one after another into one shell, each of which must succeed, and give what they printed."""
    script = "\n".join(re.sub("^make ", f"{shlex.join(MAKE)} ", command) for command in typed)
    ran = run(["sh", "-ec", script], folder, environment)
    assert ran.status == 0, ran.text
    return ran.text
