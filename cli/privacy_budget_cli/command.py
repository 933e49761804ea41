"""The command: its subcommands, and one sentence for each failure.

What a subcommand needs comes with an extra, so only the one that is run is imported: the help of the command works without.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from privacy_budget_core import __version__

from .arguments import add_account_arguments
from .messages import say

_SUBCOMMANDS: Final = {
    "status": (
        "status.command",
        "Show the privacy budget templates of memberships or of a collaboration, and what remains of each budget.",
    ),
    "history": ("history.command", "Show the life of each privacy budget as CloudTrail recorded it, and the sum of what was granted."),
    "preview": ("preview", "Show how many aggregations a differential-privacy budget would allow, for each pair of epsilon and noise."),
    "plan": (
        "plan.command",
        "Show what a deployment would do to each privacy budget template, and what becomes of what is consumed of its budget.",
    ),
}
"""The module of each, and what it does."""


def run(arguments: Sequence[str]) -> int:
    """Run a subcommand. Returns its exit status, or 1 where it failed. Raises ModuleNotFoundError where an extra is missing."""
    options = _parser(next((argument for argument in arguments if not argument.startswith("-")), None)).parse_args(arguments)

    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from privacy_budget_core.errors import ServiceError  # noqa: PLC0415

    from . import terminal  # noqa: PLC0415
    from .errors import CommandError, explain  # noqa: PLC0415
    from .session import session  # noqa: PLC0415

    region = None
    try:
        options.session = session(options.profile, options.region)
        region = options.session.region_name
        ended: int = options.run(options, terminal.console())
    except CommandError as error:
        say(str(error))
    except (ServiceError, ClientError, BotoCoreError) as error:
        say(explain(error, region))
    else:
        return ended
    return 1


def _parser(chosen: str | None) -> ArgumentParser:
    """The command's parser, with the arguments of the chosen subcommand."""
    parser = ArgumentParser(prog="privacy-budget", description="Privacy budgets of AWS Clean Rooms.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, description) in _SUBCOMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if name == chosen:
            subcommand = import_module(f".{module}", __package__)
            subcommand.add_arguments(command)
            add_account_arguments(command)
            command.set_defaults(run=subcommand.run)
    return parser
