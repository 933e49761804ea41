"""``python -m cleanrooms_local_aws``: the local AWS from the command line."""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from . import LocalAws, LocalAwsError

_FOLDER: Final = Path(".local-aws")


def main(arguments: list[str]) -> int:
    """Do what the arguments say, and give the exit status."""
    options = _parser().parse_args(arguments)
    local_aws = LocalAws(options.folder)
    _show_progress()
    try:
        return _run(local_aws, options)
    except LocalAwsError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        stop = f" What was begun may go on in the background: `python -m cleanrooms_local_aws stop --folder {options.folder}`"
        _say(f"Interrupted.{stop if local_aws.folder.exists() else ''}")
        return 130


def _run(local_aws: LocalAws, options: argparse.Namespace) -> int:
    """Run one subcommand, and return the exit status. Raises LocalAwsError."""
    match options.command:
        case "stop" | "status" | "destroy" | "spend" if not local_aws.folder.exists():
            start = f"python -m cleanrooms_local_aws start --folder {options.folder}"
            _say(f"There is no local AWS in {options.folder}. Start one: `{start}`")
            return int(options.command in ("status", "spend"))
        case "start":
            _start(local_aws)
            _say(_running(local_aws))
        case "stop":
            local_aws.stop()
            _say(f"The local AWS in {options.folder} is stopped; what it holds is kept.")
        case "status":
            _say(_running(local_aws) if local_aws.running else f"No local AWS runs in {options.folder}.")
            return 0 if local_aws.running else 1
        case "destroy":
            local_aws.destroy()
            _say(f"The local AWS in {options.folder} is gone.")
        case "demo":
            print(_demo(local_aws))  # noqa: T201
        case "spend":
            _start(local_aws)
            _say(_spend(local_aws, options))
        case "exec":
            _start(local_aws)
            return _execute_bootstrapped(local_aws, options.arguments)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cleanrooms_local_aws", description="An AWS on your own machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, description in (
        ("start", "start it where it does not run; it then runs in the background"),
        ("stop", "stop it; what it holds is kept for the next start"),
        ("status", "say whether it runs, and where"),
        ("destroy", "stop it and delete everything that it holds"),
        ("demo", "show the ids of the demo's memberships and tables"),
        ("spend", "use up a part of a budget, as queries would; by default that of the demo membership"),
        ("exec", "run a command against it, starting it where it does not run; for the CDK CLI it is bootstrapped"),
    ):
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("--folder", type=Path, default=_FOLDER, help="where it keeps everything (default: %(default)s)")
        if name == "spend":
            command.add_argument("count", type=int, help="how many aggregations of queries, or uses of the table")
            command.add_argument(
                "--membership", metavar="ID", help="whose template (default: the demo membership's, or the named template's)"
            )
            command.add_argument("--template", metavar="ID|ARN", help="which template (default: the membership's only one)")
            command.add_argument("--aggregation", metavar="TYPE", help="of which type of aggregation (default: COUNT)")
        if name == "exec":
            command.add_argument("arguments", metavar="COMMAND", nargs="+", help="the command, best put after --")
    return parser


def _start(local_aws: LocalAws) -> None:
    if not local_aws.running:
        _say(f"Starting the local AWS in {local_aws.folder} ...")
        local_aws.start()


def _running(local_aws: LocalAws) -> str:
    return (
        f"The local AWS runs at {local_aws.endpoint} as process {local_aws.process_id},"
        f" account {local_aws.account_id}, region {local_aws.region}."
    )


def _demo(local_aws: LocalAws) -> str:
    """List what an app can be tried on. Raises LocalAwsError."""
    return "\n".join(f"{name.replace('_', ' '):30}{value}" for name, value in asdict(local_aws.demo).items())


def _spend(local_aws: LocalAws, options: argparse.Namespace) -> str:
    """Spend from a template, and say so. Raises LocalAwsError."""
    demo = local_aws.demo.membership_id if options.template is None else None
    summary = local_aws.spend(options.membership or demo, options.template, options.count, options.aggregation)
    unit = (options.aggregation or "COUNT") if summary["type"] == "DIFFERENTIAL_PRIVACY" else "uses of the table"
    return f"Spent {options.count} {unit} of {summary['privacyBudgetTemplateArn']}."


def _with_node_modules(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which commands that npm installed for the project are found, as npm itself finds them."""
    here = Path.cwd()
    installed = [str(folder / "node_modules" / ".bin") for folder in (here, *here.parents) if (folder / "node_modules" / ".bin").is_dir()]
    return {**environment, "PATH": os.pathsep.join((*installed, environment.get("PATH", os.defpath)))}


def _cdk(command: list[str], path: str) -> list[str]:
    """The CDK CLI that a command runs, so that it works in another folder as well; empty where it runs none, or bootstraps itself."""
    program = Path(command[0]).name
    by_npx = program == "npx" and "cdk" in command
    if "bootstrap" in command or not (program == "cdk" or by_npx):
        return []
    found = shutil.which("cdk" if by_npx else command[0], path=path)
    if found is None:
        return command[: command.index("cdk") + 1] if by_npx else command[:1]
    return [str(Path(found).absolute())]


def _execute_bootstrapped(local_aws: LocalAws, command: list[str]) -> int:
    """Bootstrap the local AWS if the command runs the CDK CLI, then become the command. Raises LocalAwsError."""
    environment = _with_node_modules(local_aws.environment)
    cdk = _cdk(command, environment["PATH"])
    if cdk:
        local_aws.bootstrap(cdk)
    return _execute(command, environment)


def _execute(command: list[str], environment: Mapping[str, str]) -> int:
    """Become the command, so that its exit status and signals are its own. Returns only where it cannot be run."""
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606
    except OSError as error:
        _say(f"The command {command[0]!r} could not be run: {error.strerror}.")
        return 127


def _show_progress() -> None:
    """Tell the user what takes a while, such as the installation of the emulator."""
    logger = logging.getLogger(__package__)
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)


def _say(message: str) -> None:
    """Tell the user, aside from the output of commands."""
    print(message, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
