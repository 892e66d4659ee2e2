"""People, acts in force and alerts: kept, and there again after a crash."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from argon2 import PasswordHasher

from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.office import Change, HeldOrder, Person, RungSet
from cityloop.storage.accounts import IDLE_MS, SESSION_MS, Accounts
from cityloop.storage.alerts import AlertStore
from cityloop.storage.holds import Holds
from cityloop.storage.office import OfficeDatabase

NOW_MS = 1_000_000
ANNA = Person(name="anna", roles=("operator",), districts=("north",))


@pytest.fixture
def database(tmp_path: Path) -> OfficeDatabase:
    return OfficeDatabase(tmp_path)


@pytest.fixture
def accounts(database: OfficeDatabase) -> Accounts:
    return Accounts(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def order(**more: object) -> HeldOrder:
    fields: dict[str, object] = {
        "id": "", "domain": "signals", "kind": "hold", "target": 3, "stages": ((1, 0.0),), "by": "anna", "why": "",
        "placed_at_ms": NOW_MS, "expires_at_ms": NOW_MS + 60_000, "answer": {},
    }  # fmt: skip
    return HeldOrder(**{**fields, **more})  # type: ignore[arg-type]


def test_passwords_are_kept_as_argon2id(database: OfficeDatabase) -> None:
    """By default with 64 MiB and three passes; the password itself is nowhere."""
    Accounts(database).add(ANNA, "a long password", NOW_MS)
    row = database.one("SELECT password FROM people")
    assert row is not None
    assert row[0].startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_only_the_right_password_lets_in(accounts: Accounts) -> None:
    """A wrong one and an unknown name are alike."""
    accounts.add(ANNA, "a long password", NOW_MS)
    assert accounts.check_password("anna", "a long password") == ANNA
    assert accounts.check_password("anna", "another password") is None
    assert accounts.check_password("otto", "a long password") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "short"), ("", "a long password"), ("token", "a long password"), ("a b", "a long password"),
     ("administrator", "Administrator"), ("<script>", "a long password")],
)  # fmt: skip
def test_bad_names_and_passwords_are_refused(accounts: Accounts, name: str, password: str) -> None:
    """Told in a line that begins with the key."""
    with pytest.raises(InputError, match=r"^(name|password): "):
        accounts.add(Person(name=name, roles=("viewer",), districts=("*",)), password, NOW_MS)


def test_a_session_ends_by_age_and_by_rest(accounts: Accounts, database: OfficeDatabase) -> None:
    """It is known by its secret, of which only a digest is kept."""
    secret, session = accounts.open_session("anna", NOW_MS)
    assert accounts.session(secret, NOW_MS) == session
    assert accounts.session(secret + "x", NOW_MS) is None
    assert accounts.session(secret, NOW_MS + IDLE_MS) is None
    for passed_ms in range(IDLE_MS // 2, SESSION_MS, IDLE_MS // 2):
        assert accounts.session(secret, NOW_MS + passed_ms) is not None
    assert accounts.session(secret, NOW_MS + SESSION_MS) is None
    assert all(secret not in str(row) for row in database.all("SELECT * FROM sessions"))


def test_acts_in_force_are_there_after_a_crash(tmp_path: Path, database: OfficeDatabase) -> None:
    """Opened anew without having been closed: holds, rungs and waiting changes are as they were."""
    holds = Holds(database)
    kept = holds.place(order())
    rung = RungSet(domain="signals", district="north", rung=2, since_ms=NOW_MS, by="eva", expires_at_ms=None)
    holds.set_rung(rung)
    again = Holds(OfficeDatabase(tmp_path))
    assert again.orders(now_ms=NOW_MS + 59_999) == [kept]
    assert again.orders(now_ms=NOW_MS + 60_000) == []
    assert again.rungs() == [rung]


def test_a_change_is_settled_once(database: OfficeDatabase) -> None:
    """Two people who press at once do not both do it."""
    holds = Holds(database)
    change = holds.ask(
        Change(id="", kind="ladder", body={}, why="", by="eva", asked_at_ms=0, expires_at_ms=10, status="")
    )
    assert holds.settle(change.id, "approved", "otto", 5)
    assert not holds.settle(change.id, "approved", "anna", 5)
    lapsed = holds.ask(
        Change(id="", kind="ladder", body={}, why="", by="eva", asked_at_ms=0, expires_at_ms=10, status="")
    )
    assert not holds.settle(lapsed.id, "approved", "otto", 10)


def test_a_flood_is_one_alert(database: OfficeDatabase) -> None:
    """The same cause counts up until somebody settles it; then it is a new one."""
    alerts = AlertStore(database)
    fields = {"kind": "detector silent", "severity": 2, "text": "silent", "place": {}, "places": [1]}
    first, new = alerts.sound("k", NOW_MS, fields)
    assert new
    for number in range(50):
        again, new = alerts.sound("k", NOW_MS + number, {**fields, "places": [number]})
        assert not new
    assert (again["id"], again["count"]) == (first["id"], 51)
    alerts.change(first["id"], status="resolved")
    assert alerts.sound("k", NOW_MS, fields)[1]


def test_what_nobody_acknowledges_is_escalated_once(database: OfficeDatabase) -> None:
    """After a quarter of an hour at severity 2."""
    alerts = AlertStore(database)
    alerts.sound("k", NOW_MS, {"kind": "k", "severity": 2, "text": "t", "place": {}})
    assert alerts.escalate(NOW_MS + 899_999) == []
    assert len(alerts.escalate(NOW_MS + 900_000)) == 1
    assert alerts.escalate(NOW_MS + 900_001) == []


def test_another_releases_database_is_refused_untouched(tmp_path: Path) -> None:
    """A format of the future is told, not opened."""
    OfficeDatabase(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / "office.sqlite"))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="format 99"):
        OfficeDatabase(tmp_path)
