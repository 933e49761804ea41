"""``python -m tools.function_bundle FOLDER`` assembles the zip of this checkout's sources in a folder, and prints its path."""

import sys
from pathlib import Path

from . import assemble

if len(sys.argv) != 2:
    raise SystemExit("usage: python -m tools.function_bundle FOLDER")
print(assemble(Path(__file__).resolve().parents[2], Path(sys.argv[1])))
