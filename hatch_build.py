"""Build hook: the wheel carries the function's zip ready-made, from the assembler that a checkout uses at synth, and says what is in it."""

import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetBuildHook(BuildHookInterface[Any]):
    """Assembles zip and bill of materials into the wheel; an editable install assembles at synth instead, so that edits show."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the zip beside the construct's modules, and its bill of materials to the wheel's metadata (PEP 770)."""
        if version == "editable":
            return
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        assembler = _module(root / "constructs/cleanrooms_privacy_budget/asset/__init__.py")
        archive = assembler.released_asset(root, folder).path
        bill = folder / f"{assembler.HANDLER}.cdx.json"
        bill.write_text(_module(root / "release/sbom.py").sbom(archive, self.metadata.version, assembler.DISTRIBUTIONS))
        build_data["force_include"][str(archive)] = f"cleanrooms_privacy_budget/{archive.name}"
        build_data["sbom_files"].append(str(bill))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove again what the wheel now holds."""
        if version != "editable":
            self._folder.cleanup()


def _module(path: Path) -> ModuleType:
    """A module, or a package by its ``__init__.py``, by its path: what is around it imports the CDK, which a build has no need of."""
    name = path.parent.name if path.stem == "__init__" else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"the build hook finds no module at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
