"""One server per folder: started once, found again, ended in good order or not, and nothing left of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws, LocalAwsError
from cleanrooms_local_aws.folder import FORMAT
from cleanrooms_local_aws.server_lock import ServerLock, find
from tests.local_aws.support.stacks import Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LocalAws]:
    """A local AWS of this test's own, not started yet."""
    local_aws = LocalAws(tmp_path / "local aws")
    yield local_aws
    local_aws.destroy()


def command(name: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "cleanrooms_local_aws", name, "--folder", str(folder)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes() -> str:
    return subprocess.run(["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True).stdout


def alive(process_id: int) -> bool:
    """Whether there is such a process, zombies aside."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True, check=False).stdout
    return state.strip() not in ("", "Z", "Zs")


def test_starts_at_the_same_time_give_one_server(fresh: LocalAws, local_aws: LocalAws) -> None:
    starts = [subprocess.Popen(command("start", fresh.folder), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [start.communicate()[1] for start in starts]
    assert [start.returncode for start in starts] == [0, 0]
    process_id, endpoint = fresh.process_id, fresh.endpoint
    assert all(f"The local AWS runs at {endpoint} as process {process_id}," in said for said in ended)
    fresh.start()
    assert fresh.process_id == process_id
    assert endpoint != local_aws.endpoint
    assert fresh.demo == local_aws.demo
    assert os.getpgid(process_id) not in (os.getpgrp(), 0)

    stopped = subprocess.run(command("stop", fresh.folder), capture_output=True, text=True, check=True)
    assert "is stopped; what it holds is kept." in stopped.stderr
    assert not alive(process_id)
    assert not any((fresh.folder / "tmp").iterdir())
    assert subprocess.run(command("status", fresh.folder), capture_output=True, check=False).returncode == 1
    with pytest.raises(LocalAwsError, match=r"No local AWS runs in .* Start it: "):
        _ = fresh.environment


def test_interrupted_start_leaves_one_server(fresh: LocalAws) -> None:
    with subprocess.Popen(
        command("start", fresh.folder),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as start:
        assert start.stderr is not None
        assert start.stderr.readline().startswith("Starting the local AWS in ")
        time.sleep(0.1)
        start.send_signal(signal.SIGINT)
        assert "Interrupted." in start.stderr.read()
    assert start.returncode == 130
    fresh.start()
    assert processes().count(str(fresh.folder)) == 1


def test_state_survives_a_stop_and_a_crash(fresh: LocalAws, tmp_path: Path) -> None:
    fresh.start()
    demo = fresh.demo
    fresh.client("ssm").put_parameter(Name="/stopped", Value="1", Type="String")
    fresh.stop()

    fresh.start()
    assert fresh.demo == demo
    record = tmp_path / "requests"
    body = template(record, "time.sleep(60)")
    stack = Stack(fresh, "interrupted")
    stack.id = stack.client.create_stack(StackName=stack.name, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_IAM"])["StackId"]
    until(record.exists)
    saved = fresh.folder / "state" / "cloudformation.json"
    until(lambda: "-Thing-" in saved.read_text())
    killed = fresh.process_id
    os.kill(killed, signal.SIGKILL)
    until(lambda: not fresh.running)
    until(lambda: str(fresh.folder / "tmp") not in processes())

    fresh.start()
    assert fresh.demo == demo
    assert fresh.process_id != killed
    assert fresh.client("ssm").get_parameter(Name="/stopped")["Parameter"]["Value"] == "1"
    stack = Stack(fresh, "interrupted")
    stack.id = stack.name
    assert stack.status() == "ROLLBACK_FAILED"
    stack.id = str(stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["StackId"])
    assert stack.delete() == "DELETE_COMPLETE"
    assert [request for request, _ in requests(record)] == ["Create", "Delete"]


def test_quota_is_kept_where_it_is_asked_for(tmp_path: Path, local_aws: LocalAws) -> None:
    limited = LocalAws(tmp_path / "limited", requests_per_second=1)

    def refused(asked: LocalAws) -> bool:
        client = asked.client("cleanrooms")
        client.meta.events.unregister("needs-retry.cleanrooms", unique_id="retry-config-cleanrooms")
        try:
            for _ in range(5):
                client.list_privacy_budget_templates(membershipIdentifier=asked.demo.membership_id)
        except client.exceptions.ThrottlingException:
            return True
        return False

    try:
        limited.start()
        assert refused(limited)
        limited.stop()
        limited.start()
        assert refused(limited)
    finally:
        limited.destroy()
    assert not refused(local_aws)


def test_starting_server_is_not_the_previous_one(fresh: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a server's lock and its first word, its file told of the server before: clients were sent to a port that was closed."""
    fresh.start()
    fresh.stop()
    told: list[bool] = []
    spawn = subprocess.Popen

    def look_first(*arguments: Any, **options: Any) -> Any:
        if "cleanrooms_local_aws.server_process" in arguments[0]:
            told.append((fresh.folder / "server.json").exists())
        return spawn(*arguments, **options)

    monkeypatch.setattr("cleanrooms_local_aws.local_aws.subprocess.Popen", look_first)
    fresh.start()
    assert told == [False]


def test_server_ends_with_its_folder(fresh: LocalAws) -> None:
    fresh.start()
    process_id = fresh.process_id
    fresh.folder.rename(fresh.folder.with_name("moved"))
    until(lambda: not alive(process_id))


def test_failing_start_shows_the_log(fresh: LocalAws) -> None:
    (fresh.folder / "state").mkdir(parents=True)
    (fresh.folder / "local-aws.json").write_text(json.dumps({"format": FORMAT}))
    (fresh.folder / "state" / "clean-rooms.json").write_text("not JSON")
    with pytest.raises(LocalAwsError, match=r"(?s)did not start. The end of its log, .*server.log:.*could not be restored"):
        fresh.start()
    assert not fresh.running


@pytest.mark.parametrize(("name", "status"), [("stop", 0), ("destroy", 0), ("status", 1), ("spend", 1)])
def test_where_there_is_none_that_is_said(tmp_path: Path, name: str, status: int) -> None:
    arguments = ["3"] if name == "spend" else []
    ran = subprocess.run([*command(name, Path("none")), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == status
    assert ran.stderr == "There is no local AWS in none. Start one: `python -m cleanrooms_local_aws start --folder none`\n"
    assert not list(tmp_path.iterdir())


def test_process_id_of_another_process_is_no_server(tmp_path: Path) -> None:
    stale = tmp_path / "server.json"
    stale.write_text(json.dumps({"process_id": os.getpid(), "port": 1}))
    assert find(stale) is None
    local_aws = LocalAws(tmp_path)
    assert not local_aws.running
    local_aws.stop()


def test_claim_is_exclusive_until_holder_ends(tmp_path: Path) -> None:
    file = tmp_path / "server.json"
    lock = ServerLock(file)
    assert lock.take()
    lock.write(4711)
    server = find(file)
    assert server is not None
    assert (server.process_id, server.port) == (os.getpid(), 4711)
    assert not ServerLock(file).take()
    assert lock.is_held()
    file.unlink()
    assert not lock.is_held()


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(LocalAwsError, match=r"holds something else than a local AWS. Choose a folder that is empty"):
        LocalAws(tmp_path).start()
    with pytest.raises(LocalAwsError, match=r"is no folder of a local AWS, so it is left alone"):
        LocalAws(tmp_path).destroy()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    """It can be destroyed."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "local-aws.json").write_text('{"format": "0, ministack 1.4.0"}')
    with pytest.raises(LocalAwsError, match=r"was made by another version .*'0, ministack 1\.4\.0'.* destroy --folder "):
        LocalAws(folder).start()
    LocalAws(folder).destroy()
    assert not folder.exists()
