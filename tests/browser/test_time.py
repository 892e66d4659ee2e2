"""The scrubber over a city that is recorded as it runs: an instant, its address, and replay at speed."""

from __future__ import annotations

import re
from typing import Any

import pytest

# On a machine that others load too, the city takes its time to begin.
pytestmark = pytest.mark.timeout(900)

SLIDER = "document.querySelector('.scrub input[type=range]')"
SHOWN = f"Number({SLIDER}.value)"


@pytest.fixture
def recorded(browser: Any, room_without_services: Any, until: Any) -> Any:
    """A page on a city of which a minute is recorded at least."""
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(room_without_services.entry())
    page.goto(room_without_services.url("#/city"))
    until(page, f"{SLIDER} && {SLIDER}.max - {SLIDER}.min > 60000", 600)
    yield page
    context.close()


def _standing(page: Any) -> str:
    return str(page.locator(".standing").inner_text())


def test_an_instant_is_scrubbed_to_by_keyboard_and_back(recorded: Any, until: Any) -> None:
    """Arrow keys on the slider lead into the record; the line that never leaves says so, until Live is pressed."""
    page = recorded
    slider = page.locator(".scrub input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    first_ms = page.evaluate(f"() => {SHOWN}")
    until(page, "document.querySelector('.standing').innerText.includes('Recorded')")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    until(page, f"{SHOWN} === {first_ms} + 20000")
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.scene.shapes.kind.length > 0")
    page.get_by_role("button", name=re.compile("Live")).click()
    until(page, "!document.querySelector('.standing').innerText.includes('Recorded')")


def test_going_back_does_not_shorten_the_record(recorded: Any, until: Any) -> None:
    """What was live a moment ago can be reached from the first instant, however long ago the record's end was asked."""
    page = recorded
    page.route("**/frames/span", lambda request: request.abort())
    asked_ms = page.evaluate(f"() => Number({SLIDER}.max)")
    until(page, f"Number({SLIDER}.max) > {asked_ms} + 10000")
    end_ms = page.evaluate(f"() => Number({SLIDER}.max)")
    page.locator(".scrub input[type=range]").focus()
    page.keyboard.press("Home")
    # Once the first frame is drawn, the clock that ends the slider is the record's.
    until(page, "document.querySelector('.head .clock').innerText <= document.querySelector('.scrub output').innerText")
    assert page.evaluate(f"() => Number({SLIDER}.max)") >= end_ms


def test_the_last_instant_asked_for_is_the_one_shown(recorded: Any, until: Any) -> None:
    """Dragging on while frames are still under way leaves the map at the end of the drag, not at its begin."""
    page = recorded
    page.evaluate(
        f"""() => {{ const slider = {SLIDER};
        const begin = Number(slider.min);
        for (const s of [2, 30, 12, 40]) {{
          slider.value = String(begin + s * 1000);
          slider.dispatchEvent(new Event('input', {{ bubbles: true }}));
        }} }}"""
    )
    until(page, f"Math.abs({SHOWN} - (Number({SLIDER}.min) + 40000)) <= 1000")
    shown = page.locator(".scrub output").inner_text()
    # The head's clock is that of the frame that is drawn.
    until(page, f"document.querySelector('.head .clock').innerText.trim() <= '{shown}'")
    seconds = [sum(60**k * int(n) for k, n in enumerate(reversed(one.split(":")))) for one in
               (page.locator(".head .clock").inner_text().strip(), shown)]  # fmt: skip
    assert 0 <= seconds[1] - seconds[0] <= 3


def test_an_instant_has_an_address_that_somebody_else_can_open(
    recorded: Any, room_without_services: Any, until: Any
) -> None:
    """The bookmark names the instant; opened anew, the page stands there and says that it is a replay."""
    page = recorded
    page.locator(".scrub input[type=range]").focus()
    page.keyboard.press("Home")
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Bookmark").click()
    until(page, "location.hash.includes('at=')")
    address, instant = page.url, re.search(r"at=(\d+)", page.url)
    assert instant is not None
    other = page.context.new_page()
    other.goto(address)
    until(other, f"{SLIDER} && {SHOWN} === {instant[1]}", 120)
    until(other, "document.querySelector('.standing').innerText.includes('Recorded')")
    other.close()


def test_replay_runs_at_the_speed_chosen_and_pauses(recorded: Any, until: Any) -> None:
    """At 10 times, ten seconds of the record pass in about one; pause stops it where it is."""
    page = recorded
    page.locator(".scrub input[type=range]").focus()
    page.keyboard.press("Home")
    page.locator(".scrub select").select_option("10")
    begin_ms = page.evaluate(f"() => {SHOWN}")
    page.get_by_role("button", name="Play").click()
    until(page, f"{SHOWN} >= {begin_ms} + 20000")
    page.get_by_role("button", name="Pause").click()
    stood_ms = page.evaluate(f"() => {SHOWN}")
    page.wait_for_timeout(1000)
    assert page.evaluate(f"() => {SHOWN}") == stood_ms
    assert "Recorded" in _standing(page)
