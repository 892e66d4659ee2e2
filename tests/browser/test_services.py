"""Emergency and Refuse over the load test's made-up services: tables, reasons, hostile names, the scrubber."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("view", "titles"),
    [
        ("emergency", ("Cover now", "Calls", "Corridors", "Units")),
        ("refuse", ("Today's round", "Exceptions", "New plan against the one before", "Routes")),
    ],
)
def test_view_shows_its_tables(visit, until, view, titles):
    """Every block of the view is there, and a hostile name stands as text."""
    opened = visit(f"#/{view}")
    until(opened.page, "document.querySelectorAll('aside.side section.block').length >= 4")
    shown = opened.page.inner_text("aside.side")
    for title in titles:
        assert title in shown
    assert opened.page.locator("aside.side img").count() == 0
    assert opened.errors == []


def test_call_chosen_by_keyboard_names_units_with_reasons(visit, until):
    """A call is opened without a mouse; its units stand best first, each with a band and a reason."""
    opened = visit("#/emergency")
    page = opened.page
    until(page, "document.querySelector('section[aria-label=\"Calls\"] button.rowlink')")
    page.locator('section[aria-label="Calls"] button.rowlink').nth(2).focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('section[aria-label^=\"Who could go\"] tbody tr td:nth-child(5)')")
    ranked = page.locator('section[aria-label^="Who could go"]').inner_text()
    assert "to " in ranked
    assert "later" in ranked


def test_truck_chosen_shows_its_route_on_the_map_and_as_a_table(visit, until):
    """A truck's stops are listed in order, and the map draws its way ahead."""
    opened = visit("#/refuse")
    page = opened.page
    until(page, "document.querySelector('section[aria-label=\"Routes\"] button.rowlink')")
    page.locator('section[aria-label="Routes"] button.rowlink').first.click()
    until(page, "document.querySelectorAll('section[aria-label=\"Routes\"] table').length === 2")
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.scene.tracks.some((x) => x.kind === 'route')")


def test_another_unit_is_sent_with_one_key_and_a_reason(visit, until):
    """S opens the units best first; without a reason nothing can be sent; the dialog names what is recorded."""
    opened = visit("#/emergency")
    page = opened.page
    until(page, "document.querySelector('[data-act=send]') && !document.querySelector('[data-act=send]').disabled")
    page.keyboard.press("s")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert "audit log" in dialog.inner_text()
    assert dialog.locator("input[type=radio]").count() > 1
    assert dialog.get_by_role("button", name="Send", exact=True).is_disabled()
    page.keyboard.type("The street is closed")
    assert dialog.get_by_role("button", name="Send", exact=True).is_enabled()
    page.keyboard.press("Escape")
    assert opened.errors == []


def test_a_preview_that_cannot_be_made_says_so(visit, until):
    """The made-up city has no planner: the block says it in words, and nothing else of the view breaks."""
    opened = visit("#/refuse")
    page = opened.page
    block = page.locator('section[aria-label="Look before a new plan"]')
    block.get_by_role("button", name="What would change").click()
    block.get_by_role("alert").wait_for()
    assert "no refuse rounds run here" in block.inner_text()
