"""Sparkplug B nodes: names behind aliases, from births to deaths, and messages to readings."""

from __future__ import annotations

from collections.abc import Iterable

from cityloop.kernel.readings import Done
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.live import Latest
from cityloop.wire.named import Gathering
from cityloop.wire.sparkplug import decode_payload, decode_topic

__all__ = ["SparkplugNodes", "SparkplugTopics"]

_MAX_SOURCES = 100_000
_BIRTHS, _DEATHS = ("NBIRTH", "DBIRTH"), ("NDEATH", "DDEATH")


class SparkplugNodes:
    """What births told: a metric's name by its source and alias."""

    def __init__(self) -> None:
        self._names: dict[str, dict[int, str]] = {}

    def take(self, topic: str, body: bytes, device: str, inbox: Inbox, done: Done) -> Taken | None:
        """Take the readings of one message: streams are named ``<group>/<edge>[/<device>]/<metric>``."""
        told = decode_topic(topic)
        if told.message in _DEATHS:
            self._names.pop(told.source, None)
            done(None)
            return None
        if told.message not in (*_BIRTHS, "NDATA", "DDATA"):
            done(None)
            return None
        payload = decode_payload(body)
        known = self._names.get(told.source, {})
        if told.message in _BIRTHS and len(self._names) < _MAX_SOURCES:
            named = [metric for metric in payload.metrics if metric.alias is not None and metric.name]
            known = {metric.alias: metric.name for metric in named if metric.alias is not None}
            self._names[told.source] = known
        gathering = Gathering()
        for metric in payload.metrics:
            name = metric.name or (known.get(metric.alias, "") if metric.alias is not None else "")
            if not name:
                gathering.refuse(f"{told.source}/alias {metric.alias}", "the alias was not named by a birth")
            elif metric.value is not None and name not in ("bdSeq", "Node Control/Rebirth"):
                gathering.take(f"{told.source}/{name}", metric.observed_at_ms, metric.value)
        return inbox.submit_named(gathering.done(), device=device, done=done)


class SparkplugTopics:
    """``spBv1.0/...`` on the listener."""

    def __init__(self, inbox: Inbox, nodes: SparkplugNodes) -> None:
        self._inbox = inbox
        self._nodes = nodes

    def handles(self, topic: str) -> bool:
        """Return whether a topic is of Sparkplug's namespace."""
        return topic.startswith("spBv1.0/")

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> Taken | None:
        """Take a message."""
        return self._nodes.take(topic, payload, device, self._inbox, done)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield nothing."""
        return ()

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()
