"""This repository's own app and the README's commands."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cdk import ROOT
from cleanrooms_local_aws import LocalAws


def make(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run make in a copy of the repository, which must end with this status, and give what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    ran = subprocess.run(
        ["make", "-o", ".venv/.installed", "-o", "node_modules/.installed", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stdout
    return ran.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what git would clone, with this checkout's installed tools."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folder = tmp_path / "clone"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for tools in (".venv", "node_modules"):
        (folder / tools).symlink_to(ROOT / tools)
    return folder


def test_the_demo_membership_is_the_local_environments(local_aws: LocalAws) -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    local = context["environments"]["local"]
    assert (local["account"], local["region"]) == (local_aws.account_id, local_aws.region)
    assert local["membership"] == local_aws.demo.membership_id


def test_the_readmes_commands(copy: Path) -> None:
    """Deploy, edit in place, diff and destroy, as a newcomer does."""
    deployed = make(copy, "deploy")
    arn = next(line.split("=")[1].strip() for line in deployed.splitlines() if ".TemplateArn = " in line)
    assert f"\n{arn}\n" in deployed.split("Privacy budget templates in Clean Rooms, membership ")[1]
    assert "epsilon 3, noise of 30 users per query" in deployed
    edited = make(copy, "deploy", "EPSILON=5")
    assert f".TemplateArn = {arn}" in edited
    assert "epsilon 5, noise of 30 users per query" in edited
    assert "Epsilon" in make(copy, "diff", "EPSILON=7")
    make(copy, "spend", "COUNT=7")
    assert "158 of 165 COUNT" in make(copy, "status")
    refused = make(copy, "deploy", "EPSILON=5", "REFRESH=CALENDAR_MONTH", status=2)
    for told in ("what was spent of it (7 of 165 COUNT) would be forgotten", "set on_budget_reset=OnBudgetReset.ALLOW"):
        assert told in refused
    assert "158 of 165 COUNT" in make(copy, "status")
    assert "make destroy" not in make(copy, "destroy")
    assert not (copy / ".local-aws").exists()
