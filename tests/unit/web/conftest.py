"""An operations room over the made-up city, on real storage in a temporary folder, and clients with each role."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from argon2 import PasswordHasher

from cityloop.app.city_source import NoJobs, load_facts
from cityloop.app.load_test import LoadSensors
from cityloop.domains.signals.schema import Reason, ShowStage
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Allowed, Decision, Proposal
from cityloop.kernel.office import Person
from cityloop.storage.accounts import Accounts
from cityloop.storage.alerts import AlertStore
from cityloop.storage.audit_log import AuditLog
from cityloop.storage.holds import Holds
from cityloop.storage.office import OfficeDatabase
from cityloop.storage.trace_log import TraceReader, TraceWriter
from cityloop.web.access import Gatekeeper, Rates
from cityloop.web.board import Board
from cityloop.web.events import Events
from cityloop.web.policy import ROLES
from cityloop.web.ports import Desk
from cityloop.web.server import build_app
from cityloop.web.steering import heard
from cityloop.wire.live import Steering, Tick

with warnings.catch_warnings():
    # It asks for a package of another name than the one that is pinned; both speak the same.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TOKEN = "a-token-of-the-administrator"
PASSWORD = "correct horse battery"
NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


@dataclass(slots=True)
class Room:
    """A served room and its parts."""

    desk: Desk
    app: Any
    folder: Path
    audit: AuditLog
    steered: list[Steering] = field(default_factory=list)
    refusing: bool = False
    """Whether the guard refuses what is asked for."""

    def client(self, name: str | None = None) -> TestClient:
        """Return a client that is signed in as a role's person, or nobody."""
        client = TestClient(self.app, base_url="http://city", raise_server_exceptions=False)
        if name is not None:
            answer = client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client


def tick_at(at_ms: int, number: int, *, steered: int = 0, orders: tuple[Any, ...] = ()) -> Tick:
    """Return a step of the made-up city, which answers orders as a controller would."""
    n, approaches = 760, 1520
    decisions, receipts = [], []
    for sequence, order in enumerate(orders):
        action = ShowStage(order.stages[0][0]) if order.stages else ShowStage(0)
        proposal = Proposal(target=order.target, action=action, reason=Reason.OPERATOR_HOLD, cost=0.0, gain=0.0)
        decision = Decision(
            decided_at_ms=at_ms, domain="signals", policy="operator", proposal=proposal, verdict=Allowed(action),
            sequence=sequence, not_after_ms=at_ms + 4000,
        )  # fmt: skip
        decisions.append(decision_bytes(decision))
        receipts.append(("signals", order.target, sequence, 1, at_ms, "taken"))
    return Tick(
        at_ms=at_ms,
        wall_ms=at_ms,
        sim_s=float(number),
        number=number,
        steered=steered,
        at_once=steered > 0,
        decisions=decisions,
        receipts=receipts,
        arrays={
            "stage": bytes(n), "state": bytes([1 | (2 << 5)]) * n, "stage_s": bytes(n), "red_s": bytes(n),
            "standing": bytes(approaches), "seen": bytes([2]) * approaches, "age_ds": bytes(approaches),
            "left": bytes(approaches), "delay_f32": bytes(4 * n), "lamps": bytes(6080), "edges": bytes(3000),
        },
    )  # fmt: skip


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room with one person a role, all named after it."""
    yield from _room(tmp_path)


@pytest.fixture(scope="module")
def shared_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The same, made once for tests that look and do not mind one another."""
    yield from _room(tmp_path_factory.mktemp("room"))


def _room(folder: Path) -> Iterator[Room]:
    facts, _ = load_facts()
    database = OfficeDatabase(folder)
    # Cheap on purpose: what a real password costs is measured elsewhere.
    accounts = Accounts(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for role in ROLES:
        accounts.add(Person(name=role, roles=(role,), districts=("*",)), PASSWORD, NOW_MS)
    accounts.add(Person(name="second", roles=("engineer",), districts=("*",)), PASSWORD, NOW_MS)
    accounts.add(Person(name="northern", roles=("operator",), districts=("north-east",)), PASSWORD, NOW_MS)
    board = Board(facts.shapes.box, len(facts.shapes.links), 1.0)
    gate = Gatekeeper(TOKEN, ROLES, accounts)
    gate.acts = gate.reads = gate.sign_ins = Rates(per_s=1e6, burst=1e6)
    writer = TraceWriter(folder / "trace", keep_ms=10**12)
    for number in range(60):
        writer.append(NOW_MS + number * 1000, msgspec.msgpack.encode(tick_at(NOW_MS + number * 1000, number)))
    writer.close()
    audit = AuditLog(folder)
    desk = Desk(
        city=facts, gate=gate, accounts=accounts, audit=audit, holds=Holds(database),
        trace=TraceReader(folder / "trace"), sensors=LoadSensors(facts.shapes.box), alerts=AlertStore(database),
        jobs=NoJobs(), board=board, events=Events(), steer=lambda steering: None, static=folder / "static",
        store_ready=lambda: "",
    )  # fmt: skip
    made = Room(desk=desk, app=build_app(desk), folder=folder, audit=audit)

    def steer(steering: Steering) -> None:
        made.steered.append(steering)
        told = tick_at(NOW_MS + 60_000, 60, steered=steering.token, orders=steering.orders)
        asyncio.get_running_loop().call_soon(heard, desk, told)

    desk.steer = steer
    board.publish(tick_at(NOW_MS + 60_000, 60))
    yield made
    audit.close()
    database.close()
