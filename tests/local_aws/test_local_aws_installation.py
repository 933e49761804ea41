"""The emulator's environment: made once, whole or not at all, by the way to the index that the user has configured.

A small package stands in for the emulator, and an index of this test's own for the public one.
"""

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from cleanrooms_local_aws import LocalAwsError, installation, packages
from cleanrooms_local_aws.emulator import PINNED_VERSION

ROOT = Path(__file__).parents[2]
WHEEL = "stand_in-1.0-py3-none-any.whl"
INSTALL = """
import pathlib, sys
from cleanrooms_local_aws import LocalAwsError, __main__, installation
installation.REQUIREMENTS = pathlib.Path(sys.argv[1])
sys.exit(__main__.main(["start", "--folder", sys.argv[2]]))
"""
"""Starts a local AWS, which comes as far as the installation: what is installed is no emulator."""


class Index:
    """A package index that holds one wheel, counts its downloads, and can make them wait."""

    def __init__(self, wheel: bytes) -> None:
        self.downloads = 0
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.sum = hashlib.sha256(wheel).hexdigest()
        page = f'<a href="/{WHEEL}#sha256={self.sum}">{WHEEL}</a>'.encode()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(b"")

            def do_GET(self) -> None:
                if self.path == f"/{WHEEL}":
                    index.downloads += 1
                    index.asked.set()
                    index.go_on.wait(30)
                    self.answer(wheel)
                else:
                    self.answer(page)

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/octet-stream" if self.path.endswith(".whl") else "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda request, client_address: None  # type: ignore[method-assign] # a client that was killed
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as wheel:
        wheel.writestr("stand_in.py", "")
        wheel.writestr("stand_in-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: stand-in\nVersion: 1.0\n")
        wheel.writestr("stand_in-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("stand_in-1.0.dist-info/RECORD", "")
    started = Index((tmp_path / WHEEL).read_bytes())
    thread = threading.Thread(target=started.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield started
    started.go_on.set()
    started.server.shutdown()
    started.server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and pip and uv as nobody has configured them."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cleanrooms-local-aws"


@pytest.fixture
def pins(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Requirements of the stand-in."""
    path = tmp_path / "requirements.txt"
    path.write_text(f"stand-in==1.0 --hash=sha256:{index.sum}\n")
    monkeypatch.setattr(installation, "REQUIREMENTS", path)
    return path


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that pip was installed into, which takes three seconds."""
    folder = tmp_path_factory.mktemp("with-pip")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def copied(with_pip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments for pip are copies of one."""
    monkeypatch.setattr(packages, "create", lambda folder, _: ["cp", "-a", f"{with_pip}/.", str(folder)])


@pytest.fixture
def by_pip(cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only pip knows the way to the index."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")


@pytest.fixture
def by_uv(cache: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv knows the way to the index."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)


def installer(python: Path) -> str:
    """What installed the stand-in into this Python's environment."""
    script = "import importlib.metadata; print(importlib.metadata.distribution('stand-in').read_text('INSTALLER'))"
    return subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def environments(cache: Path) -> list[str]:
    """The environments that are there, complete or not."""
    return [entry.name for entry in cache.iterdir() if entry.is_dir()]


def start(pins: Path, tmp_path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, str(pins), str(tmp_path / "local-aws")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's background jobs ignore it
    )


def test_pins_are_complete_with_the_same_moto() -> None:
    text = installation.REQUIREMENTS.read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(" --hash=sha256:" in line for line in lines)
    emulators = dict(re.findall(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE))
    assert len(emulators) == len(lines)
    checkout = dict(re.findall(r"^([\w.-]+)==([^ ;\n]+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE))
    assert emulators["ministack"] == PINNED_VERSION
    assert (emulators["moto"], emulators["hypercorn"]) == (checkout["moto"], checkout["hypercorn"])
    assert "ministack" not in checkout


def test_the_extra_holds_back_no_boto3() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    required = {requirement.name: requirement for requirement in map(Requirement, extra)}
    assert not required.keys() & {"botocore", "ministack", "moto"}
    assert required["boto3"].specifier.contains("1.99.0")


@pytest.mark.usefixtures("by_pip", "copied")
def test_an_index_that_only_pip_knows_is_used(cache: Path, pins: Path, index: Index) -> None:
    assert installer(installation.ensure_installed()) == "pip"
    assert index.downloads == 1
    assert len(environments(cache)) == 1


@pytest.mark.usefixtures("copied")
def test_a_configuration_file_of_pip_is_used(
    cache: Path, pins: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that tells the way; a constraint on the app's packages is none of the emulator's."""
    (tmp_path / "constraints.txt").write_text("stand-in<1\n")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = {index.url}\nconstraint = {tmp_path}/constraints.txt\n[install]\nuser = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")
    assert installer(installation.ensure_installed()) == "pip"


def test_the_configuration_of_the_apps_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert "PIP_CONFIG_FILE" not in installation._environment()
    (tmp_path / "pip.conf").touch()
    assert installation._environment()["PIP_CONFIG_FILE"] == str(tmp_path / "pip.conf")


def test_uv_is_used_where_pip_has_no_configuration(
    cache: Path, pins: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the constraints of the project in the working directory nor the app's packages have a say."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\n[tool.uv]\nconstraint-dependencies = ["stand-in<1"]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_CONSTRAINT", str(tmp_path / "no-such-file"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / WHEEL))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    assert installer(installation.ensure_installed()) == "uv"


@pytest.mark.usefixtures("copied")
def test_pip_is_used_where_there_is_no_uv(cache: Path, pins: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_uv", list)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / WHEEL))
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    assert installer(installation.ensure_installed()) == "pip"


@pytest.mark.usefixtures("by_uv")
def test_second_start_needs_no_index(cache: Path, pins: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    python = installation.ensure_installed()
    index.server.shutdown()
    monkeypatch.setattr(installation, "_run", lambda *_: pytest.fail("nothing is to be installed"))
    assert installation.ensure_installed() == python


@pytest.mark.usefixtures("by_uv")
def test_other_pins_have_another_environment(cache: Path, pins: Path) -> None:
    first = installation.ensure_installed()
    pins.write_text("# another pin\n" + pins.read_text())
    second = installation.ensure_installed()
    assert first != second
    assert first.exists()


@pytest.mark.usefixtures("by_uv")
def test_environment_without_python_is_rebuilt(cache: Path, pins: Path) -> None:
    python = installation.ensure_installed()
    python.unlink()
    python.symlink_to("/no/such/python")
    assert installer(installation.ensure_installed()) == "uv"


@pytest.mark.usefixtures("copied")
def test_unreachable_index_error_has_remedy(cache: Path, pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(LocalAwsError) as raised:
        installation.ensure_installed()
    for told in (
        "could not be installed: `",
        "ended with status 1:",
        "Could not find a version that satisfies the requirement stand-in==1.0",
        "Check the index, the proxy and the certificates",
        f"python -m pip download --no-deps --require-hashes -d wheels -r {pins}",
        "PIP_NO_INDEX=1",
    ):
        assert told in str(raised.value)
    assert environments(cache) == []


@pytest.mark.usefixtures("copied")
def test_the_remedy_without_an_index_works(cache: Path, pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is named as the guide names it: from the working directory."""
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", tmp_path.name)
    assert installer(installation.ensure_installed()) == "pip"


@pytest.mark.usefixtures("by_uv")
def test_other_bytes_than_the_pinned_ones_are_refused(cache: Path, pins: Path) -> None:
    good = pins.read_text()
    pins.write_text(f"stand-in==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LocalAwsError, match=r"(?s)could not be installed.*Hash mismatch"):
        installation.ensure_installed()
    assert environments(cache) == []
    pins.write_text(good)
    installation.ensure_installed()


def test_a_cache_that_cannot_be_written_is_told(pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LocalAwsError, match=r"cannot be installed into .*: Not a directory. Set XDG_CACHE_HOME to a folder"):
        installation.ensure_installed()


@pytest.mark.usefixtures("by_pip")
def test_two_starts_at_once_install_it_once(cache: Path, pins: Path, index: Index, tmp_path: Path) -> None:
    index.go_on.clear()
    first = start(pins, tmp_path / "first")
    assert index.asked.wait(60)
    second = start(pins, tmp_path / "second")
    assert second.stdout is not None
    assert any(line.startswith("Installing the emulator into ") for line in iter(second.stdout.readline, ""))
    index.go_on.set()
    said = [started.communicate(timeout=60)[0] for started in (first, second)]
    assert all("The local AWS did not start." in text for text in said)  # as the stand-in has no server
    assert ["  Collecting stand-in==1.0\n" in text for text in said] == [True, False]
    assert index.downloads == 1
    assert len(environments(cache)) == 1


@pytest.mark.usefixtures("by_uv")
def test_an_interrupted_installation_leaves_nothing(cache: Path, pins: Path, index: Index, tmp_path: Path) -> None:
    index.go_on.clear()
    with start(pins, tmp_path) as started:
        assert index.asked.wait(60)
        started.send_signal(signal.SIGINT)
        said = started.communicate(timeout=60)[0]
    assert started.returncode == 130
    assert said.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in said
    assert environments(cache) == []
    assert not (tmp_path / "local-aws").exists()


@pytest.mark.usefixtures("by_uv")
def test_interrupted_installation_is_repeated(cache: Path, pins: Path, index: Index, tmp_path: Path) -> None:
    """What the killed start had begun goes on for a while, and keeps the next start waiting as long."""
    index.go_on.clear()
    with start(pins, tmp_path) as started:
        assert index.asked.wait(60)
        started.kill()
        assert started.stdout is not None
        started.stdout.close()
    assert len(environments(cache)) == 1
    assert not list(cache.glob("*/complete"))
    (lock,) = cache.glob("*.lock")
    with lock.open() as opened, pytest.raises(BlockingIOError):
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    index.go_on.set()
    assert installer(installation.ensure_installed()) == "uv"
    assert index.downloads == 2
