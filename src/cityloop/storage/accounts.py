"""People and their sessions. Passwords are kept as Argon2id, session secrets as SHA-256 only."""

from __future__ import annotations

import hashlib
import json
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cityloop.kernel.errors import InputError
from cityloop.kernel.office import Person, Session
from cityloop.storage.office import OfficeDatabase

__all__ = ["IDLE_MS", "SESSION_MS", "Accounts"]

SESSION_MS = 12 * 3_600_000
"""A session ends after a shift whatever happens."""
IDLE_MS = 2 * 3_600_000
"""A session that was not used for so long has ended."""
_LEAST_PASSWORD = 10
_TOUCH_MS = 60_000
_OUTSIDE = "oidc:"
"""Stands before the mark of an account whose owner an issuer vouches for, in the password's place."""


class Accounts:
    """People, their passwords and sessions."""

    def __init__(self, database: OfficeDatabase, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        # RFC 9106, second recommended choice, with less memory: 64 MiB a sign-in, of which few happen at once.
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def people(self) -> list[Person]:
        """Return everybody, by name."""
        rows = self._database.all("SELECT name, roles, districts, disabled FROM people ORDER BY name")
        return [_person(*row) for row in rows]

    def person(self, name: str) -> Person | None:
        """Return one person."""
        row = self._database.one("SELECT name, roles, districts, disabled FROM people WHERE name=?", (name,))
        return None if row is None else _person(*row)

    def add(self, person: Person, password: str, now_ms: int) -> None:
        """Make an account."""
        _check_name(person.name)
        _check_password(password, person.name)
        if self.person(person.name) is not None:
            raise InputError(f"name: {person.name!r} is taken; give another")
        self._database.run(
            "INSERT INTO people (name, password, roles, districts, made_at_ms) VALUES (?,?,?,?,?)",
            (person.name, self._hasher.hash(password), json.dumps(person.roles), json.dumps(person.districts), now_ms),
        )

    def change(self, person: Person, password: str | None) -> None:
        """Change roles, districts, the password or whether somebody may sign in; every session of theirs ends."""
        if password is not None:
            _check_password(password, person.name)
            self._database.run("UPDATE people SET password=? WHERE name=?", (self._hasher.hash(password), person.name))
        self._database.run(
            "UPDATE people SET roles=?, districts=?, disabled=? WHERE name=?",
            (json.dumps(person.roles), json.dumps(person.districts), int(person.disabled), person.name),
        )
        self._database.run("DELETE FROM sessions WHERE name=?", (person.name,))

    def keep_outside(self, person: Person, mark: str, now_ms: int) -> None:
        """Keep somebody whom an issuer vouched for, with the roles that it gave; refuse a name that is somebody else's.

        ``mark`` stands for the issuer and its subject. Such an account has no password.
        """
        _check_name(person.name)
        row = self._database.one("SELECT password FROM people WHERE name=?", (person.name,))
        if row is None:
            self._database.run(
                "INSERT INTO people (name, password, roles, districts, made_at_ms) VALUES (?,?,?,?,?)",
                (person.name, _OUTSIDE + mark, json.dumps(person.roles), json.dumps(person.districts), now_ms),
            )
            return
        if row[0] != _OUTSIDE + mark:
            owner = "another person of the issuer" if row[0].startswith(_OUTSIDE) else "an account with a password"
            raise InputError(f"name: {person.name!r} belongs to {owner}; an administrator can remove that account")
        known = self.person(person.name)
        assert known is not None
        if known.disabled:
            raise InputError(f"name: the account {person.name!r} is disabled here; ask an administrator")
        if (known.roles, known.districts) != (person.roles, person.districts):
            self.change(person, None)

    def remove(self, name: str) -> bool:
        """Take an account away; tell whether there was one."""
        self._database.run("DELETE FROM sessions WHERE name=?", (name,))
        return self._database.run("DELETE FROM people WHERE name=?", (name,)) > 0

    def check_password(self, name: str, password: str) -> Person | None:
        """Return the person when the password is theirs; takes as long for a name that nobody has."""
        row = self._database.one("SELECT password, disabled FROM people WHERE name=?", (name,))
        # Whom an issuer vouches for has no password: it takes as long to find that out.
        kept = row[0] if row and not row[0].startswith(_OUTSIDE) else self._nobody
        try:
            self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return None
        return None if row is None or row[1] else self.person(name)

    def open_session(self, name: str, now_ms: int) -> tuple[str, Session]:
        """Begin a session; return its secret, which is kept nowhere."""
        secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        session = Session(name=name, csrf=csrf, expires_at_ms=now_ms + SESSION_MS)
        self._database.run("DELETE FROM sessions WHERE expires_at_ms < ?", (now_ms,))
        self._database.run(
            "INSERT INTO sessions VALUES (?,?,?,?,?,?)",
            (_digest(secret), name, csrf, now_ms, now_ms, session.expires_at_ms),
        )
        return secret, session

    def session(self, secret: str, now_ms: int) -> Session | None:
        """Return a live session."""
        digest = _digest(secret)
        row = self._database.one("SELECT name, csrf, seen_at_ms, expires_at_ms FROM sessions WHERE digest=?", (digest,))
        if row is None or now_ms >= row[3] or now_ms - row[2] >= IDLE_MS:
            return None
        if now_ms - row[2] >= _TOUCH_MS:
            self._database.run("UPDATE sessions SET seen_at_ms=? WHERE digest=?", (now_ms, digest))
        return Session(name=row[0], csrf=row[1], expires_at_ms=row[3])

    def close_session(self, secret: str) -> None:
        """End a session."""
        self._database.run("DELETE FROM sessions WHERE digest=?", (_digest(secret),))


def _person(name: str, roles: str, districts: str, disabled: int) -> Person:
    return Person(
        name=name, roles=tuple(json.loads(roles)), districts=tuple(json.loads(districts)), disabled=bool(disabled)
    )


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 64 or not all(c.isalnum() or c in "._-@" for c in name) or name == "token":
        raise InputError(f"name: {name[:64]!r} is no name; give up to 64 letters, digits and . _ - @ (not 'token')")


def _check_password(password: str, name: str) -> None:
    if not _LEAST_PASSWORD <= len(password) <= 256 or password.lower() == name.lower():
        raise InputError(f"password: give {_LEAST_PASSWORD} to 256 characters, and not the name")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
