"""What can be told of the workflows without running them: pinned actions, least permissions, and that they call what there is."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.release.dist import SUPPORTED

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
STEPS = re.compile(r"^ +(?:- )?uses: (\S+)(.*)$", re.MULTILINE)


def load(name: str) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(WORKFLOWS[name].read_text())
    return workflow


def scripts(job: dict[str, Any]) -> str:
    """The commands of a job's steps."""
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def actions(job: dict[str, Any]) -> list[str]:
    """The actions of a job's steps, without their versions."""
    return [step["uses"].split("@")[0] for step in job["steps"] if "uses" in step]


def supported_pythons() -> list[str]:
    return SUPPORTED.findall((ROOT / "pyproject.toml").read_text())


@pytest.fixture(params=list(WORKFLOWS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_actions_are_pinned_by_commit(name: str) -> None:
    """A comment names the version."""
    used = STEPS.findall(WORKFLOWS[name].read_text())
    assert len(used) == sum(len(actions(job)) for job in load(name)["jobs"].values())
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_workflows_pin_an_action_alike() -> None:
    used = {action for path in WORKFLOWS.values() for action, _ in STEPS.findall(path.read_text())}
    assert len(used) == len({action.split("@")[0] for action in used})


def test_nothing_is_permitted_but_by_a_job(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 90


def test_no_secrets_and_no_expressions_in_commands(name: str) -> None:
    assert "secrets." not in WORKFLOWS[name].read_text()
    for job in load(name)["jobs"].values():
        assert "${{" not in scripts(job)


def test_every_make_target_is_in_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {target for job in load(name)["jobs"].values() for target in re.findall(r"^make (\S+)", scripts(job), re.MULTILINE)}
    assert "test" in called
    assert called <= targets


def test_gate_runs_oldest_and_newest_python() -> None:
    supported = supported_pythons()
    assert load("ci")["jobs"]["test"]["strategy"]["matrix"]["python"] == [supported[0], supported[-1]]


def test_only_version_tags_start_a_release() -> None:
    """The release checks the tag."""
    release = load("release")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads the key "on" as true
    assert 'make dist TAG="$GITHUB_REF_NAME"' in scripts(release["jobs"]["build"])
    assert "$(if $(TAG),--tag $(TAG))" in (ROOT / "Makefile").read_text()


def test_a_release_has_every_supported_python() -> None:
    (setup,) = (step for step in load("release")["jobs"]["build"]["steps"] if step.get("uses", "").startswith("actions/setup-python@"))
    assert sorted(setup["with"]["python-version"].split()) == supported_pythons()


def test_privileged_jobs_run_no_repository_code() -> None:
    """Jobs that may write or sign run nothing of the repository."""
    for job in load("release")["jobs"].values():
        if "write" in job["permissions"].values():
            assert "actions/checkout" not in actions(job)
            assert not re.search(r"\b(make|pip|python|uv)\b", scripts(job))


def test_one_trusted_job_publishes_after_attestation() -> None:
    jobs = load("release")["jobs"]
    assert [name for name, job in jobs.items() if job["permissions"].get("id-token") == "write"] == ["publish"]
    publish = jobs["publish"]
    assert (publish["environment"], publish["needs"], jobs["announce"]["needs"]) == ("pypi", "build", "publish")
    used = actions(publish)
    assert used.index("actions/attest-build-provenance") < used.index("pypa/gh-action-pypi-publish")
    (index,) = (step for step in publish["steps"] if step.get("uses", "").startswith("pypa/"))
    assert index["with"] == {"packages-dir": "packages/"}


def test_classifiers_begin_with_required_python() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == f">={supported_pythons()[0]}"
