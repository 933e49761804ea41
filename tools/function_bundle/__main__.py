"""``python -m tools.function_bundle FOLDER`` assembles this checkout's zip in a folder, and prints its path."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from . import assemble_for_the_runtime

if len(sys.argv) != 2:
    raise SystemExit("usage: python -m tools.function_bundle FOLDER")
try:
    print(assemble_for_the_runtime(Path(__file__).resolve().parents[2], Path(sys.argv[1])))
except PackageNotFoundError as missing:
    raise SystemExit(
        f"The functions' zip needs {missing.name}, which is not installed here: install what the checkout's requirements.txt lists."
    ) from None
