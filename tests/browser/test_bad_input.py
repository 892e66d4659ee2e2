"""What goes wrong in a control room: tokens, two people at once, a laptop that slept, a storm; and what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

TOKEN = "browser-tests-use-this-token"
PASSWORD = "a long enough password"
HOUR_MS = 3_600_000
LIVE = "/Live feed connected/.test(document.querySelector('.standing')?.textContent ?? '')"


def _api(room: Any, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.request(method, f"{room.base}/api/v1{path}", headers=headers, json=body, timeout=30, trust_env=False)


@pytest.fixture
def person(browser: Any, room: Any) -> Iterator[Callable[..., Any]]:
    """Open the page signed in as a person of a role, by name and password as people do."""
    made: list[str] = []
    contexts: list[Any] = []

    def open_as(name: str, role: str, place: str = "#/city") -> Any:
        answer = _api(room, "POST", "/users", {"name": name, "password": PASSWORD, "roles": [role]})
        assert answer.status_code == 201, answer.text
        made.append(name)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(room.url(place))
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator(".standing b").first.wait_for()
        return page

    yield open_as
    for context in contexts:
        context.close()
    for name in made:
        _api(room, "DELETE", f"/users/{name}")


def test_a_wrong_token_in_the_address_is_told_and_opens_nothing(browser: Any, room: Any) -> None:
    """A page to read that says what to do; no session begins, and nothing of the city was handed out."""
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"{room.base}/?token=not-the-token-at-all")
    assert answer is not None
    assert answer.status == 401
    assert "token" in page.inner_text("body").lower()
    assert context.cookies() == []
    context.close()


def test_a_wrong_password_is_told_and_can_be_mended(browser: Any, room: Any) -> None:
    """The form stays, says that name or password is wrong, and never which of them."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(room.url())
    page.get_by_label("Name").fill("nobody-here")
    page.get_by_label("Password").fill("wrong, but long enough")
    page.keyboard.press("Enter")
    told = page.locator("main [role=alert]")
    told.wait_for()
    assert "name or password" in told.inner_text().lower()
    assert page.get_by_label("Name").input_value() == "nobody-here"
    context.close()


def test_a_session_that_was_ended_says_so_and_what_was_open_comes_back(person: Any, room: Any) -> None:
    """The account is disabled while its page is open: the page says that the session ended; the place stays."""
    page = person("ended-one", "operator", "#/signals/4")
    assert _api(room, "PATCH", "/users/ended-one", {"disabled": True}).status_code == 200
    page.get_by_text("Your session has ended.").wait_for()
    assert page.evaluate("location.hash") == "#/signals/4"
    assert _api(room, "PATCH", "/users/ended-one", {"disabled": False}).status_code == 200
    page.get_by_label("Name").fill("ended-one")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Now", exact=True).wait_for()


def test_a_role_that_may_not_is_told_which_may(person: Any, room: Any) -> None:
    """A viewer opens the hold: the button is off and names the role; asked all the same, the server refuses."""
    page = person("looks-on", "viewer", "#/signals/4")
    page.get_by_role("heading", name="Now", exact=True).wait_for()
    before = len(_api(room, "GET", "/holds").json()["items"])
    page.keyboard.press("h")
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert "operator" in dialog.locator(".note").inner_text()
    assert dialog.get_by_role("button", name="Hold stage", exact=True).is_disabled()
    status = page.evaluate(
        """async () => {
        const { csrf } = await (await fetch('/api/v1/session')).json();
        const answer = await fetch('/api/v1/holds', { method: 'POST',
          headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf },
          body: JSON.stringify({ kind: 'hold', junction: 4, stage: 0, expires_in_s: 60 }) });
        return [answer.status, (await answer.json()).error.code];
        }"""
    )
    assert status == [403, "role"]
    assert len(_api(room, "GET", "/holds").json()["items"]) == before


def test_two_operators_on_one_junction_see_one_another(person: Any, room: Any) -> None:
    """The second is told who holds it and may take over knowingly; until then the first one's hold stands alone."""
    first, second = person("first-one", "operator", "#/signals/11"), person("second-one", "operator", "#/signals/11")
    for page in (first, second):
        page.get_by_role("heading", name="Now", exact=True).wait_for()
    first.keyboard.press("h")
    first.locator("dialog[open] input[name=stage]:checked").wait_for()
    first.keyboard.press("Enter")
    first.locator("dialog[open] [role=status]").wait_for()
    second.keyboard.press("h")
    second.locator("dialog[open] input[name=stage]:checked").wait_for()
    second.keyboard.press("Enter")
    told = second.locator("dialog[open] [role=alert]")
    told.wait_for()
    assert "first-one" in told.inner_text()

    def active() -> list[str]:
        items = _api(room, "GET", "/holds").json()["items"]
        return [one["by"] for one in items if one["status"] == "active" and one["junction"] == 11]

    assert active() == ["first-one"]
    second.get_by_role("button", name="Replace").click()
    second.locator("dialog[open] [role=status]").wait_for()
    assert active() == ["second-one"]
    # The first one's page says so without being asked.
    first.keyboard.press("Escape")
    first.locator("section[aria-labelledby=junction-holds]", has_text="second-one").wait_for()


def test_a_browser_that_slept_for_an_hour_wakes_to_the_present(browser: Any, room: Any, until: Any) -> None:
    """Its timers and its socket have an hour behind them: it connects again by itself, and frames go on."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(room.entry())
    page.clock.install()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(room.url())
    until(page, LIVE)
    opened = len(sockets)
    page.clock.fast_forward(HOUR_MS)
    until(page, f"document.querySelector('.standing') && {LIVE}")
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.frames > 0")
    frames = page.evaluate("document.querySelector('canvas[data-map]').renderer.frames")
    until(page, f"document.querySelector('canvas[data-map]')?.renderer?.frames > {frames} + 3")
    assert opened <= len(sockets) <= opened + 3
    context.close()


def test_a_feed_that_is_thrown_out_again_and_again_comes_back_slower_and_says_so(
    browser: Any, room: Any, until: Any
) -> None:
    """Every connection is closed at once: the page says that the picture is old and waits longer each time."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(room.entry())
    tried: list[str] = []
    throwing = [True]

    def take(socket: Any) -> None:
        tried.append(socket.url)
        if throwing[0]:
            socket.close(code=1013, reason="try again later")
        else:
            socket.connect_to_server()

    page.route_web_socket("**/api/v1/live", take)
    page.goto(room.url())
    until(page, "/Live feed lost/.test(document.querySelector('.standing')?.textContent ?? '')")
    page.wait_for_timeout(6_000)
    assert 2 <= len(tried) <= 12
    throwing[0] = False
    until(page, LIVE, 90)
    context.close()
