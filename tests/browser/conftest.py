"""A real server with the load-test city, and a real Chromium without WebGL."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import axe_core_python
import httpx
import pytest

CHROMIUM = os.environ.get("CITYLOOP_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
TOKEN = "browser-tests-use-this-token"
START_S = 300
AXE = next(Path(axe_core_python.__file__).parent.rglob("axe.min.js"))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests cannot run: say so, and how to get one."""
    if Path(CHROMIUM).exists():
        return
    told = pytest.mark.skip(reason=f"no browser at {CHROMIUM}; install it (Debian: apt install chromium)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(told)


@dataclass(frozen=True)
class Room:
    """The operations room of a running server."""

    base: str

    def entry(self) -> str:
        """Where a browser comes in with the token."""
        return f"{self.base}/?token={TOKEN}"

    def url(self, place: str = "#/city", *, lang: str = "en", theme: str = "light") -> str:
        return f"{self.base}/?lang={lang}&theme={theme}{place}"


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One server for all browser tests: the load-test city, on a free port."""
    with _serving("--load-test", folder=tmp_path_factory.mktemp("room")) as served:
        yield served


@pytest.fixture(scope="session")
def room_without_services(tmp_path_factory: pytest.TempPathFactory, grid_city: Path) -> Iterator[Room]:
    """A served city of signals alone, recorded as it runs: neither ambulances nor refuse trucks."""
    with _serving(str(grid_city), "--pace", "5", folder=tmp_path_factory.mktemp("grid")) as served:
        yield served


@contextmanager
def _serving(*city: str, folder: Path) -> Iterator[Room]:
    log = folder / "serve.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "cityloop", "serve", *city, "--port", "0", "--data", str(folder / "data")],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CITYLOOP_TOKEN": TOKEN},
        )
    try:
        yield Room(_base_of(server, log))
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _base_of(server: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        told = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"http://127\.0\.0\.1:\d+", told)
        if found and _ready(found[0]):
            return found[0]
        assert server.poll() is None, told
        time.sleep(0.2)
    raise AssertionError(f"the server did not get ready: {log.read_text(encoding='utf-8')}")


def _ready(base: str) -> bool:
    try:
        return httpx.get(f"{base}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def browser():
    """Chromium as an office computer without a graphics card has it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-3d-apis", "--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait for an expression to hold: asked from outside, as the page's policy lets nothing evaluate text inside it."""

    def wait(page, expression: str, patience_s: float = 60) -> None:
        give_up = time.monotonic() + patience_s
        while not page.evaluate(f"() => Boolean({expression})"):
            assert time.monotonic() < give_up, f"never came true: {expression}"
            page.wait_for_timeout(50)

    return wait


@pytest.fixture(scope="session")
def violations() -> Callable[..., list[str]]:
    """Ask axe-core what is wrong with a page as it stands."""

    def found_on(page) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(RULES)}, resultTypes: ['violations']}})")
        return [f"{one['id']}: {node['target']}" for one in found["violations"] for node in one["nodes"]]

    return found_on


@dataclass
class Opened:
    """A page with everything that it asked for and complained of."""

    page: object
    asked: list[str]
    errors: list[str]


@functools.cache
def _signed_in(browser, room: Room):
    """Return the cookies of a browser that came with the token once."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(room.entry())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(browser, room: Room, until) -> Iterator[Callable[..., Opened]]:
    """Open a place of the dashboard, signed in, and collect requests and errors."""
    contexts = []
    signed_in = _signed_in(browser, room)

    def open_place(place: str = "#/city", *, lang="en", theme="light", size=(1440, 900), ready=True) -> Opened:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, storage_state=signed_in)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        opened = Opened(page, [], [])
        page.on("request", lambda request: opened.asked.append(request.url))
        page.on("websocket", lambda socket: opened.asked.append(socket.url))
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", lambda told: opened.errors.append(told.text) if "Content Security" in told.text else None)
        page.goto(room.url(place, lang=lang, theme=theme))
        if ready:
            until(page, "document.querySelector('.standing b')")
        return opened

    yield open_place
    for context in contexts:
        context.close()
