"""``make compare``: the native type and this construct side by side, as docs/guide/native-type.md shows it."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from cdk import ROOT
from cleanrooms_local_aws import LocalAws
from deployed_rooms import held
from example_apps import environment

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def untouched(bootstrapped: LocalAws) -> Iterator[LocalAws]:
    """A local AWS without stacks or templates, before and after."""
    yield bootstrapped
    cloudformation, rooms = bootstrapped.client("cloudformation"), bootstrapped.client("cleanrooms")
    for stack in ("Native", "Ours"):
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for membership in (bootstrapped.demo.membership_id, bootstrapped.demo.second_membership_id):
        assert held(rooms, membership) == []


def without_ids(text: str) -> str:
    return UUID.sub("<id>", text).strip()


def test_the_page_shows_what_the_commands_print(untouched: LocalAws) -> None:
    ran = subprocess.run(
        ["sh", "examples/native_type.sh"],
        cwd=ROOT,
        env={**environment(untouched), "FOLDER": str(untouched.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    shown = (ROOT / "docs" / "guide" / "native-type.md").read_text().split("```console\n")[1].split("```")[0]
    assert without_ids(ran.stdout) == without_ids(shown)
