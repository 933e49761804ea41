"""The live suite against the local Clean Rooms, so that it works on the day that somebody has an account for it."""

import ast
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws.clean_rooms import dispatch, exceptions
from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from tests.support import service_facts
from tests.support.service_facts import HASTY, PATIENT, Bench, Check, NotEmptyError
from tests.support.stack import ACCOUNT, REGION, Backend, serve

REPOSITORY = Path(__file__).parents[2]
ALL = (*service_facts.CHECKS, *service_facts.TABLE_CHECKS, service_facts.handler_lifecycle)


CLIENT: Any = boto3.client("cleanrooms", region_name=REGION, config=PATIENT)
HASTY_CLIENT: Any = boto3.client("cleanrooms", region_name=REGION, config=HASTY)
serve(CLIENT)
serve(HASTY_CLIENT)

pytestmark = pytest.mark.slow


def in_membership(membership: str, table: str | None = None) -> Bench:
    return Bench(CLIENT, HASTY_CLIENT, membership, table)


@pytest.fixture
def bench(backend: Backend, membership: str) -> Bench:
    return in_membership(membership, backend.table(membership))


def use(settings: Settings) -> None:
    PrivacyBudgetBackend.settings = settings
    cleanrooms_backends.clear()


@pytest.fixture(params=list(ArnForm))
def arn_form(request: pytest.FixtureRequest, settings: Settings) -> None:
    use(Settings(arn_form=request.param))


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_check_passes_locally_and_cleans_up(arn_form: None, bench: Bench, check: Check) -> None:
    bench.check_empty()
    check(bench)
    bench.clean_up()
    bench.check_empty()
    assert bench.findings
    assert all(fact and finding for fact, finding in bench.findings)


def test_throttling_is_found(settings: Settings) -> None:
    use(Settings(requests_per_second=5))
    bench = in_membership(Backend().membership())
    service_facts.throttling(bench)
    ((_, finding),) = bench.findings
    assert re.fullmatch(r"\d+ ThrottlingException, \d+ answered", finding)


def test_differing_service_fails_its_check(settings: Settings) -> None:
    """A service that differs from what the handler assumes fails the check of that assumption."""

    def faults(operation: str, moment: Moment) -> None:
        if operation == "ListTagsForResource":
            raise exceptions.AccessDeniedException("no")

    use(Settings(faults=faults))
    bench = in_membership(Backend().membership())
    with pytest.raises(AssertionError, match="a Delete of a template that is gone would fail in ListTagsForResource"):
        service_facts.missing_template(bench)
    assert ("ListTagsForResource of a deleted template", "AccessDeniedException (reason INSUFFICIENT_PERMISSIONS)") in bench.findings


def test_membership_with_templates_is_refused(backend: Backend, bench: Bench) -> None:
    """Nothing in it is changed."""
    theirs = in_membership(bench.membership).create()
    with pytest.raises(NotEmptyError, match=re.escape(theirs["arn"])):
        bench.check_empty()
    bench.clean_up()
    assert backend.only(bench.membership)["id"] == theirs["id"]


def test_unanswered_create_is_cleaned_up(backend: Backend, bench: Bench) -> None:
    bench.create()
    bench.made.clear()
    bench.clean_up()
    assert backend.templates(bench.membership) == []


def test_documentation_names_exactly_the_checks() -> None:
    named = set(re.findall(r"`test_\w+\[(\w+)\]`|`test_(handler_lifecycle)`", (REPOSITORY / "docs" / "assumptions.md").read_text()))
    assert {check or lifecycle for check, lifecycle in named} == {check.__name__ for check in ALL}


def test_every_check_is_run() -> None:
    tree = ast.parse(Path(service_facts.__file__).read_text())
    takes_a_bench = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and [ast.unparse(argument.annotation or node) for argument in node.args.args] == ["Bench"]
    }
    assert takes_a_bench == {check.__name__ for check in ALL}


# The suite itself, in a process of its own


class Service(BaseHTTPRequestHandler):
    """The local Clean Rooms over HTTP."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, answered = dispatch.answer(
            self.command, self.path, dict(self.headers.items()), body, account_id=ACCOUNT, region=REGION
        )
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answered)))
        self.end_headers()
        self.wfile.write(answered)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def live(**environment: str) -> subprocess.CompletedProcess[str]:
    """What ``pytest -m live`` says in such an environment."""
    aws = ("AWS_", "CLEANROOMS_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(aws)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "live", "-v", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env={**kept, "COLUMNS": "130", "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_suite_is_skipped_without_a_membership() -> None:
    ran = live()
    assert ran.returncode == 0, ran.stdout
    assert f"{len(ALL)} skipped" in ran.stdout
    assert "passed" not in ran.stdout
    assert "CLEANROOMS_MEMBERSHIP_ID must name a Clean Rooms membership for tests" in ran.stdout


def test_suite_uses_the_environment_and_prints_findings(backend: Backend, membership: str, endpoint: str) -> None:
    users = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "users",
        "AWS_SECRET_ACCESS_KEY": "users",
        "CLEANROOMS_MEMBERSHIP_ID": membership,
    }
    ran = live(**users, CLEANROOMS_TABLE_ARN=backend.table(membership))
    assert ran.returncode == 0, ran.stdout
    assert f"{len(ALL)} passed" in ran.stdout
    assert "findings (docs/assumptions.md)" in ran.stdout
    assert re.search(r"form of a template's ARN +│ service model, \d+ characters", ran.stdout)
    assert backend.templates(membership) == []

    in_membership(membership).create()
    ran = live(**users)
    assert ran.returncode == 1
    assert "the live suite works only in a membership without templates" in ran.stdout + ran.stderr
    assert backend.only(membership)["tags"].keys() == {service_facts.RUN}
