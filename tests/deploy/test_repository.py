"""This repository's own app and the README's commands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT, run
from tests.support.pages import MAKE, block, clean_home, clone


def make(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run make in a copy of the repository, which must end with this status, and give what it printed."""
    ran = run([*MAKE, *arguments], folder, clean_home(folder.parent))
    assert ran.status == status, ran.text
    return ran.text


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A clone whose set-up is done."""
    return clone(tmp_path / "clone", with_tools=True)


def test_the_demo_membership_is_the_local_environments(local_aws: LocalAws) -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    local = context["environments"]["local"]
    assert (local["account"], local["region"]) == (local_aws.account_id, local_aws.region)
    assert local["membership"] == local_aws.demo.membership_id


def typed(first: str) -> list[tuple[list[str], str]]:
    """The commands of the README's block that begins with this one, each with its comment."""
    lines = (line.partition("#") for line in block("README.md", first))
    return [(shlex.split(command), comment.strip()) for command, _, comment in lines]


def test_the_readmes_tour(copy: Path) -> None:
    """Typed as it stands there: it ends well, and each refusal names make's argument."""
    told: list[str] = []
    for (make_itself, *arguments), comment in [*typed("make deploy     #")[:1], *typed("make deploy EPSILON")]:
        assert make_itself == "make"
        told.append(make(copy, *arguments, status=2 if comment.startswith("refused") else 0))
    deployed, edited, _, diff, plan, refused, lowered, smaller, status, destroyed, _ = told
    arn = next(line.split("=")[1].strip() for line in deployed.splitlines() if ".TemplateArn = " in line)
    assert f"\n{arn}\n" in deployed.split("Privacy budget templates in Clean Rooms,")[1]
    assert "epsilon 3, noise of 30 users per query" in deployed
    assert f".TemplateArn = {arn}" in edited
    assert "epsilon 5, noise of 30 users per query" in edited
    assert "UsersNoisePerQuery" in diff
    assert "Epsilon" not in diff
    assert '"May be replaced" is all that CloudFormation can tell of a custom resource: make plan says' in diff
    assert "7 of 165 COUNT consumed, which stays consumed" in plan
    assert "what was consumed of it (7 of 165 COUNT) would be forgotten" in refused
    assert "To start a smaller budget on purpose" in " ".join(lowered.split())
    for text in (refused, lowered):
        *_, remedy, ended = text.splitlines()
        assert remedy == "With make, the option that the reason above names is ON_BUDGET_RESET=ALLOW."
        assert ended.startswith("make: *** [")
    assert "100% 99 of 99 COUNT" in smaller
    assert "epsilon 3, noise of 30 users per query" in status
    assert "make destroy" not in destroyed
    assert not (copy / ".local-aws").exists()


def test_what_was_planned_is_applied(copy: Path) -> None:
    make(copy, "deploy", "EPSILON=5")
    make(copy, "spend", "COUNT=7")
    refused = make(copy, "plan", "REFRESH=CALENDAR_MONTH", "EPSILON=5")
    assert "Review required: the deployment would fail and be rolled back." in refused
    assert "make: ***" not in refused
    assert "7 of 165 COUNT consumed, which stays consumed" in make(copy, "plan", "EPSILON=7")
    assert "UPDATE_COMPLETE" in make(copy, "apply")
    outdated = make(copy, "apply", status=2)
    assert "Nothing is deployed: change set privacy-budget-plan of stack PrivacyBudget-local is out of date" in outdated
    assert "With make, the option that" in make(copy, "deploy", "REFRESH=CALENDAR_MONTH", "EPSILON=7", status=2)
    unplanned = make(copy, "apply", status=2)
    assert "Nothing is deployed: stack PrivacyBudget-local has no change set privacy-budget-plan" in unplanned
    assert "With make," not in unplanned, "the refusal was another deployment's"
    assert "Budget: unchanged" in make(copy, "plan", "EPSILON=7")
    assert make(copy, "apply").startswith("There is nothing to deploy: ")
    assert "224 of 231 COUNT" in make(copy, "status")
    make(copy, "destroy")


