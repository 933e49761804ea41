"""What ``make dist`` makes: the same bytes everywhere, with all that belongs into it and nothing else."""

import fnmatch
import hashlib
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from privacy_budget_core import __version__
from tools.release import dist

Built = tuple[Path, Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return dist.build(dist.ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def unpacked(built: Built, tmp_path: Path) -> Path:
    """The sources in another folder, with other times."""
    with tarfile.open(built[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / built[0].name.removesuffix(".tar.gz")


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_release_is_reproducible(built: Built, unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder, umask and time give the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    again = dist.build(unpacked, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


def test_an_sdist_that_lacks_sources_is_refused(unpacked: Path, tmp_path: Path) -> None:
    settings = unpacked / "pyproject.toml"
    settings.write_text(settings.read_text().replace('"/cli", ', ""))
    with pytest.raises(dist.ReleaseError, match="the sdist makes another wheel than the checkout"):
        dist.build(unpacked, tmp_path / "again")


def test_the_wheel_holds_what_it_should(built: Built) -> None:
    dist.check_contents(built[1])


def rewritten(wheel: Path, folder: Path, without: str = "", added: str = "") -> Path:
    """A wheel that lacks one file, or holds one more."""
    with zipfile.ZipFile(wheel) as opened, zipfile.ZipFile(folder / wheel.name, "w") as changed:
        for name in opened.namelist():
            if name != without:
                changed.writestr(name, b"")
        if added:
            changed.writestr(added, b"")
    return folder / wheel.name


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param("cleanrooms_privacy_budget/*.zip", id="zip"),
        pytest.param(dist.BILL, id="bill_of_materials"),
        pytest.param(f"{dist.NAME}.dist-info/licenses/LICENSE", id="licence"),
        pytest.param("privacy_budget_handler/py.typed", id="py_typed"),
        pytest.param("cleanrooms_local_aws/clean_rooms/ledger.py", id="module"),
    ],
)
def test_a_wheel_that_lacks_something_is_refused(built: Built, tmp_path: Path, lacking: str) -> None:
    with zipfile.ZipFile(built[1]) as opened:
        (name,) = fnmatch.filter(opened.namelist(), lacking)
    with pytest.raises(dist.ReleaseError, match=f"^the wheel lacks {name}$"):
        dist.check_contents(rewritten(built[1], tmp_path, without=name))


@pytest.mark.parametrize("stray", ["cleanrooms_privacy_budget/notes.txt", "tests/conftest.py"], ids=["in_a_package", "beside_them"])
def test_a_wheel_that_holds_something_else_is_refused(built: Built, tmp_path: Path, stray: str) -> None:
    with pytest.raises(dist.ReleaseError, match=f"^the wheel must not hold {stray}$"):
        dist.check_contents(rewritten(built[1], tmp_path, added=stray))


def test_the_sums_are_those_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "b.whl").write_bytes(b"wheel")
    (tmp_path / "a.zip").write_bytes(b"zip")
    for _ in range(2):
        dist.write_sums(tmp_path)
    sums = {"a.zip": hashlib.sha256(b"zip").hexdigest(), "b.whl": hashlib.sha256(b"wheel").hexdigest()}
    assert (tmp_path / "SHA256SUMS").read_text() == "".join(f"{sum_}  {name}\n" for name, sum_ in sums.items())


def test_tag_matches_version_and_changelog_date() -> None:
    dist.check_tag(f"v{__version__}", f"# Changelog\n\n## {__version__} (2026-02-03)\n\n- all\n")


COMPLETE: dict[str, Any] = {"authors": [{"name": "Somebody"}], "urls": dict.fromkeys(dist.URLS, "https://example.com/project")}


def test_complete_metadata_passes() -> None:
    dist.check_metadata(COMPLETE)


@pytest.mark.parametrize(
    ("incomplete", "message"),
    [
        pytest.param({"authors": []}, "authors must name at least one author", id="no_author"),
        pytest.param({"urls": {}}, "fill in Source, Documentation, Changelog, Issues$", id="no_urls"),
        pytest.param({"urls": {**COMPLETE["urls"], "Issues": ""}}, "fill in Issues$", id="placeholder"),
        pytest.param({"urls": {**COMPLETE["urls"], "Source": "example.com"}}, "fill in Source$", id="no_scheme"),
    ],
)
def test_incomplete_metadata_is_refused(incomplete: dict[str, Any], message: str) -> None:
    with pytest.raises(dist.ReleaseError, match=message):
        dist.check_metadata({**COMPLETE, **incomplete})


@pytest.mark.parametrize("tag", ["v99.0.0", __version__, f"v{__version__}-rc1"], ids=["another_version", "without_v", "with_more"])
def test_another_tag_is_refused(tag: str) -> None:
    with pytest.raises(dist.ReleaseError, match=f"the tag must be v{__version__}, .* got {tag}$"):
        dist.check_tag(tag, f"## {__version__} (2026-02-03)\n")


@pytest.mark.parametrize("heading", ["0.0.1 (2026-02-03)", f"{__version__} (unreleased)"], ids=["absent", "undated"])
def test_undated_version_is_refused(heading: str) -> None:
    with pytest.raises(dist.ReleaseError, match=f"CHANGELOG.md must have a heading '## {__version__} "):
        dist.check_tag(f"v{__version__}", f"## {heading}\n")


def test_a_missing_python_is_refused() -> None:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    dist.check_interpreters([running])
    with pytest.raises(dist.ReleaseError, match=r"and here is no 3\.99$"):
        dist.check_interpreters([running, "3.99"])
