"""The pipeline's stages, deployed from the pipeline's own assembly by the real CLI, and the check before production."""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from cleanrooms_local_aws import LocalAws
from privacy_budget_cli.plan.account import Accounts
from privacy_budget_cli.plan.assembly import stacks
from privacy_budget_cli.plan.command import plan
from privacy_budget_cli.plan.prediction import Effect
from stacks.pipeline_stack import CHANGE_SET
from tests.support.cdk import ROOT, run_cli
from tests.support.deployed_clean_rooms import held

DP = {"epsilon": 3, "usersNoisePerQuery": 30}


def synthesize(local_aws: LocalAws, folder: Path, **environments: Any) -> Path:
    """This repository's own app with these environments, as the pipeline's build synthesizes it."""
    place = {"account": local_aws.account_id, "region": local_aws.region}
    app = json.loads((ROOT / "cdk.json").read_text())
    app["context"]["environments"] = {name: {**settings, **place} for name, settings in environments.items()}
    app["context"]["pipelines"]["main"].update(place)
    folder.mkdir()
    (folder / "cdk.json").write_text(json.dumps({**app, "app": f"{sys.executable} {ROOT / 'app.py'}"}))
    ran = run_cli(local_aws, folder, "synth", "--quiet", "-c", "pipeline=main")
    assert ran.status == 0, ran.text
    return folder / "cdk.out"


def effects(assembly: Path) -> list[Effect]:
    return [step.effect for step in plan(stacks(assembly), Accounts(boto3.Session()))]


def test_each_stage_deploys_from_the_pipelines_assembly(
    bootstrapped: LocalAws, clean_rooms: Any, memberships: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, prod = memberships
    environments = {
        "test": {"membership": test, "budget": DP, "destroyWithStack": True},
        "prod": {"membership": prod, "budget": {**DP, "epsilon": 2}, "destroyWithStack": True, "production": True},
    }
    assembly = synthesize(bootstrapped, tmp_path / "first", **environments)
    assert len(list(assembly.glob("asset.*.zip"))) == 1
    for stage, membership, epsilon in (("test", test, 3), ("prod", prod, 2)):
        own = str(assembly / f"assembly-PrivacyBudgetPipeline-main-{stage}")
        ran = run_cli(bootstrapped, tmp_path, "--app", own, "deploy", "--all", "--require-approval", "never")
        assert ran.status == 0, ran.text
        (template,) = held(clean_rooms, membership)
        assert template["parameters"]["differentialPrivacy"]["epsilon"] == epsilon
        assert f".TemplateArn = {template['arn']}" in ran.text

    for name, value in bootstrapped.environment.items():
        monkeypatch.setenv(name, value)
    assert effects(assembly) == [Effect.UNCHANGED, Effect.UNCHANGED]
    environments["test"]["budget"] = {**DP, "epsilon": 5}
    environments["prod"]["budget"] = {**DP, "epsilon": 2, "autoRefresh": "CALENDAR_MONTH"}
    assert effects(synthesize(bootstrapped, tmp_path / "second", **environments)) == [Effect.EDITED, Effect.RECREATED]
    changed = tmp_path / "second" / "cdk.out" / "assembly-PrivacyBudgetPipeline-main-prod"
    prepare = ("--method=prepare-change-set", "--change-set-name", CHANGE_SET)
    ran = run_cli(bootstrapped, tmp_path, "--app", str(changed), "deploy", "--all", "--require-approval", "never", *prepare)
    assert ran.status == 0, ran.text
    (step,) = plan(stacks(changed), Accounts(boto3.Session()), CHANGE_SET)
    assert (step.effect, step.needs_review) == (Effect.RECREATED, True)
    for stage in ("test", "prod"):
        bootstrapped.client("cloudformation").delete_stack(StackName=f"PrivacyBudget-{stage}")
