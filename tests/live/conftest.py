"""The account that a live run works in, and the findings at its end."""

import io
import os
import shutil
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from privacy_budget_core.contract import is_membership_id, is_resource_arn
from tests.support.service_facts import HASTY, PATIENT, Bench, NotEmptyError

MEMBERSHIP = "CLEANROOMS_MEMBERSHIP_ID"
TABLE = "CLEANROOMS_TABLE_ARN"

FINDINGS = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def account(pytestconfig: pytest.Config) -> Iterator[Bench]:
    """The membership that the environment names. Skips where it names none, or where there are no credentials."""
    membership, table = os.environ.get(MEMBERSHIP, ""), os.environ.get(TABLE)
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    if not membership:
        pytest.skip(f"{MEMBERSHIP} must name a Clean Rooms membership for tests, without privacy budget templates")
    if session.region_name is None:
        pytest.skip("AWS_REGION, AWS_DEFAULT_REGION or the profile must name the membership's region")
    if session.get_credentials() is None:
        pytest.skip("AWS credentials must be in the environment, as for the AWS CLI")
    if not is_membership_id(membership):
        pytest.exit(f"{MEMBERSHIP} must be a lower-case UUID, got {membership!r}", returncode=1)
    if table is not None and not is_resource_arn(table):
        pytest.exit(f"{TABLE} must be the ARN of a configured table association, got {table!r}", returncode=1)
    client, hasty = (session.client("cleanrooms", config=config) for config in (PATIENT, HASTY))
    findings = pytestconfig.stash.setdefault(FINDINGS, [])
    try:
        yield Bench(client, hasty, membership, table, findings=findings)
    finally:
        client.close()
        hasty.close()


@pytest.fixture
def bench(account: Bench) -> Iterator[Bench]:
    """The membership, empty before and after each test; the run ends where it is not, before anything was touched."""
    try:
        account.check_empty()
    except (NotEmptyError, ClientError, BotoCoreError) as error:
        pytest.exit(str(error), returncode=1)
    yield account
    account.clean_up()


@pytest.fixture
def bench_with_table(bench: Bench) -> Bench:
    """The same, with a table to put access budgets on."""
    if bench.table is None:
        pytest.skip(f"{TABLE} must name a configured table association of the membership, without an access budget")
    return bench


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was found."""
    if findings := config.stash.get(FINDINGS, []):
        table = Table("fact", "finding")
        for fact, finding in findings:
            table.add_row(fact, finding)
        text = io.StringIO()
        Console(file=text, width=shutil.get_terminal_size((130, 24)).columns, markup=False).print(table)
        terminalreporter.section("findings (docs/assumptions.md)")
        terminalreporter.write_line(text.getvalue())
