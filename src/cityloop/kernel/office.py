"""The operations room's values: people, acts in force, changes for two, and what the audit log holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CHANGE_MS", "AuditEntry", "Change", "HeldOrder", "Person", "RungSet", "Session", "Verified"]

CHANGE_MS = 24 * 3_600_000
"""A change that nobody seconds lapses after a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in."""

    name: str
    roles: tuple[str, ...]
    districts: tuple[str, ...]
    """``*`` for all."""
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser."""

    name: str
    csrf: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOrder:
    """An operator's act at one target, in force until it expires or is lifted."""

    id: str
    domain: str
    kind: str
    target: int
    stages: tuple[tuple[int, float], ...]
    by: str
    why: str
    placed_at_ms: int
    expires_at_ms: int
    lifted_at_ms: int | None = None
    lifted_by: str | None = None
    answer: Mapping[str, Any]
    """What the controller said first."""

    def active(self, now_ms: int) -> bool:
        """Whether the order still holds."""
        return self.lifted_at_ms is None and now_ms < self.expires_at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class RungSet:
    """How far a domain is trusted in a district."""

    domain: str
    district: str
    rung: int
    since_ms: int
    by: str
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that takes two people."""

    id: str
    kind: str
    body: Mapping[str, Any]
    why: str
    by: str
    asked_at_ms: int
    expires_at_ms: int
    status: str
    """``waiting``, ``approved``, ``rejected``."""
    second: str | None = None
    settled_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act."""

    seq: int
    at_ms: int
    """Wall clock."""
    who: str
    roles: tuple[str, ...]
    act: str
    """Name of the policy table's row."""
    target: str
    outcome: str
    """``done``, or why not."""
    detail: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole chain found."""

    ok: bool
    entries: int
    head: str
    fault: str = ""
