"""Topic filters: what they may be, and which topics they match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["FilterTree", "is_filter", "matches"]

T = TypeVar("T")

_MAX_LEVELS = 32


def is_filter(topic_filter: str) -> bool:
    """Return whether a filter is well formed: wildcards stand alone in a level, and ``#`` last."""
    levels = topic_filter.split("/")
    if not topic_filter or len(levels) > _MAX_LEVELS:
        return False
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):
            return False
        if "+" in level and level != "+":
            return False
    return True


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic is among those that a filter asks for; topics that begin with $ need it said."""
    if topic.startswith("$") and topic_filter[:1] in "+#":
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or (level not in ("+", given[place])):
            return False
    return len(wanted) == len(given)


class FilterTree(Generic[T]):
    """Who asked for which filters, found by topic without trying every filter."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, topic_filter: str, who: T, qos: int) -> bool:
        """Enter a subscription; return whether it is new."""
        node = self._root
        for level in topic_filter.split("/"):
            node = node.below.setdefault(level, _Node())
        new = who not in node.here
        node.here[who] = qos
        return new

    def remove(self, topic_filter: str, who: T) -> bool:
        """Give a subscription up; return whether there was one."""
        path = [self._root]
        levels = topic_filter.split("/")
        for level in levels:
            if level not in path[-1].below:
                return False
            path.append(path[-1].below[level])
        found = path[-1].here.pop(who, None) is not None
        for node, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            child = node.below[level]
            if not child.here and not child.below:
                del node.below[level]
        return found

    def find(self, topic: str) -> dict[T, int]:
        """Return everyone who asked for a topic, with the highest QoS granted."""
        found: dict[T, int] = {}
        levels = topic.split("/")
        for node in self._walk(self._root, levels, 0, hidden=topic.startswith("$")):
            for who, qos in node.here.items():
                found[who] = max(qos, found.get(who, 0))
        return found

    def __bool__(self) -> bool:
        """Return whether anybody asked for anything."""
        return bool(self._root.below)

    def _walk(self, node: _Node[T], levels: list[str], place: int, *, hidden: bool) -> Iterator[_Node[T]]:
        wild = not (hidden and place == 0)
        if wild and "#" in node.below:
            yield node.below["#"]
        if place == len(levels):
            yield node
            return
        if levels[place] in node.below:
            yield from self._walk(node.below[levels[place]], levels, place + 1, hidden=hidden)
        if wild and "+" in node.below:
            yield from self._walk(node.below["+"], levels, place + 1, hidden=hidden)


class _Node(Generic[T]):
    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.below: dict[str, _Node[T]] = {}
        self.here: dict[T, int] = {}
