"""The page itself: whom it asks, what it says where nothing is connected, and what it does with hostile text."""

from __future__ import annotations

import gzip
import json

import pytest

import cityloop.web


@pytest.fixture(scope="module")
def static(checkout):
    return checkout / "src" / "cityloop" / "web" / "static"


def test_scripts_and_styles_stay_small(static):
    """All scripts and styles together, compressed, are at most 220 KB."""
    files = [path for path in (static / "assets").iterdir() if path.suffix in {".js", ".css"}]
    assert len(files) >= 2
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) <= 220_000


def test_packed_files_hold_what_they_are_named_after(static):
    """The gzip beside a script is that script."""
    packed = list((static / "assets").glob("*.gz"))
    assert packed
    for path in packed:
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()


def test_the_page_needs_no_inline_script(static):
    """A strict content policy holds: no inline script, no handler in the markup, no address of another host."""
    page = (static / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert " on" not in page.replace(" on ", "").split("<body>")[1]
    assert "http" not in page


def test_nobody_but_the_server_is_asked(visit, room):
    """A walk through every view asks this server alone, and no policy is breached."""
    opened = visit("#/city")
    for place in ["#/signals/3", "#/emergency", "#/refuse", "#/evidence", "#/evidence/sensors", "#/evidence/decisions"]:
        opened.page.evaluate(f"location.hash = {json.dumps(place)}")
        opened.page.wait_for_timeout(700)
    own = (room.base, room.base.replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in opened.asked if not url.startswith(own)] == []
    assert len(opened.asked) > 10
    assert opened.errors == []


def test_a_view_without_data_says_so(browser, room_without_services):
    """Nothing connected is words, never a number or an example."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(room_without_services.entry())
    for place, told in [
        ("#/emergency", "No emergency service is connected"),
        ("#/refuse", "No refuse collection is connected"),
    ]:
        page.goto(room_without_services.url(place))
        page.get_by_role("heading", name=told).wait_for(timeout=60_000)
        assert page.locator("#main table, #main canvas").count() == 0
    context.close()


@pytest.mark.parametrize(("lang", "mode"), [("en", "Load test"), ("zh", "压力测试")])
def test_what_the_picture_is_stands_on_every_view(visit, lang, mode):
    """Mode, demand and ladder are words on the page, in either language."""
    page = visit("#/city", lang=lang).page
    for key in "12345":
        page.keyboard.press(key)
        assert mode in page.locator(".standing").inner_text()


@pytest.mark.parametrize(
    "place", ["#/nowhere", "#/signals/999999", "#/signals/%3Cimg%20src=x%20onerror=alert(1)%3E", "#/city?edge=x", "#/%"]
)
def test_a_hand_made_address_leads_to_a_view(visit, place):
    """Whatever is typed there, a view is shown and nothing breaks or runs."""
    opened = visit(place)
    opened.page.on("dialog", lambda dialog: opened.errors.append(dialog.message))
    opened.page.locator(".view, .evidence").first.wait_for()
    opened.page.wait_for_timeout(300)
    assert opened.errors == []


def test_script_in_a_street_name_is_text(visit, until, room):
    """A hostile name is shown as it is written, on the map, in tables and in the search."""
    hostile = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    opened = visit("#/city", ready=False)
    page = opened.page

    def poisoned(route):
        answer = route.fetch()
        body = answer.json()
        for one in body["junctions"][:40]:
            one["label"] = hostile
        for edge in body["edges"][:200]:
            edge["street"] = hostile
        route.fulfill(response=answer, json=body)

    page.route("**/api/v1/layout", poisoned)
    page.reload()
    until(page, "document.querySelector('.standing b') !== null")
    page.keyboard.press("t")
    page.get_by_text("<img src=x").first.wait_for()
    page.keyboard.press("t")
    page.keyboard.press("2")
    page.get_by_text("<img src=x").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("img src")
    page.locator("dialog[open] [role=option]").first.wait_for()
    assert "run" not in page.title()
    assert page.locator("#app img, #app script").count() == 0


def test_a_session_that_ends_asks_to_sign_in_and_keeps_the_view(visit):
    """After an hour's sleep the page asks for a name, and the address still names what was open."""
    opened = visit("#/signals/3")
    page = opened.page
    page.context.clear_cookies()
    page.reload()
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.evaluate("location.hash") == "#/signals/3"


def test_the_static_files_are_part_of_the_package():
    """Users need no Node: the page lies beside the server that hands it out."""
    assert cityloop.web.__file__ is not None
