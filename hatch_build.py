"""Build hook: the wheel carries the function's asset ready-made, from the assembler that a checkout uses at synth."""

import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetBuildHook(BuildHookInterface[Any]):
    """Assembles the zip into the wheel; an editable install assembles at synth instead, so that edits show."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the zip beside the construct's modules."""
        if version == "editable":
            return
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory()
        asset = _assembler(root / "constructs/cleanrooms_privacy_budget/asset.py").assemble(
            root / "lambda/privacy_budget_handler", Path(self._folder.name)
        )
        build_data["force_include"][str(asset.path)] = f"cleanrooms_privacy_budget/{asset.path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove the zip again, which the wheel now holds."""
        if version != "editable":
            self._folder.cleanup()


def _assembler(path: Path) -> ModuleType:
    """The assembler's module by its path: its package imports the CDK, which a build has no need of."""
    spec = importlib.util.spec_from_file_location("asset", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"the assembler is not where the build hook looks for it: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
