"""Every task of an operator's day, with the keyboard alone."""

from __future__ import annotations

import re

import pytest


def heading(page, name) -> None:
    page.get_by_role("heading", name=name).first.wait_for()


def test_views_open_on_their_numbers(visit, until):
    """1 to 5 are City, Signals, Emergency, Refuse, Evidence."""
    page = visit("#/city").page
    for key, view in zip("23451", ["signals", "emergency", "refuse", "evidence", "city"], strict=True):
        page.keyboard.press(key)
        until(page, f"location.hash.startsWith('#/{view}')")


def test_anything_is_found_by_typing_its_name(visit, until):
    """A slash, a name, Enter: the junction is open."""
    page = visit("#/city").page
    name = page.evaluate("fetch('/api/v1/layout').then(r => r.json()).then(l => l.junctions[5].label)")
    page.keyboard.press("/")
    page.locator("dialog[open] input").wait_for()
    page.keyboard.type(name)
    page.locator("dialog[open] [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    until(page, "location.hash !== '#/city'")


def test_keys_are_listed_and_can_be_switched_off(visit):
    """The question mark lists them; with single keys off a letter does nothing (WCAG 2.1.4)."""
    page = visit("#/city").page
    page.keyboard.press("?")
    heading(page, "Keys")
    page.get_by_label("Commands on single keys").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_timeout(300)
    assert page.evaluate("location.hash").startswith("#/city")


def test_a_stage_is_held_and_let_go(visit):
    """H and Enter hold the stage shown until an instant; the hold is ended from its list."""
    page = visit("#/signals/9").page
    heading(page, "Now")
    page.keyboard.press("h")
    page.locator("dialog[open] input[name=stage]:checked").wait_for()
    page.keyboard.press("Enter")
    told = page.locator("dialog[open] [role=status]")
    told.wait_for()
    assert re.search(r"In force until \d\d:\d\d:\d\d", told.inner_text())
    page.keyboard.press("Enter")
    end = page.get_by_role("button", name="End now").first
    end.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Ended and recorded.").wait_for()


def test_the_map_moves_and_opens_things_by_keys(visit, until):
    """Focus, arrows, plus and zero move the map; Enter opens what is in the middle."""
    page = visit("#/city").page
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.frames > 3")
    page.keyboard.press("m")
    camera = "(({x, y, scale}) => [x, y, scale])(document.querySelector('canvas[data-map]').renderer.camera)"
    before = page.evaluate(camera)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    after = page.evaluate(camera)
    assert after[0] > before[0]
    assert after[2] > before[2]
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    until(page, "/junction|edge|alert/.test(location.hash)")


@pytest.mark.parametrize(("place", "caption"), [("#/city", "Signals by state"), ("#/signals/7", "Junctions")])
def test_the_same_data_is_a_table(visit, until, place, caption):
    """The map's table opens on T; the signals' list is a table already."""
    page = visit(place).page
    until(page, "document.querySelector('.standing b') !== null")
    if place == "#/city":
        page.keyboard.press("t")
    page.locator("table caption", has_text=caption).first.wait_for(state="attached")
    assert page.locator("table", has=page.locator("caption", has_text=caption)).locator("tbody tr").count() >= 50


def test_every_chart_has_its_table(visit):
    """Each chart of a junction turns into a table by its own button, and says so when it has nothing to show."""
    page = visit("#/signals/7").page
    page.locator(".figure").first.wait_for()
    for figure in page.locator(".figure").all():
        button = figure.get_by_role("button", name=re.compile("^Table"))
        if button.count():
            button.focus()
            page.keyboard.press("Enter")
            figure.locator("table").wait_for()
        else:
            assert figure.locator(".note").inner_text() != ""


def test_the_ladder_tells_where_it_stands(visit):
    """L shows each district's rung in words."""
    page = visit("#/signals/7").page
    heading(page, "Now")
    page.keyboard.press("l")
    heading(page, "Ladder: who acts")
    assert page.locator("dialog[open] tbody tr").count() >= 1