WRONG_ARGUMENTS = {
    "EPSILON=99": "EPSILON must be a whole number from 1 to 20, got '99'",
    "EPSILON=abc": "EPSILON must be a whole number from 1 to 20, got 'abc'",
    "NOISE=5": "NOISE must be a whole number from 10 to 100, got '5'",
    "MEMBERSHIP=foo": "MEMBERSHIP must be a lower-case UUID, got 'foo'",
    "REFRESH=WEEKLY": "REFRESH must be CALENDAR_MONTH or NONE, got 'WEEKLY'",
    "ON_EXISTING=TAKE": "ON_EXISTING must be FAIL or ADOPT, got 'TAKE'",
    "ON_BUDGET_RESET=YES": "ON_BUDGET_RESET must be REFUSE or ALLOW, got 'YES'",
    "COUNT=abc": "COUNT must be a whole number of at least 1, got 'abc'",
    "COUNT=-1": "COUNT must be a whole number of at least 1, got '-1'",
    "EPSLION=5": "EPSLION is not an argument, and would change nothing: did you mean EPSILON?",
    "epsilon=5": "epsilon is not an argument, and would change nothing: did you mean EPSILON?",
    "TARGT=aws": "TARGT is not an argument, and would change nothing: did you mean TARGET?",
    "USERS_NOISE=40": "USERS_NOISE is not an argument, and would change nothing: did you mean NOISE?",
}


@pytest.mark.parametrize(("argument", "message"), WRONG_ARGUMENTS.items())
def test_a_wrong_argument_ends_in_one_line(copy: Path, argument: str, message: str) -> None:
    """Before a local AWS is started."""
    told, ended = make(copy, "deploy", argument, status=2).splitlines()
    assert told == message
    assert ended.startswith("make: *** [")
    assert not (copy / ".local-aws").exists()


def test_a_wrong_environment_ends_in_one_line(copy: Path) -> None:
    told, _ = make(copy, "synth", "TARGET=aws", "ENVIRONMENT=production", status=2).splitlines()
    assert told == "ENVIRONMENT must be one of local, dev, prod (environments of cdk.json), got 'production'"


def test_compare_prints_what_its_page_shows(copy: Path) -> None:
    """Without what tells of the local AWS itself; ids of templates and the next refresh are others each time."""

    def without_ids(text: str) -> str:
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d \d\d:\d\d UTC", "<id>", text).strip()

    ran = make(copy, "compare")
    started, *told, destroyed = ran.strip().splitlines()
    assert (started[:22], destroyed) == ("Starting the local AWS", "The local AWS in build/compare is gone.")
    shown = (ROOT / "docs" / "guide" / "native-type.md").read_text().split("```console\n")[1].split("```")[0]
    assert without_ids("\n".join(told)) == without_ids(shown)


def test_nothing_deployed_is_reported(copy: Path) -> None:
    """Neither the outputs of a deployment that is gone nor an empty local AWS is taken for what is deployed."""
    (copy / "build").mkdir()
    (copy / "build" / "outputs.json").write_text('{"PrivacyBudget-local": {"MembershipId": "42f2ed95-2bcd-45b9-ab5e-b21814476059"}}')
    said = "Nothing is deployed: there is no embedded local AWS. Deploy to one: make deploy\n"
    for target in ("status", "plan", "diff", "destroy", "local-stop"):
        assert make(copy, target) == said
    assert make(copy, "spend", status=2).startswith(said)
    assert not (copy / ".local-aws").exists()
    assert not (copy / "cdk.out").exists()


@pytest.mark.parametrize("moment", ["Starting the local AWS in ", "Synthesis time: ", "deploying... "], ids=["start", "publish", "deploy"])
def test_ctrl_c_ends_a_deployment_in_one_line(copy: Path, moment: str) -> None:
    """Whatever runs at that moment: no traceback of the app, of the CLI or of Node.js."""
    process = subprocess.Popen(
        [*MAKE, "deploy"],
        cwd=copy,
        env=clean_home(copy.parent),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal sends the signal to each process of it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    with process:
        assert process.stdout is not None
        try:
            assert any(moment in line for line in iter(process.stdout.readline, ""))
            os.killpg(process.pid, signal.SIGINT)
            rest = [line for line in process.stdout.read().splitlines() if line]
        finally:
            LocalAws(copy / ".local-aws").destroy()
    assert rest[-1].startswith("make: *** [")
    assert not [line for line in rest[:-1] if not line.startswith(("PrivacyBudget-local", "Interrupted."))]


def test_ctrl_c_ends_a_synth_without_a_traceback(tmp_path: Path) -> None:
    """Whatever is being imported, also where the CDK CLI is not told to end."""
    with subprocess.Popen(
        [sys.executable, "-v", "app.py"],
        cwd=ROOT,
        env={**clean_home(tmp_path), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as app:
        assert app.stderr is not None
        assert any("import 'aws_cdk" in line or "aws_cdk/__init__" in line for line in iter(app.stderr.readline, ""))
        app.send_signal(signal.SIGINT)
        rest = app.stderr.read()
    assert app.returncode == -signal.SIGINT
    assert "Traceback" not in rest
