"""``privacy-budget``, also ``python -m privacy_budget_cli``."""

import sys

from .messages import interrupted, say

_PACKAGES_OF_THE_EXTRA = ("boto3", "botocore", "rich")


def main() -> int:
    """Run the command. Returns its exit status."""
    try:
        from .command import run  # noqa: PLC0415 - what it needs comes with an extra

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES_OF_THE_EXTRA:
            raise
        say(f"the command needs {missing}, which is not installed; pip install 'cleanrooms-privacy-budget[cli]'")
        return 1
    except KeyboardInterrupt:
        return interrupted()


if __name__ == "__main__":
    sys.exit(main())
