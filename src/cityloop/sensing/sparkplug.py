"""Sparkplug B nodes: names behind aliases, from births to deaths, and messages to readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cityloop.kernel.readings import Done
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.live import Latest
from cityloop.wire.named import MAX_NAME_BYTES, Gathering
from cityloop.wire.sparkplug import REBIRTH, Payload, decode_payload, decode_topic, encode_rebirth

__all__ = ["Ask", "SparkplugNodes", "SparkplugTopics"]

Ask = Callable[[str, bytes], object]
"""Sends a message to an edge node: topic and payload."""

_MAX_SOURCES = 100_000
_MAX_ALIASES = 2_000_000
"""Of all nodes and devices together."""
_ASK_EVERY_MS = 60_000
_BIRTHS, _DEATHS = ("NBIRTH", "DBIRTH"), ("NDEATH", "DDEATH")


class SparkplugNodes:
    """What births told: a metric's name by its source and alias."""

    def __init__(self) -> None:
        self._names: dict[str, dict[int, str]] = {}
        self._aliases = 0
        self._asked_ms: dict[str, int] = {}
        """When an edge node was last asked for its births, by the topic of its commands."""

    def take(self, topic: str, body: bytes, device: str, inbox: Inbox, done: Done, ask: Ask) -> Taken | None:
        """Take the readings of one message: streams are named ``<group>/<edge>[/<device>]/<metric>``.

        A node whose births were told before this server listened is asked to tell them again.
        """
        told = decode_topic(topic)
        if told.message in _DEATHS:
            self._aliases -= len(self._names.pop(told.source, ()))
            done(None)
            return None
        if told.message not in (*_BIRTHS, "NDATA", "DDATA"):
            done(None)
            return None
        payload = decode_payload(body)
        known = self._names.get(told.source, {})
        if told.message in _BIRTHS:
            known = self._born(told.source, payload)
        gathering = Gathering()
        unborn = False
        for metric in payload.metrics:
            name = metric.name or (known.get(metric.alias, "") if metric.alias is not None else "")
            if not name:
                unborn = True
                gathering.refuse(f"{told.source}/alias {metric.alias}", "the alias was not named by a birth")
            elif metric.value is not None and name not in ("bdSeq", REBIRTH):
                gathering.take(f"{told.source}/{name}", metric.observed_at_ms, metric.value)
        if unborn:
            self._ask_again(told.commands, inbox.now_ms(), ask)
        return inbox.submit_named(gathering.done(), device=device, done=done)

    def _born(self, source: str, payload: Payload) -> dict[int, str]:
        """Remember the names behind a birth's aliases, as long as there is room for them."""
        known = {
            metric.alias: metric.name
            for metric in payload.metrics
            if metric.alias is not None and metric.name and len(metric.name) <= MAX_NAME_BYTES
        }
        aliases = self._aliases + len(known) - len(self._names.pop(source, ()))
        room = len(self._names) < _MAX_SOURCES and aliases <= _MAX_ALIASES and len(source) <= MAX_NAME_BYTES
        if room:
            self._names[source] = known
        self._aliases = aliases if room else aliases - len(known)
        return known

    def _ask_again(self, commands: str, now_ms: int, ask: Ask) -> None:
        """Ask a node for its births, once a minute at most."""
        if now_ms - self._asked_ms.get(commands, -_ASK_EVERY_MS) < _ASK_EVERY_MS:
            return
        if len(commands) <= MAX_NAME_BYTES and (commands in self._asked_ms or len(self._asked_ms) < _MAX_SOURCES):
            self._asked_ms[commands] = now_ms
            ask(commands, encode_rebirth(now_ms))


class SparkplugTopics:
    """``spBv1.0/...`` on the listener, or over a bridge."""

    def __init__(self, inbox: Inbox, nodes: SparkplugNodes, ask: Ask = lambda _topic, _payload: None) -> None:
        self._inbox = inbox
        self._nodes = nodes
        self.ask = ask
        """How edge nodes are reached; set once there is something to reach them by."""

    def asking(self, ask: Ask) -> SparkplugTopics:
        """Return the same, for nodes that are reached in another way."""
        return SparkplugTopics(self._inbox, self._nodes, ask)

    def handles(self, topic: str) -> bool:
        """Return whether a topic is of Sparkplug's namespace."""
        return topic.startswith("spBv1.0/")

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> Taken | None:
        """Take a message."""
        return self._nodes.take(topic, payload, device, self._inbox, done, self.ask)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield nothing."""
        return ()

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()
