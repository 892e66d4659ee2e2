"""What the listener does with every packet that is no plain reading: sessions, subscriptions, messages, wills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from cityloop.kernel.errors import CityloopError, InputError
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.live import Feed
from cityloop.sensing.mqtt.answers import outcome
from cityloop.sensing.mqtt.session import MAX_OUT_BYTES, Session, SessionTable, wants_reasons
from cityloop.sensing.mqtt.topics import TopicHandler
from cityloop.wire.mqtt.packets import (
    Connect,
    Kind,
    Publish,
    Reason,
    connack,
    decode_connect,
    decode_disconnect,
    decode_publish,
    decode_subscribe,
    decode_unsubscribe,
    disconnect,
    encode_publish,
    frame,
    puback,
    suback,
    unsuback,
)
from cityloop.wire.mqtt.properties import PacketError, Properties
from cityloop.wire.mqtt.split import ALIASES, TopicTable
from cityloop.wire.mqtt.topics import FilterTree, is_filter, matches

__all__ = ["Authenticate", "Authorise", "Broker", "own_topics"]

Authenticate = Callable[[str, "str | None", "bytes | None", "str | None"], "str | None"]
"""Given client identifier, user, password and the subject of a verified client certificate: the device, empty for an
administrator, None to refuse."""

Authorise = Callable[[str, str, bool], bool]
"""Given device, topic or filter, and whether it writes: whether it may."""

Heard = Callable[[str, bytes, str], None]
"""Told topic, payload and device of a message that the server itself listens for."""

MAX_RETAINED = 10_000
MAX_FILTERS = 100
"""Subscriptions of one client."""
_DEVICES = "devices/"


def own_topics(device: str, topic: str, writes: bool) -> bool:
    """Let a device write readings and its own topics, and read everything but other devices' topics."""
    if not device:
        return True
    if topic.startswith(_DEVICES):
        return topic.split("/")[1] == device
    return writes or topic[:1] not in "+#"


