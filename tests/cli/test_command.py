"""How the command ends where something is wrong, and what it prints to narrow, plain and other outputs."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from rich.console import Console

from cleanrooms_local_aws.clean_rooms import exceptions as answers
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_cli import __main__, terminal
from privacy_budget_cli.errors import explain
from privacy_budget_cli.session import session
from privacy_budget_core import __version__
from tests.support.cdk import ROOT
from tests.support.command import Command, access_budget, spent_budget
from tests.support.stack import Backend

pytest_plugins = ["tests.support.command_fixtures"]


def answered(code: str, message: str = "their words", operation: str = "ListPrivacyBudgets") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


ENDPOINT = "https://cleanrooms.{}.amazonaws.com/memberships"

FAILURES: dict[str, tuple[Exception, str]] = {
    "expired": (answered("ExpiredTokenException"), "the credentials have expired; sign in again (aws sso login or aws login)"),
    "unknown_key": (answered("UnrecognizedClientException"), "AWS does not take these credentials; check --profile, or sign in again"),
    "denied": (
        answered("AccessDeniedException", "no"),
        "these credentials may not do this; allow them cleanrooms:ListPrivacyBudgets (AWS says: no)",
    ),
    "denied_by_name": (
        answered("AccessDenied", "role/x is not authorized to perform: cloudformation:DescribeStacks on resource: y", "DescribeStacks"),
        "these credentials may not do this; allow them cloudformation:DescribeStacks (AWS says: role/x is not",
    ),
    "denied a lookup": (
        answered("AccessDeniedException", "no", "LookupEvents"),
        "these credentials may not do this; allow them cloudtrail:LookupEvents (AWS says: no)",
    ),
    "throttled lookups": (
        answered("ThrottlingException", "slow", "LookupEvents"),
        "LookupEvents was throttled, as all callers in an account and region share 2 calls a second; try again later",
    ),
    "throttled": (
        answered("ThrottlingException"),
        "ListPrivacyBudgets was throttled, as all callers in an account and region share 5 calls a second; try again later",
    ),
    "not_found": (
        answered("ResourceNotFoundException"),
        "region eu-west-1 of this account has no such membership; check its id, --region and --profile (AWS says: their words)",
    ),
    "other": (answered("InternalServerException"), "ListPrivacyBudgets failed with InternalServerException; AWS says: their words"),
    "without_words": (
        answered("InternalServerException", ""),
        "ListPrivacyBudgets failed with InternalServerException; AWS says: InternalServerException",
    ),
    "sso": (exceptions.UnauthorizedSSOTokenError(), "no AWS credentials could be had; sign in again"),
    "login": (exceptions.LoginRefreshRequired(), "no AWS credentials could be had; sign in again"),
    "partial": (
        exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        "no AWS credentials could be had; sign in again",
    ),
    "region_without": (
        exceptions.EndpointConnectionError(endpoint_url=ENDPOINT.format("eu-south-2")),
        "region eu-south-2 has no Clean Rooms that can be reached; choose another by --region: ap-northeast-1, ",
    ),
    "no_network": (
        exceptions.EndpointConnectionError(endpoint_url=ENDPOINT.format("us-east-1")),
        "AWS cannot be reached; check the network, the proxy and the endpoint's address (Could not connect to",
    ),
    "no_answer": (exceptions.ReadTimeoutError(endpoint_url=ENDPOINT.format("us-east-1")), "AWS cannot be reached; check the network"),
    "certificate": (
        exceptions.SSLError(endpoint_url="https://x", error=OSError("self-signed")),
        "AWS cannot be reached; check the network",
    ),
    "bad_region": (exceptions.InvalidRegionError(region_name="mars!"), "Provided region_name 'mars!' doesn't match a supported format."),
}


@pytest.mark.parametrize(("error", "sentence"), FAILURES.values(), ids=FAILURES.keys())
def test_each_failure_has_its_sentence(error: Exception, sentence: str) -> None:
    assert explain(error, "eu-west-1").startswith(sentence)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without credentials, region or configuration."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(["--region", "us-east-1"], "no AWS credentials were found; name a profile by --profile, or set", id="credentials"),
        pytest.param([], "no region is set; give --region, or set AWS_REGION", id="region"),
        pytest.param(["--region", "mars!"], "Provided region_name 'mars!' doesn't match a supported format.", id="wrong_region"),
        pytest.param(["--profile", "x"], "The config profile (x) could not be found; aws configure list-profiles", id="profile"),
    ],
)
@pytest.mark.parametrize("subcommand", ["status", "preview"])
def test_an_incomplete_configuration(command: Command, subcommand: str, options: list[str], told: str) -> None:
    ended = command(subcommand, "00000000-0000-0000-0000-000000000000", *options)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(f"privacy-budget: {told}")
    assert ended.err.count("\n") == 1


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "eu-west-1")
    assert session(None, None).region_name == "eu-west-1"
    assert session(None, "us-east-2").region_name == "us-east-2"


@pytest.mark.usefixtures("nobody")
def test_an_empty_variable_is_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "")
    assert session(None, None).region_name is None


@pytest.mark.parametrize("subcommand", ["status", "preview"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(answers.AccessDeniedException("no"), "these credentials may not do this; allow them cleanrooms:", id="denied"),
        pytest.param(answers.ThrottlingException("slow"), " was throttled, as all callers in an account and region share", id="throttled"),
        pytest.param(answers.InternalServerException("oops"), " failed with InternalServerException; AWS says: oops", id="internal"),
    ],
)
def test_what_the_service_refuses(
    command: Command,
    use: Callable[[Settings], None],
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    subcommand: str,
    error: Exception,
    told: str,
) -> None:
    def refuse(operation: str, moment: Moment) -> None:
        raise error

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    use(Settings(faults=refuse))
    ended = command(subcommand, backend.membership())
    assert (ended.status, ended.out) == (1, "")
    assert told in ended.err


def test_an_endpoint_where_nothing_listens(membership: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "privacy_budget_cli", "status", membership, "--endpoint-url", "http://127.0.0.1:9"],
        env={**os.environ, "AWS_MAX_ATTEMPTS": "1", "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("privacy-budget: AWS cannot be reached; check the network, the proxy and the endpoint's address (")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["status", "ABC"], "argument MEMBERSHIP: a membership's id must be a lower-case UUID, got 'ABC'", id="membership"),
        pytest.param(["preview", "x"], "argument MEMBERSHIP: a membership's id must be a lower-case UUID, got 'x'", id="preview"),
        pytest.param(
            ["status", "--all", "--endpoint-url", "localhost"],
            "argument --endpoint-url: must begin with https:// or http://, got 'localhost'",
            id="endpoint",
        ),
        pytest.param([], "the following arguments are required: COMMAND", id="nothing"),
    ],
)
def test_wrong_arguments(command: Command, arguments: list[str], told: str) -> None:
    ended = command(*arguments)
    assert ended.status == 2
    assert ended.err.endswith(f"error: {told}\n")


def test_plan_of_a_missing_app(command: Command, tmp_path: Path) -> None:
    ended = command("plan", str(tmp_path / "cdk.out"))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == f"privacy-budget: {tmp_path / 'cdk.out'} does not exist; write it by cdk synth, or name what it was written to\n"


def test_help_names_every_documented_subcommand(command: Command) -> None:
    documented = re.findall(r"^## `(\w+)`", (ROOT / "docs" / "command.md").read_text(), re.MULTILINE)
    assert re.findall(r"^    (\w+) +Show ", command("--help").out, re.MULTILINE) == documented == ["status", "history", "preview", "plan"]


def test_the_version(command: Command) -> None:
    assert command("--version").out == f"{__version__}\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("library", ["boto3", "botocore", "rich"])
def test_without_its_libraries_the_command_names_the_extra(library: str) -> None:
    ran = python(
        f"import sys; sys.modules[{library!r}] = None; sys.argv = ['x', 'status', '--all'];"
        " from privacy_budget_cli.__main__ import main; sys.exit(main())"
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"privacy-budget: the command needs {library}, which is not installed; pip install 'cleanrooms-privacy-budget[cli]'\n"
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_need_no_extra(option: str) -> None:
    """The packages of the constructs alone, which are a stranger's first installation."""
    ran = python(
        f"import sys; sys.modules.update(boto3=None, botocore=None, rich=None); sys.argv = ['privacy-budget', {option!r}];"
        " from privacy_budget_cli.__main__ import main; sys.exit(main())"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: privacy-budget" if option == "--help" else __version__)


def test_each_option_of_preview_has_its_own_range(command: Command) -> None:
    shown = " ".join(command("preview", "--help").out.split())
    assert "--epsilon NUMBERS from 1 to 20: 3, or 1..5, or 1,3,10..20 (default: 1..20)" in shown
    assert "--noise NUMBERS from 10 to 100: 30, or 20..25, or 10,30,50..100 (default: 10,30,100)" in shown


@pytest.mark.parametrize("subcommand", ["status", "preview"])
def test_piped_lines_have_no_trailing_blanks(command: Command, backend: Backend, membership: str, subcommand: str) -> None:
    spent_budget(backend, membership, team="a")
    access_budget(backend, membership, LIFETIME=5, CALENDAR_DAY=1)
    shown = command(subcommand, membership).out.splitlines()
    assert [line for line in shown if line != line.rstrip()] == []


@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_no_color_means_no_style_at_all(
    command: Command, backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch, no_color: str, styled: bool
) -> None:
    spent_budget(backend, membership)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert ("\x1b" in command("status", membership).out) == styled


def test_without_matplotlib_a_chart_names_the_extra() -> None:
    ran = python(
        "import sys; sys.modules['matplotlib'] = None;"
        " sys.argv = ['x', 'preview', '00000000-0000-0000-0000-000000000000', '--plot', 'x.png'];"
        " from privacy_budget_cli.__main__ import main; sys.exit(main())"
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "privacy-budget: --plot needs matplotlib, which is not installed; pip install 'cleanrooms-privacy-budget[plot]'\n"
    )


def test_unrelated_missing_module_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing module that no extra installs is raised, and not reported as a missing extra."""

    def broken(arguments: list[str]) -> int:
        raise ModuleNotFoundError(name="other")

    monkeypatch.setattr("privacy_budget_cli.command.run", broken)
    with pytest.raises(ModuleNotFoundError):
        __main__.main()


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("privacy_budget_cli.command.run", interrupted)
    assert __main__.main() == 130
    assert capsys.readouterr().err == "privacy-budget: Interrupted.\n"


@pytest.mark.parametrize("subcommand", ["status", "preview"])
def test_narrow_terminal_gets_whole_lines(
    command: Command, backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch, subcommand: str
) -> None:
    """No line is cut, and none is longer than the terminal is wide."""
    arn = spent_budget(backend, membership)["arn"]
    monkeypatch.setenv("COLUMNS", "40")
    shown = command(subcommand, membership).out.splitlines()
    assert [line for line in shown if len(line.rstrip()) > 40 and line != arn] == []
    assert "…" not in "".join(shown)
    wanted = "198 of 198 COUNT_DISTINCT" if subcommand == "status" else "epsilon"
    assert [line for line in shown if wanted in line]


def test_piped_output_has_neither_colours_nor_folded_lines(command: Command, backend: Backend, membership: str) -> None:
    spent_budget(backend, membership, note="long " * 40)
    access_budget(backend, membership, LIFETIME=5)
    shown = command("status", membership).out
    assert "\x1b" not in shown
    assert f"note = {'long ' * 40}".rstrip() in shown


def test_an_encoding_without_bars_gets_plain_ones(
    command: Command, backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent_budget(backend, membership, 33, team="é")
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert command("status", membership).status == 0
    plain.seek(0)
    shown = plain.read()
    assert f"  {'#' * 16}{'.' * 8}  66% 66 of 99 COUNT" in shown
    assert "team = ?" in shown


@pytest.mark.parametrize(
    ("fraction", "bar"), [(0.0, ".........."), (0.001, "#........."), (0.5, "#####....."), (0.999, "#########."), (1.0, "##########")]
)
def test_bar_ends_are_exact(fraction: float, bar: str) -> None:
    """A bar is full only where all of the budget remains, and empty only where none does."""
    console: Any = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=10)
    assert "".join(segment.text for segment in console.render(terminal.Bar(fraction))) == bar


PICTURES = sorted((ROOT / "docs" / "assets" / "command").glob("*.svg"))


@pytest.mark.parametrize("picture", PICTURES, ids=[picture.stem for picture in PICTURES])
def test_the_pictures_of_the_documentation_fetch_nothing(picture: Path) -> None:
    text = picture.read_text()
    assert "privacy-budget" in text
    assert re.findall(r"url\((?!#)|(?:href|src)=|@import|@font-face", text) == []
