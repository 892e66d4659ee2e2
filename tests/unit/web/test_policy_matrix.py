"""Every role on every route: what the table says is what the server does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.websockets import WebSocketDisconnect

from cityloop.web.policy import POLICY, PUBLIC, ROLES, Rule, policy_page
from cityloop.web.server import HANDLERS

if TYPE_CHECKING:
    from starlette.testclient import TestClient

NOBODY = "nobody"
CELLS = [(rule, role) for rule in POLICY for role in (*ROLES, NOBODY)]


@pytest.fixture(scope="module")
def clients(shared_room: Any) -> dict[str, TestClient]:
    return {role: shared_room.client(role) for role in ROLES} | {NOBODY: shared_room.client()}


@pytest.mark.parametrize(("rule", "role"), CELLS, ids=lambda one: one.name if isinstance(one, Rule) else one)
def test_a_role_is_let_in_exactly_where_the_table_says(clients: dict[str, TestClient], rule: Rule, role: str) -> None:
    """An allowed role reaches the handler, whatever that then says; any other is refused before it."""
    allowed = PUBLIC in rule.roles or role in rule.roles
    client = clients[role]
    if rule.method == "WS":
        code = _close_code(client, rule.path)
        assert code == (None if allowed else 4401 if role == NOBODY else 4403)
        return
    if rule.name in ("session.close", "live.events") and allowed:
        # These would end the shared session, or never end: tests of their own drive them.
        return
    path = re.sub(r"{(\w+)(:\w+)?}", lambda m: "0" if m[2] == ":int" else "none", rule.path)
    body = {} if rule.method in ("POST", "PATCH") else None
    answer = client.request(rule.method, path, json=body)
    if allowed:
        assert answer.status_code != 403 or answer.json()["error"]["code"] not in ("role", "csrf")
        assert answer.status_code < 500
        assert answer.status_code != 401 or rule.name == "session.open"
    elif role == NOBODY:
        assert answer.status_code == 401
    else:
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "role"


def test_every_handler_has_a_rule_and_every_rule_a_handler() -> None:
    """No route without a policy, and none promised that is not there."""
    assert set(HANDLERS) == {rule.name for rule in POLICY if rule.method != "WS"}


def test_no_rule_is_told_twice() -> None:
    """One row a route, so that no second row opens what the first closes."""
    routes = [(rule.method, rule.path) for rule in POLICY]
    assert len(set(routes)) == len(routes)
    assert len({rule.name for rule in POLICY}) == len(POLICY)


def test_administrators_do_not_act_on_the_city() -> None:
    """The admin role manages people and reads the audit log; it actuates nothing."""
    acts = {rule.name for rule in POLICY if rule.act and "admin" in rule.roles}
    assert acts == {"people.add", "people.change", "people.remove"}


def test_the_documentation_shows_the_table_as_it_is() -> None:
    """The page on security holds the generated table, word for word."""
    page = Path(__file__).parents[3] / "docs" / "roles.md"
    assert policy_page() in page.read_text(encoding="utf-8")


def _close_code(client: TestClient, path: str) -> int | None:
    try:
        with client.websocket_connect(f"ws://city{path}") as socket:
            socket.receive_text()
    except WebSocketDisconnect as gone:
        return gone.code
    return None
