"""The site as a reader sees it, in headless Chromium at the width of a desktop and of a phone. Skipped where Chromium is not installed."""

import functools
import json
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHECKS: Final = Path(__file__).with_name("checks.html")
DESKTOP, PHONE = 1280, 390
DARK: Final = "--blink-settings=preferredColorScheme=0"
LIGHT: Final = "--blink-settings=preferredColorScheme=1"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")


class _Handler(SimpleHTTPRequestHandler):
    """Serves the site, and the page that measures it."""

    def translate_path(self, path: str) -> str:
        return str(CHECKS) if path.startswith("/checks.html") else super().translate_path(path)

    def do_POST(self) -> None:
        self.server.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing of a request is of interest."""


@dataclass
class Browser:
    """Opens checks.html, which posts what it found to the server that it comes from."""

    address: str
    found: "queue.Queue[dict[str, Any]]"

    def measure(self, profile: Path, *options: str, **asked: Any) -> dict[str, Any]:
        """What checks.html found, by page or query."""
        command = [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--hide-scrollbars"),
            *("--remote-debugging-port=0", "--window-size=1400,1000", *options),
            f"{self.address}/checks.html?{urlencode(asked, doseq=True)}",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                found = self.found.get(timeout=240)
            finally:
                process.terminate()
        assert "error" not in found, found["error"]
        return found


@pytest.fixture(scope="module")
def browser(site: Path) -> Iterator[Browser]:
    """Chromium, and the site served on the loopback interface."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(site))) as server:
        server.found = queue.Queue()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Browser(f"http://127.0.0.1:{server.server_port}", server.found)  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def pages(
    request: pytest.FixtureRequest, site: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, dict[str, Any]]:
    """The width, and what is found on every page of the site at it."""
    paths = sorted(f"/{page.relative_to(site).as_posix()}" for page in site.rglob("*.html"))
    return request.param, browser.measure(tmp_path_factory.mktemp("profile"), width=request.param, page=paths)


def test_no_page_scrolls_sideways(pages: tuple[int, dict[str, Any]]) -> None:
    width, found = pages
    assert {path: page["pageWidth"] for path, page in found.items() if page["pageWidth"] > width} == {}


def test_code_stays_within_the_page(pages: tuple[int, dict[str, Any]]) -> None:
    assert {path: page["wideCode"] for path, page in pages[1].items() if page["wideCode"]} == {}


def test_images_load_fit_and_are_not_blown_up(site: Path, pages: tuple[int, dict[str, Any]]) -> None:
    width, found = pages
    shown = [image for page in found.values() for image in page["images"]]
    assert shown
    for image in shown:
        assert image["loaded"], image
        assert image["right"] <= width, image
        assert image["width"] <= drawn_width(site / image["source"]), image


def drawn_width(file: Path) -> float:
    """How wide a picture is by itself, in pixels."""
    if file.suffix == ".svg":
        box = re.search(r'viewBox="0 0 ([\d.]+)', file.read_text())
        assert box
        return float(box[1])
    return int.from_bytes(file.read_bytes()[16:20])


def test_no_page_fetches_from_a_network(browser: Browser, pages: tuple[int, dict[str, Any]]) -> None:
    fetched = {url for page in pages[1].values() for url in page["fetched"]}
    assert fetched
    assert {url for url in fetched if not url.startswith((f"{browser.address}/", "data:", "blob:"))} == set()


def test_search_finds_the_right_page_first(browser: Browser, tmp_path: Path) -> None:
    right = {
        "epsilon": "/guide/choosing-epsilon-and-noise.html",
        "migrate": "/guide/migration.html",
        "troubleshooting": "/troubleshooting.html",
    }
    found = browser.measure(tmp_path, search=list(right))
    assert {query: pages[0] for query, pages in found.items()} == right


def test_text_contrasts_with_its_background_in_both_modes(browser: Browser, tmp_path: Path) -> None:
    """And the two modes differ, so both were seen."""
    backgrounds = set()
    for mode in (LIGHT, DARK):
        page = browser.measure(tmp_path / mode[-1], mode, width=DESKTOP, page=["/performance.html"])["/performance.html"]
        backgrounds.add(page["background"])
        assert abs(brightness(page["background"]) - brightness(page["text"])) > 0.5
    assert len(backgrounds) == 2


def brightness(colour: str) -> float:
    """From 0, black, to 1, white, of a computed colour over the page: ``rgb(…)`` or ``rgba(…)``."""
    red, green, blue = (int(float(part)) for part in re.findall(r"[\d.]+", colour)[:3])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
