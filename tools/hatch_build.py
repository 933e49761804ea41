"""Build hook: the wheel carries the functions' zip ready-made, from the assembler that a checkout uses at synth, and says what is in it."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FunctionBundleHook(BuildHookInterface[Any]):
    """Assembles zip and bill of materials into the wheel; an editable install assembles at synth instead, so that edits show."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the zip beside the construct's modules, and its bill of materials to the wheel's metadata (PEP 770)."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)  # a build's path holds installed packages alone
        from tools import function_bundle  # noqa: PLC0415
        from tools.release.sbom import sbom  # noqa: PLC0415

        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        archive = function_bundle.assemble_for_the_runtime(root, folder)
        bill = folder / f"{function_bundle.HANDLER}.cdx.json"
        bill.write_text(sbom(archive, self.metadata.version, function_bundle.DISTRIBUTIONS))
        build_data["force_include"][str(archive)] = f"cleanrooms_privacy_budget/{archive.name}"
        build_data["sbom_files"].append(str(bill))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Remove again what the wheel now holds."""
        if version != "editable":
            self._folder.cleanup()
