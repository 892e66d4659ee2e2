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
    "#/evidence/month",
    "#/evidence/approvals",
    "#/evidence/audit",
    "#/evidence/exports",
]


def settled(page, place: str, until) -> None:
    page.evaluate(f"location.hash = {json.dumps(place)}")
    until(page, "!/Loading|正在载入/.test(document.querySelector('#main').textContent)")


LOOKS = [("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark")]


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_no_view_breaks_a_rule_of_axe(visit, until, violations, lang, theme):
    """Every place of every view, in this language and theme, has no violation."""
    page = visit("#/city", lang=lang, theme=theme).page
    wrong = []
    for place in PLACES:
        settled(page, place, until)
        wrong += [f"{place} {told}" for told in violations(page)]
    assert wrong == []


def test_every_place_of_evidence_is_among_those_that_are_checked(visit):
    """A tab that is added is checked, or this fails."""
    page = visit("#/evidence").page
    tabs = page.locator("[role=tab]").all()
    assert len(tabs) == sum(place.startswith("#/evidence") for place in PLACES)


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_no_dialog_breaks_a_rule_of_axe(visit, until, violations, lang, theme):
    """What opens on a key is held to the same rules, and so are the map's table and who is signed in."""
    page = visit("#/signals/7", lang=lang, theme=theme).page
    page.locator("#now-title").wait_for()
    wrong = []
    for key in ["h", "r", "p", "l", "?", "/"]:
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        wrong += [f"{key} {told}" for told in violations(page)]
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
    page.locator("header.head button", has=page.locator("svg")).last.click()
    page.locator("dialog[open]").wait_for()
    wrong += [f"account {told}" for told in violations(page)]
    page.keyboard.press("Escape")
    settled(page, "#/city", until)
    page.keyboard.press("t")
    page.locator(".over.tabletop").wait_for()
    wrong += [f"table {told}" for told in violations(page)]
    assert wrong == []


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
def test_the_sign_in_breaks_no_rule_of_axe(browser, room, until, violations, lang, theme):
    """Whoever is not signed in meets this page first."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(room.url(lang=lang, theme=theme))
    page.locator("main.login form").wait_for()
    assert violations(page) == []
    context.close()


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