class Broker:
    """Owns subscriptions and retained messages. Runs on the listener's loop alone."""

    def __init__(
        self,
        inbox: Inbox,
        handlers: Sequence[TopicHandler],
        *,
        authenticate: Authenticate,
        authorise: Authorise = own_topics,
        max_packet_bytes: int = 4 << 20,
        max_keep_alive_s: int = 3600,
    ) -> None:
        self.inbox = inbox
        self.topics = TopicTable()
        self.sessions = SessionTable()
        self.max_packet_bytes = max_packet_bytes
        self.dropped_messages = 0
        """Messages not sent because their subscriber reads too slowly."""
        self.refused_logins = 0
        self.now_s = 0.0
        """By the loop's clock; set before packets are handed over."""
        self.call_soon: Callable[[Callable[[], None]], object] = lambda call: call()
        """How other threads reach the loop."""
        self._handlers = tuple(handlers)
        self._authenticate = authenticate
        self._authorise = authorise
        self._max_keep_alive_s = max_keep_alive_s
        self._by_client: dict[str, Session] = {}
        self._filters: FilterTree[Session] = FilterTree()
        self._filter_counts: dict[str, int] = {}
        self._heard: list[tuple[str, Heard]] = []
        self._retained: dict[str, bytes] = {}
        self._feed: Feed | None = None
        self._streams_known = 0
        self.refresh_topics()

    def refresh_topics(self) -> None:
        """Enter the topics of streams that were added."""
        count = len(self.inbox.known.streams)
        if count > self._streams_known:
            rows = range(self._streams_known, count)
            for handler in self._handlers:
                found = list(handler.reading_topics(rows))
                if found:
                    self.topics.add([topic for topic, _ in found], np.array([row for _, row in found], np.int32))
            self._streams_known = count
            self.inbox.known.refresh_if_grown()

    def packet(self, session: Session, head: int, body: bytes) -> None:
        """Answer one packet; raise ``PacketError`` when the connection must be closed for it."""
        kind = head >> 4
        if not session.connected:
            if kind != Kind.CONNECT:
                raise PacketError(f"packet of type {kind} before CONNECT", Reason.PROTOCOL_ERROR)
            self._connect(session, decode_connect(body))
        elif kind == Kind.PUBLISH:
            self._publish(session, decode_publish(head, body, session.version))
        elif kind == Kind.PINGREQ:
            session.send(b"\xd0\x00", self.now_s)
        elif kind == Kind.PUBACK:
            session.in_flight.discard(int.from_bytes(body[:2], "big"))
        elif kind == Kind.SUBSCRIBE:
            self._subscribe(session, head, body)
        elif kind == Kind.UNSUBSCRIBE:
            asked = decode_unsubscribe(head, body, session.version)
            gone = [self._unsubscribe(session, topic_filter) for topic_filter in asked.topic_filters]
            reasons = [Reason.SUCCESS if was else Reason.NO_SUBSCRIPTION for was in gone]
            session.send(unsuback(session.version, asked.packet_id, reasons), self.now_s)
        elif kind == Kind.DISCONNECT:
            if decode_disconnect(body, session.version) != Reason.DISCONNECT_WITH_WILL:
                session.will = None
            self.leave(session)
        else:
            raise PacketError(f"packet of type {kind} is not for a server to take", Reason.PROTOCOL_ERROR)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, device: str = "") -> int:
        """Send a message to those who subscribed to its topic; return how many."""
        if retain:
            if payload and (topic in self._retained or len(self._retained) < MAX_RETAINED):
                self._retained[topic] = payload
            elif not payload:
                self._retained.pop(topic, None)
        for wanted, heard in self._heard:
            if matches(wanted, topic):
                heard(topic, payload, device)
        found = self._filters.find(topic)
        for session, granted in found.items():
            self._send(session, topic, payload, min(qos, granted), retain=False)
        return len(found)

    def listen(self, topic_filter: str, heard: Heard) -> None:
        """Call back on the loop for every message that matches."""
        self._heard.append((topic_filter, heard))

    def tell_changes(self) -> None:
        """Tell subscribers the newest readings of streams that changed since the last call."""
        if self._feed is None:
            return
        rows = self._feed.take()
        if not len(rows):
            return
        latest = self.inbox.live.latest(rows)
        for handler in self._handlers:
            for topic, payload in handler.changed(latest):
                for session, granted in self._filters.find(topic).items():
                    self._send(session, topic, payload, granted, retain=False)

    def leave(self, session: Session, reason: Reason = Reason.SUCCESS, why: str = "") -> None:
        """Close a session, saying why; its will is published unless it said goodbye."""
        if session.closed:
            return
        if session.connected and reason:
            session.send(disconnect(session.version, reason, why), self.now_s)
        for topic_filter in tuple(session.filters):
            self._unsubscribe(session, topic_filter)
        if self._by_client.get(session.client_id) is session:
            del self._by_client[session.client_id]
        session.close()
        if session.will is not None:
            will, session.will = session.will, None
            self.publish(will.topic, will.payload, qos=will.qos, retain=will.retain, device=session.name)

    def _connect(self, session: Session, packet: Connect) -> None:
        session.version = version = packet.version
        if not packet.client_id and version == 4 and not packet.clean:
            self._turn_away(session, Reason.CLIENT_ID_INVALID)
            return
        device = self._authenticate(packet.client_id, packet.user, packet.password, session.tls_subject())
        if device is None:
            self.refused_logins += 1
            self._turn_away(session, Reason.BAD_CREDENTIALS if packet.user else Reason.NOT_AUTHORISED)
            return
        if packet.will is not None and not self._may_write(device, packet.will.topic):
            self._turn_away(session, Reason.NOT_AUTHORISED)
            return
        # Two devices that call themselves the same must not put one another out.
        session.client_id = f"{device}\0{packet.client_id}" if packet.client_id else f"\0{session.serial}"
        other = self._by_client.get(session.client_id)
        if other is not None:
            self.leave(other, Reason.TAKEN_OVER, "the same client connected again")
        self._by_client[session.client_id] = session
        session.name, session.device = device, self.inbox.known.device(device)
        session.will = packet.will
        session.connected = True
        session.explains = wants_reasons(packet)
        table, slot = self.sessions, session.slot
        table.version[slot] = version
        table.device[slot] = session.device
        keep_alive_s = packet.keep_alive_s
        properties: Properties = {}
        if version == 5:
            properties = {0x24: 1, 0x27: self.max_packet_bytes, 0x22: ALIASES, 0x29: 0, 0x2A: 0, 0x11: 0}
            if not packet.client_id:
                properties[0x12] = f"client-{session.serial}"
            if not 0 < keep_alive_s <= self._max_keep_alive_s:
                keep_alive_s = properties[0x13] = self._max_keep_alive_s
        if keep_alive_s:
            table.patience_ms[slot] = keep_alive_s * 1500
        else:
            table.patience_ms[slot] = 2**62
        session.send(connack(version, 0, session_present=False, properties=properties), self.now_s)

    def _turn_away(self, session: Session, reason: Reason) -> None:
        session.send(connack(session.version, reason, session_present=False), self.now_s)
        self.leave(session)

    def _publish(self, session: Session, packet: Publish) -> None:
        topic = self._topic(session, packet)
        handler = next((found for found in self._handlers if found.handles(topic)), None)
        allowed = self._authorise(session.name, topic, True)
        if not allowed or (handler is None and not self._may_write(session.name, topic)):
            why = f"{session.name or 'an administrator'} may not publish to {topic!r:.80}"
            self._acknowledge(session, packet, Reason.NOT_AUTHORISED, why)
            return
        if handler is None:
            self.publish(topic, packet.payload, qos=packet.qos, retain=packet.retain, device=session.name)
            self._acknowledge(session, packet, Reason.SUCCESS)
            return
        taken: Taken | None = None

        def answer(error: Exception | None) -> None:
            if isinstance(error, InputError):
                # Only the sender of a QoS 1 message of 5.0 can be told, so what was said is kept for a person to read.
                self.inbox.set_aside(packet.payload, f"{topic}: {error}", device=session.name)
            said = outcome(session.version, error, taken)
            if said is not None:
                self._acknowledge(session, packet, *said)

        def done(error: Exception | None) -> None:
            # Answered on the loop, hence after what was taken is known.
            if packet.qos or isinstance(error, InputError):
                self.call_soon(partial(answer, error))

        try:
            taken = handler.publish(topic, packet.payload, session.name, done)
        except (Overloaded, StoreFull) as error:
            if session.version != 5 or not packet.qos:
                raise
            answer(error)
        except InputError as error:
            answer(error)

    def _topic(self, session: Session, packet: Publish) -> str:
        alias = packet.properties.get(0x23)
        if alias is None:
            return packet.topic
        assert isinstance(alias, int)
        if not 0 < alias <= ALIASES:
            raise PacketError(f"topic alias {alias}, must be 1 to {ALIASES}", Reason.TOPIC_ALIAS_INVALID)
        if packet.topic:
            session.aliases[alias] = packet.topic
            self.sessions.alias_row[session.slot, alias] = self.topics.row_of(packet.topic.encode())
            return packet.topic
        # The alias may have been set where plain readings are split off: then its row is known there.
        row = int(self.sessions.alias_row[session.slot, alias])
        if row >= 0:
            for handler in self._handlers:
                for topic, _ in handler.reading_topics([row]):
                    return topic.decode()
        if alias not in session.aliases:
            raise PacketError(f"topic alias {alias} was never set", Reason.PROTOCOL_ERROR)
        return session.aliases[alias]

    def _may_write(self, device: str, topic: str) -> bool:
        """Return whether a device may write where no handler is: below its own name, an administrator anywhere."""
        if "+" in topic or "#" in topic or not topic:
            return False
        return self._authorise(device, topic, True) and (not device or topic.startswith(_DEVICES))

    def _acknowledge(self, session: Session, packet: Publish, reason: Reason, why: str = "") -> None:
        if packet.qos and not session.closed:
            why = why if session.explains else ""
            session.send(puback(session.version, packet.packet_id, reason, why), self.now_s)

    def _subscribe(self, session: Session, head: int, body: bytes) -> None:
        asked = decode_subscribe(head, body, session.version)
        reasons: list[int] = []
        fresh = []
        for wanted in asked.subscriptions:
            if not is_filter(wanted.topic_filter) or wanted.topic_filter.startswith("$share/"):
                reasons.append(Reason.FILTER_INVALID)
            elif not self._authorise(session.name, wanted.topic_filter, False):
                reasons.append(Reason.NOT_AUTHORISED)
            elif len(session.filters) >= MAX_FILTERS and wanted.topic_filter not in session.filters:
                reasons.append(Reason.QUOTA_EXCEEDED)
            else:
                qos = min(wanted.qos, 1)
                new = self._filters.add(wanted.topic_filter, session, qos)
                if new:
                    session.filters.add(wanted.topic_filter)
                    self._count(wanted.topic_filter, 1)
                # Handlers note the subscription now: what happens after the SUBACK must reach the subscriber.
                said = [handler.retained(wanted.topic_filter) for handler in self._handlers]
                if wanted.retain_handling == 0 or (wanted.retain_handling == 1 and new):
                    fresh.append((wanted.topic_filter, qos, said))
                reasons.append(qos)
        session.send(suback(session.version, asked.packet_id, reasons), self.now_s)
        for topic_filter, qos, said in fresh:
            session.send_later(self._retained_packets(session, topic_filter, qos, said), self.now_s)

    def _unsubscribe(self, session: Session, topic_filter: str) -> bool:
        if topic_filter not in session.filters:
            return False
        session.filters.discard(topic_filter)
        self._filters.remove(topic_filter, session)
        self._count(topic_filter, -1)
        return True

    def _count(self, topic_filter: str, step: int) -> None:
        """Keep the feed to the streams that somebody asked for."""
        count = self._filter_counts.get(topic_filter, 0) + step
        if count:
            self._filter_counts[topic_filter] = count
        else:
            del self._filter_counts[topic_filter]
        if count > 1 or (count == 1 and step < 0):
            return
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        rows: list[int] = []
        for wanted in self._filter_counts:
            row = self.topics.row_of(wanted.encode())
            if row >= 0:
                rows.append(row)
            elif any(handler.handles(wanted) for handler in self._handlers) or wanted[:1] in "+#":
                self._feed = self.inbox.live.subscribe()
                return
        if rows:
            self._feed = self.inbox.live.subscribe(np.array(rows, np.int32))

    def _retained_packets(
        self, session: Session, topic_filter: str, qos: int, said: Sequence[Iterable[tuple[str, bytes]]]
    ) -> Iterator[bytes]:
        kept = [(topic, payload) for topic, payload in self._retained.items() if matches(topic_filter, topic)]
        for messages in (kept, *said):
            for topic, payload in messages:
                packet_id = session.take_id() if qos and len(session.in_flight) < 1000 else 0
                granted = 1 if packet_id else 0
                packet = Publish(topic=topic, payload=payload, qos=granted, retain=True, packet_id=packet_id)
                yield encode_publish(packet, session.version)

    def _send(self, session: Session, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        if len(session.out) + len(payload) > MAX_OUT_BYTES or len(session.in_flight) >= 1000:
            self.dropped_messages += 1
            return
        if not qos:
            # The packet of QoS 0 by hand: a subscriber to everything costs little more than the bytes.
            name = topic.encode()
            head = len(name).to_bytes(2, "big") + name
            session.send(frame(0x30 | retain, head + (b"\0" if session.version == 5 else b"") + payload), self.now_s)
            return
        packet = Publish(topic=topic, payload=payload, qos=1, retain=retain, packet_id=session.take_id())
        session.send(encode_publish(packet, session.version), self.now_s)


def describe(error: CityloopError) -> tuple[Reason, str]:
    """Return what a client is told when its connection is closed for an error."""
    return (error.reason if isinstance(error, PacketError) else Reason.UNSPECIFIED), str(error)
