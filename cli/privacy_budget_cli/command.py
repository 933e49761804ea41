"""The command: its subcommands, and one sentence for each failure."""

from argparse import ArgumentParser
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from privacy_budget_core import __version__
from privacy_budget_core.errors import ServiceError

from . import preview, terminal
from .arguments import add_account_arguments
from .errors import CommandError, explain
from .history import command as history_command
from .messages import say
from .plan import command as plan_command
from .session import session
from .status import command as status_command

_SUBCOMMANDS = {"status": status_command, "history": history_command, "preview": preview, "plan": plan_command}


def run(arguments: Sequence[str]) -> int:
    """Run a subcommand. Returns its exit status, or 1 where it failed."""
    options = _parser().parse_args(arguments)
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


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="privacy-budget", description="Privacy budgets of AWS Clean Rooms.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, subcommand in _SUBCOMMANDS.items():
        command = commands.add_parser(name, help=subcommand.DESCRIPTION, description=subcommand.DESCRIPTION)
        subcommand.add_arguments(command)
        add_account_arguments(command)
        command.set_defaults(run=subcommand.run)
    return parser
