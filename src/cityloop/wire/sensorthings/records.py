"""Entities as they are read: values ready for JSON, and what was expanded in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cityloop.wire.sensorthings.model import EntityType

__all__ = ["Page", "Parent", "Record"]


@dataclass(slots=True)
class Record:
    """One entity."""

    entity: EntityType
    id: int | str
    values: dict[str, Any] = field(default_factory=dict)
    """By property name; a JSON value that is kept as text is an ``orjson.Fragment``."""

    expanded: dict[str, Page | Record | None] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """A part of a collection."""

    records: list[Record]
    more: bool = False
    """Whether the collection goes on."""

    count: int | None = None
    """Entities in the whole collection, where it was asked for."""


@dataclass(frozen=True, slots=True)
class Parent:
    """An entity and the link from it that is followed."""

    entity: str
    id: int | str
    link: str
