"""The demo's page: two synchronised halves of one map over two real runs, looked at while they run and after."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cityloop.studies.demo import DemoSpec, run_demo
from cityloop.studies.demo_room import DemoRoom
from cityloop.studies.demo_stage import Stepped
from cityloop.studies.report import write_report

MAPS = "[...document.querySelectorAll('canvas[data-map]')].map((one) => one.renderer)"


@dataclass
class Shown:
    """A demo that runs, and its page."""

    url: str
    base: str
    out: Path
    gate: threading.Event
    """Set: the runs may go on to their end."""
    over: threading.Event


class Unhurried(DemoRoom):
    """Takes a quarter of a second for each step until it is told to go on."""

    def __init__(self, spec: DemoSpec, gate: threading.Event) -> None:
        super().__init__(spec)
        self._gate = gate

    def step(self, stepped: Stepped) -> None:
        self._gate.wait(0.25)
        super().step(stepped)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, grid_city: Path) -> Iterator[Shown]:
    """Five minutes of a small city under its fixed program and under the brain, slow enough to be looked at."""
    spec = DemoSpec(out=tmp_path_factory.mktemp("demo"), city=str(grid_city), baseline="fixed", minutes=5)
    gate = threading.Event()
    room = Unhurried(spec, gate)
    shown = Shown(room.url, room.url.split("/?")[0], spec.out, gate, threading.Event())
    fault: list[BaseException] = []

    def work() -> None:
        try:
            outcome = run_demo(spec, lambda tick: None, room)
            room.finish(outcome, write_report([spec.out], spec.out / "report.html"))
        except BaseException as error:
            fault.append(error)
        shown.over.set()

    room.start()
    running = threading.Thread(target=work, daemon=True)
    running.start()
    yield shown
    shown.gate.set()
    running.join(120)
    room.close()
    assert not fault, fault


@pytest.fixture
def halves(browser, demo: Shown, until):
    """The page of the running demo, its maps drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(demo.url)
    until(page, f"{MAPS}.length === 2 && {MAPS}.every((one) => one?.vehicles.count > 5)", 400)
    yield page, asked
    context.close()


def test_both_halves_show_the_same_second_of_the_same_city(halves, demo: Shown, until, tmp_path_factory) -> None:
    """Two maps with a heading each, numbers beside them, the line in words above; nothing is asked of anybody else."""
    page, asked = halves
    assert page.get_by_role("heading", name="Fixed plan", exact=True).is_visible()
    assert page.get_by_role("heading", name="Brain", exact=True).is_visible()
    line = page.locator(".standing").inner_text()
    assert "Simulation" in line
    assert "uncalibrated demand" in line
    assert "left Fixed plan, right Brain" in line
    until(page, "/Live feed connected/.test(document.querySelector('.standing').textContent)")
    until(page, "document.querySelector('.difference')")
    assert "Too early to tell." in page.locator(".difference").inner_text()
    told = httpx.get(f"{demo.base}/api/v1/halves", headers=bearer(demo), trust_env=False).json()
    # Numbers are told every five seconds of the city, by arms that are a second apart at the most.
    assert abs(told["halves"]["left"]["now_s"] - told["halves"]["right"]["now_s"]) <= 7.0
    # A feed that comes late on a busy machine is told of; it does not stay so.
    until(page, "!document.querySelector('.note.apart')")
    assert all(re.match(rf"(http|ws)://{demo.base.split('//')[1]}/", url) for url in asked)
    page.screenshot(path=tmp_path_factory.getbasetemp() / "demo-halves.png")


def bearer(demo: Shown) -> dict[str, str]:
    return {"Authorization": f"Bearer {demo.url.split('token=')[1]}"}


def test_one_half_moved_by_keyboard_moves_the_other(halves) -> None:
    """Arrow keys and plus on the left half; both look at the same place, as near, and each has its table."""
    page, _ = halves
    ground = page.locator(".half .ground")
    ground.first.focus()
    before = page.evaluate(f"{MAPS}.map((one) => [one.camera.x, one.camera.scale])")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    after = page.evaluate(f"{MAPS}.map((one) => [one.camera.x, one.camera.scale])")
    assert after[0] == after[1]
    assert after[0][0] != before[0][0]
    assert after[0][1] > before[0][1]
    for name in ("Fixed plan", "Brain"):
        page.get_by_role("button", name=f"The map as a table: {name}").click()
        table = page.get_by_role("region", name=f"The map as a table: {name}")
        control = table.locator("tbody tr").first.inner_text()
        assert ("own plan" in control.lower()) == (name == "Fixed plan")
        table.get_by_role("button", name="Close").click()


def test_the_scrubber_moves_both_halves(halves, until) -> None:
    """An instant in the address shows both as they were then."""
    page, _ = halves
    page.evaluate("location.hash = '#/city?at=45000'")
    until(page, "/Recorded/.test(document.querySelector('.standing').textContent)")
    stages = "[...document.querySelectorAll('.half')].length === 2"
    until(page, stages)
    page.get_by_role("button", name="Live").click()
    until(page, "!/Recorded/.test(document.querySelector('.standing').textContent)")


@pytest.mark.parametrize(("lang", "theme"), [("en", "light"), ("zh", "dark")])
def test_the_halves_break_no_rule_of_axe(halves, demo: Shown, until, violations, lang: str, theme: str) -> None:
    """The split view is held to the same rules as every other, at a desk and on a phone."""
    page, _ = halves
    page.goto(f"{demo.base}/?lang={lang}&theme={theme}#/city")
    until(page, f"{MAPS}.length === 2 && document.querySelector('.difference')")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []


def test_whoever_looks_on_can_change_nothing(halves, demo: Shown) -> None:
    """Runs that are scored take no commands: the page's user is a viewer, whatever is asked for."""
    body = {"junction": 0, "kind": "hold", "stage": 0, "for_s": 30, "why": "to see"}
    answer = httpx.post(f"{demo.base}/api/v1/holds", headers=bearer(demo), json=body, trust_env=False)
    assert answer.status_code == 403


def test_when_both_are_over_the_scores_stand_beside_each_other(halves, demo: Shown, until) -> None:
    """The table of the scored runs takes the place of the running one, and the report can be opened."""
    page, _ = halves
    demo.gate.set()
    assert demo.over.wait(180)
    until(page, "/Both halves, scored/.test(document.querySelector('#halves-title').closest('section').textContent)")
    assert "No clear difference" in page.locator(".difference").inner_text()
    report = httpx.get(f"{demo.base}/api/v1/halves/report", headers=bearer(demo), trust_env=False)
    assert "<svg" in report.text
    card = json.loads((demo.out / "scorecard.json").read_text())
    assert [arm["arm"] for arm in card["arms"]] == ["fixed", "brain"]


def test_a_city_that_is_starting_is_not_called_live(browser, until, grid_city: Path, tmp_path: Path) -> None:
    """The page is connected before the first step is made: it says that the city is starting, and nothing of live."""
    room = DemoRoom(DemoSpec(out=tmp_path, city=str(grid_city), baseline="fixed", minutes=4))
    room.start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(room.url)
        until(page, "/the city is starting/.test(document.querySelector('.standing')?.textContent)")
        page.wait_for_timeout(6000)
        line = page.locator(".standing").inner_text()
        assert "Connected; the city is starting" in line
        assert "Live feed" not in line
        assert "Both runs are starting" in page.locator("aside.side").inner_text()
    finally:
        context.close()
        room.close()
