"""A what-if from the page to the map: progress, cancel, the paired scorecard, the ghost; and one that cannot be solved.

Beside it what a person does on a running city: advice taken, a plan by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

TOKEN = "browser-tests-use-this-token"
# On a machine that others load too, the city takes its time to begin.
pytestmark = pytest.mark.timeout(900)


def _api(room: Any, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.request(method, f"{room.base}/api/v1{path}", headers=headers, json=body, timeout=60, trust_env=False)


@pytest.fixture
def page(browser: Any, room_without_services: Any, until: Any) -> Iterator[Any]:
    """A page on the small running city, its tab of what-ifs open."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(120_000)
    made = context.new_page()
    made.goto(room_without_services.entry())
    made.goto(room_without_services.url("#/evidence/whatif"))
    until(made, "document.querySelectorAll('form.panel select').length >= 3", 300)
    yield made
    context.close()


def _choose(page: Any, minutes: str = "2") -> None:
    page.get_by_label("the configured begin, empty streets").check()
    page.get_by_label("Minutes", exact=True).fill(minutes)
    page.get_by_label("Seeds", exact=True).fill("1, 2")
    for label in ("As it is, led by", "As it would be, led by"):
        page.get_by_label(label).select_option("fixed")


def test_a_change_becomes_a_scorecard_and_a_ghost(page: Any, until: Any) -> None:
    """More demand: the run says what it changed, ends with pairs in words, and its ghost is drawn and is a table."""
    _choose(page)
    page.get_by_label("Demand, times today's").fill("1.5")
    page.get_by_role("button", name="Run", exact=True).click()
    card = page.locator("section[aria-labelledby=runs-title] li.note").first
    card.get_by_text("demand × 1.5").wait_for()
    card.locator(".tag", has_text="done").wait_for(timeout=300_000)
    told = card.inner_text()
    assert "Delay [s]:" in told
    assert any(word in told for word in ("better", "worse", "no clear difference"))
    assert "vehicles and 0 calls counted" in told
    card.get_by_role("button", name="Show the ghost on the map").click()
    card.locator("summary").click()
    assert card.locator("table tbody tr").count() >= 1
    card.get_by_role("button", name="Go to the map").click()
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.scene.tracks.some((x) => x.kind === 'ghost')")


def test_another_plan_is_tried_out_and_the_run_can_be_cancelled(page: Any, room_without_services: Any) -> None:
    """A junction's greens are changed in the form; the run shows its progress, and ends when it is told to."""
    _choose(page, "10")
    page.get_by_label("Another plan at").select_option(index=1)
    first = page.locator("fieldset", has_text="Greens and offset").locator("input").first
    first.fill(str(int(float(first.input_value())) + 10))
    assert page.get_by_label("As it is, led by").is_disabled()
    page.get_by_role("button", name="Run", exact=True).click()
    card = page.locator("section[aria-labelledby=runs-title] li.note", has_text="another plan at").first
    card.locator("progress").wait_for()
    card.get_by_role("button", name="Cancel").click()
    card.locator(".tag", has_text="cancelled").wait_for()
    jobs = _api(room_without_services, "GET", "/jobs").json()["items"]
    assert jobs[0]["status"] == "cancelled"
    assert jobs[0]["spec"]["change"]["plan"]["junction"] >= 0


def test_a_what_if_that_cannot_be_solved_says_why_and_leaves_nothing_behind(
    page: Any, room_without_services: Any
) -> None:
    """An edge that is not there is refused in the form; a control without plans ends as a failed run with the fix."""
    before = len(_api(room_without_services, "GET", "/jobs").json()["items"])
    _choose(page)
    page.get_by_label("Close this edge (empty: none)").fill("no-such-street")
    page.get_by_role("button", name="Run", exact=True).click()
    refused = page.locator("form [role=alert]")
    refused.wait_for()
    assert "the network has no edge 'no-such-street'" in refused.inner_text()
    assert len(_api(room_without_services, "GET", "/jobs").json()["items"]) == before
    page.get_by_label("Close this edge (empty: none)").fill("")
    page.get_by_label("As it would be, led by").select_option("actuated-tuned")
    page.get_by_role("button", name="Run", exact=True).click()
    card = page.locator("section[aria-labelledby=runs-title] li.note").first
    card.locator(".tag", has_text="failed").wait_for(timeout=300_000)
    assert "no actuated-tuned plans at hand; make them with cityloop tune" in card.inner_text()


def test_advice_is_taken_with_one_key(page: Any, room_without_services: Any) -> None:
    """On the rung advise nothing acts until Y is pressed; then the advised stage stands, with an end."""
    set_to = _api(room_without_services, "POST", "/ladder", {"domain": "signals", "district": "*", "rung": "advise"})
    assert set_to.status_code == 200, set_to.text
    page.evaluate("location.hash = '#/signals/0'")
    page.get_by_role("heading", name="Advice", exact=True).wait_for()
    page.locator("[data-act=advice]").wait_for()
    page.keyboard.press("y")
    held = page.locator("section[aria-labelledby=junction-holds] li", has_text="Advice accepted")
    held.wait_for()
    items = _api(room_without_services, "GET", "/holds").json()["items"]
    (active,) = [one for one in items if one["status"] == "active" and one["junction"] == 0]
    assert active["kind"] == "advice"
    held.get_by_role("button", name="End now").click()
    _api(room_without_services, "POST", "/ladder", {"domain": "signals", "district": "*", "rung": "shadow"})


def test_a_plan_by_hand_runs_until_it_is_ended(page: Any, room_without_services: Any) -> None:
    """P, the greens that stand there, Enter: the controller answers, and the act is listed with its end."""
    page.evaluate("location.hash = '#/signals/1'")
    page.get_by_role("heading", name="Now", exact=True).wait_for()
    page.keyboard.press("p")
    dialog = page.locator("dialog[open]")
    dialog.locator("input[type=number]").first.focus()
    assert dialog.locator("input[type=number]").count() >= 2
    page.keyboard.press("Enter")
    told = dialog.locator("[role=status]")
    told.wait_for()
    assert "Controller:" in told.inner_text()
    page.keyboard.press("Enter")
    items = _api(room_without_services, "GET", "/holds").json()["items"]
    (active,) = [one for one in items if one["status"] == "active" and one["junction"] == 1]
    assert active["kind"] == "plan"
    page.locator("section[aria-labelledby=junction-holds]").get_by_role("button", name="End now").click()
    page.get_by_text("Ended and recorded.").wait_for()
