"""The documentation site builds without a warning, and can be read without a network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import cleanrooms_privacy_budget
from privacy_budget_core import contract
from tests.support.cdk import ROOT


class Page(HTMLParser):
    """What a page fetches when it is opened, and the ids in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.ids.add(attributes.get("id", ""))
        if tag == "link" and attributes.get("rel") in {"stylesheet", "preconnect", "icon", "preload"}:
            self.fetched.append(attributes["href"])
        elif tag in {"script", "img", "iframe"} and "src" in attributes:
            self.fetched.append(attributes["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if not line.startswith("INFO ")] == []
    assert ran.returncode == 0
    return folder


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {"404.html"}
    assert {page for page in pages if f'href="{page}"' not in home} == set()


def test_nothing_is_fetched_from_a_network(site: Path) -> None:
    fetched = {url for page in site.rglob("*.html") for url in Page(page.read_text()).fetched}
    assert fetched
    assert {url for url in fetched if "//" in url} == set()
    styles = "".join(style.read_text() for style in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']+", styles) == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    ids = Page((site / "api.html").read_text()).ids
    missing = [name for name in cleanrooms_privacy_budget.__all__ if not any(id_.rpartition(".")[2] == name for id_ in ids)]
    assert missing == []


def test_the_reference_has_the_grants_and_no_inherited_member(site: Path) -> None:
    prefix = "cleanrooms_privacy_budget.PrivacyBudgetTemplate."
    members = {id_.removeprefix(prefix) for id_ in Page((site / "api.html").read_text()).ids if id_.startswith(prefix)}
    assert {"grant", "grant_read", "grant_manage", "privacy_budget_template_arn"} <= members
    assert members.isdisjoint({"node", "apply_removal_policy", "get_att", "to_string", "service_token"})


def test_the_pages_have_every_property_and_attribute_of_the_resource() -> None:
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "without-python.md"))
    words = {word for code in re.findall(r"`([^`\n]+)`", pages) for word in re.findall(r"\w+(?:::\w+)*", code)}
    assert {*contract.Property, *contract.Attribute, *contract.ADDED_BY_CLOUDFORMATION, contract.RESOURCE_TYPE} - words == set()


def test_every_example_is_shown() -> None:
    included = {name for page in (ROOT / "docs").rglob("*.md") for name in re.findall(r'--8<-- "(examples/.+?)"', page.read_text())}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py")} - included == set()
