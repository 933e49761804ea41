"""The documentation site builds without a warning, and can be read without a network."""

import re
from html.parser import HTMLParser
from pathlib import Path

import cleanrooms_privacy_budget
from privacy_budget_core import contract
from tests.support.cdk import ROOT


class Page(HTMLParser):
    """What a page fetches when it is opened, its links, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.ids.add(attributes.get("id", ""))
        if tag == "link" and attributes.get("rel") in {"stylesheet", "preconnect", "icon", "preload"}:
            self.fetched.append(attributes["href"])
        elif tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in {"script", "img", "iframe"} and "src" in attributes:
            self.fetched.append(attributes["src"])


def test_every_page_is_in_the_navigation(site: Path) -> None:
    linked = {link.removeprefix("./") for link in Page((site / "index.html").read_text()).links}
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {"404.html"}
    assert pages - linked == set()


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"\]\(([\w/-]+\.md)\)", (docs / "index.md").read_text()))
    assert {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - listed == {"index.md"}


def test_no_link_is_named_by_a_file() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    assert [link for page in pages for link in re.findall(r"\[`?[\w/-]+\.md`?\]\([^)]*\)", page.read_text())] == []


def test_no_link_is_broken(site: Path) -> None:
    """Navigation included: Zensical itself checks the pages' links, not the entries of ``nav``."""
    broken = []
    for page in site.rglob("*.html"):
        for link in Page(page.read_text()).links:
            path = link.partition("#")[0]
            if path and "//" not in path and page.name != "404.html" and not (page.parent / path).exists():
                broken.append((page.name, link))
    assert broken == []


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


def test_reference_has_grants_but_nothing_inherited(site: Path) -> None:
    prefix = "cleanrooms_privacy_budget.PrivacyBudgetTemplate."
    members = {id_.removeprefix(prefix) for id_ in Page((site / "api.html").read_text()).ids if id_.startswith(prefix)}
    assert {"grant", "grant_read", "grant_manage", "privacy_budget_template_arn"} <= members
    assert members.isdisjoint({"node", "get_att", "to_string", "service_token"})


def test_pages_have_every_property_and_attribute() -> None:
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "without-python.md"))
    words = {word for code in re.findall(r"`([^`\n]+)`", pages) for word in re.findall(r"\w+(?:::\w+)*", code)}
    assert {*contract.Property, *contract.Attribute, *contract.ADDED_BY_CLOUDFORMATION, contract.RESOURCE_TYPE} - words == set()


def test_every_example_is_shown() -> None:
    included = {name for page in (ROOT / "docs").rglob("*.md") for name in re.findall(r'--8<-- "(examples/.+?)"', page.read_text())}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py")} - included == set()
