"""Tokens, cookies, CSRF and rates."""

from __future__ import annotations

import base64
from typing import Any

from cityloop.web.access import Rates

TOKEN = "a-token-of-the-administrator"
PASSWORD = "correct horse battery"


def test_a_token_in_the_address_becomes_a_session_and_leaves_it(room: Any) -> None:
    """``/?token=`` answers with a redirect to a clean address and a cookie that no script can read."""
    client = room.client()
    answer = client.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert client.get("/api/v1/session").json()["user"] == "token"


def test_a_wrong_token_begins_no_session(room: Any) -> None:
    """A wrong token is told so, and sets no cookie."""
    answer = room.client().get("/", params={"token": "wrong"}, follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "token" in answer.json()["error"]["message"]


def test_a_person_with_a_wrong_token_gets_a_page_to_read(room: Any) -> None:
    """In the browser it is words and a way to sign in, not JSON; the address's own text is not repeated."""
    accept = {"Accept": "text/html,application/xhtml+xml"}
    answer = room.client().get("/", params={"token": "<script>x</script>"}, headers=accept, follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    assert "is wrong" in answer.text
    assert 'href="/"' in answer.text
    assert "<script>" not in answer.text


def test_bearer_and_basic_stand_for_the_administrator(room: Any) -> None:
    """The token works as Bearer, and as Basic with the user ``token`` alone."""
    client = room.client()
    for user, status in (("token", 200), ("root", 401)):
        basic = base64.b64encode(f"{user}:{TOKEN}".encode()).decode()
        assert client.get("/api/v1/city", headers={"Authorization": f"Basic {basic}"}).status_code == status
    assert client.get("/api/v1/city", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/api/v1/city", headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_cookie_alone_changes_nothing(room: Any) -> None:
    """Another site can make a browser send its cookie, but not the token that only our page knows."""
    client = room.client("operator")
    del client.headers["X-CSRF-Token"]
    answer = client.post("/api/v1/drill", json={"seconds": 10})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf"
    assert room.steered == []


def test_a_foreign_page_may_not_act_even_with_the_token(room: Any) -> None:
    """A request that says it comes from another origin is refused."""
    client = room.client("operator")
    answer = client.post("/api/v1/drill", json={"seconds": 10}, headers={"Origin": "http://evil.example"})
    assert answer.json()["error"]["code"] == "csrf"


def test_a_disabled_account_loses_its_session(room: Any) -> None:
    """Disabling somebody ends what they have open."""
    operator, admin = room.client("operator"), room.client("admin")
    assert operator.get("/api/v1/city").status_code == 200
    assert admin.patch("/api/v1/users/operator", json={"disabled": True}).status_code == 200
    assert operator.get("/api/v1/city").status_code == 401
    again = room.client().post("/api/v1/session", json={"name": "operator", "password": PASSWORD})
    assert again.status_code == 401


def test_passwords_are_slowed_down(room: Any) -> None:
    """After a burst of wrong passwords the answer is 429 with a time to wait."""
    room.desk.gate.sign_ins = Rates(per_s=0.1, burst=3)
    client = room.client()
    codes = [client.post("/api/v1/session", json={"name": "viewer", "password": "wrong guess"}) for _ in range(4)]
    assert codes[0].status_code == 401
    assert codes[-1].status_code == 429
    assert int(codes[-1].headers["retry-after"]) >= 1


def test_a_bucket_fills_again_with_time() -> None:
    """Two at once, then one a second."""
    rates = Rates(per_s=1.0, burst=2)
    assert [rates.take("a", 0.0) for _ in range(3)] == [0, 0, 1]
    assert rates.take("a", 1.0) == 0
    assert rates.take("b", 0.0) == 0


def test_a_body_of_the_wrong_shape_is_told_by_its_key(room: Any) -> None:
    """The answer names the key; nothing is done."""
    client = room.client("operator")
    answer = client.post("/api/v1/drill", json={"seconds": "soon"})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "seconds"
    assert client.post("/api/v1/drill", content=b"{").status_code == 400
    assert client.post("/api/v1/drill", content=b"[" * 100_000).status_code in (400, 422)
    assert client.post("/api/v1/drill", content=b" " * 300_000).status_code == 413


def test_assets_cannot_be_left(room: Any) -> None:
    """A hand-made path does not lead out of the folder of assets."""
    client = room.client()
    for path in ("/assets/../index.html", "/assets/%2e%2e/%2e%2e/office.sqlite", "/assets/a%00b", "/assets/"):
        assert client.get(path).status_code == 404
