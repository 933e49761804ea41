"""What the pages say about setting up and deploying, typed literally in a copy of the repository, on a clean home."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT
from tests.support.deployed_clean_rooms import held, new_membership
from tests.support.pages import clean_home, clone, commands, types

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """A clean home, without this checkout's tools."""
    base = str(Path(getattr(sys, "_base_executable", sys.executable)).parent)
    found = [folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
    return {**clean_home(tmp_path), "PATH": os.pathsep.join([base, *found]), "CDK_DISABLE_CLI_TELEMETRY": "true"}


def test_the_first_way_of_use(tmp_path: Path, clean: dict[str, str], local_aws: LocalAws) -> None:
    """The README's environment, in its cdk.json, whose membership is one of the local AWS; it asks for no approval of IAM's changes."""
    (environments,) = re.findall(r'^```json\n("environments": .*?)^```', (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    checkout = clone(tmp_path / "clone")
    settings = json.loads((checkout / "cdk.json").read_text())
    settings["context"] |= json.loads(f"{{{environments}}}")
    clean_rooms = local_aws.client("cleanrooms")
    membership = new_membership(clean_rooms)
    settings["context"]["environments"]["prod"]["membership"] = membership
    (checkout / "cdk.json").write_text(json.dumps({**settings, "requireApproval": "never"}))
    typed = commands("README.md", "python3 -m venv .venv")
    first_of_cdk = next(number for number, command in enumerate(typed) if command.startswith("npx cdk"))
    types(typed[:first_of_cdk], checkout, clean)
    aws = {**local_aws.environment, "HOME": clean["HOME"], "PATH": clean["PATH"]}
    told = types([". .venv/bin/activate", *typed[first_of_cdk:]], checkout, aws)
    assert "PrivacyBudget-prod.TemplateArn = arn:aws:cleanrooms:us-east-1:111122223333:" in told
    (template,) = held(clean_rooms, membership)
    assert template["parameters"]["differentialPrivacy"] == {"epsilon": 3, "usersNoisePerQuery": 30}
    assert not (checkout / ".venv/bin/mypy").exists()


def test_the_local_aws_by_hand(tmp_path: Path, clean: dict[str, str]) -> None:
    """In a checkout whose set-up is done."""
    checkout = clone(tmp_path / "clone", with_tools=True)
    told = types(commands("docs/guide/testing.md", ". .venv/bin/activate"), checkout, clean)
    assert "PrivacyBudget-local.TemplateArn = arn:aws:cleanrooms:us-east-1:111122223333:" in told
    assert "Spent 7 COUNT of arn:aws:cleanrooms:us-east-1:111122223333:" in told
    assert not (checkout / ".local-aws").exists()
