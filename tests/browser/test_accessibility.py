"""WCAG 2.2 AA: axe-core on every view, in both languages and themes; large text; shape as well as colour."""

from __future__ import annotations

import json

import pytest

PLACES = [
    "#/city",
    "#/city?junction=7",
    "#/city?edge=11",
    "#/signals/7",
    "#/emergency",
    "#/refuse",
    "#/evidence",
    "#/evidence/decisions",
    "#/evidence/case",
    "#/evidence/whatif",
    "#/evidence/sensors",
    "#/evidence/calibration",
    "#/evidence/approvals",
    "#/evidence/audit",
    "#/evidence/exports",
]


def settled(page, place: str, until) -> None:
    page.evaluate(f"location.hash = {json.dumps(place)}")
    until(page, "!/Loading|正在载入/.test(document.querySelector('#main').textContent)")


@pytest.mark.parametrize(("lang", "theme"), [("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark")])
def test_no_view_breaks_a_rule_of_axe(visit, until, violations, lang, theme):
    """Every place of every view, in this language and theme, has no violation."""
    page = visit("#/city", lang=lang, theme=theme).page
    wrong = []
    for place in PLACES:
        settled(page, place, until)
        wrong += [f"{place} {told}" for told in violations(page)]
    assert wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_dialog_breaks_a_rule_of_axe(visit, until, violations, theme):
    """What opens on a key is held to the same rules, and so is the map's table."""
    page = visit("#/signals/7", theme=theme).page
    page.get_by_role("heading", name="Now", exact=True).wait_for()
    wrong = []
    for key in ["h", "r", "l", "?", "/"]:
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        wrong += [f"{key} {told}" for told in violations(page)]
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
    settled(page, "#/city", until)
    page.keyboard.press("t")
    page.get_by_role("heading", name="The map as a table").wait_for()
    wrong += [f"table {told}" for told in violations(page)]
    assert wrong == []


@pytest.mark.parametrize("place", ["#/city", "#/signals/7", "#/evidence/decisions"])
def test_text_at_twice_its_size_is_not_cut_off_sideways(visit, place):
    """At 200 % of 1280 pixels, and on a phone of 390, the page itself never scrolls sideways."""
    for size in [(640, 512), (390, 844)]:
        page = visit(place, size=size).page
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size


def test_the_language_of_the_page_is_told(visit):
    """A screen reader needs to know which voice to use."""
    page = visit("#/city", lang="zh").page
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.get_by_role("link", name="信号").count() >= 1
