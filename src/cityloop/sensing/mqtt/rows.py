"""Plain readings of many sessions on their way to the inbox and back as acknowledgements, all by the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.quarantine import QUARANTINED
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Taken
from cityloop.sensing.mqtt.answers import set_aside
from cityloop.sensing.mqtt.broker import Broker
from cityloop.sensing.mqtt.session import Session
from cityloop.sensing.mqtt.sockets import send_each
from cityloop.wire.mqtt.packets import frame, puback
from cityloop.wire.mqtt.properties import PacketError, Reason
from cityloop.wire.mqtt.split import Rows
from cityloop.wire.named import NO_INSTANT

__all__ = ["RowsIn"]

_CROWDED_ROWS = 50_000
"""Readings waiting for their senders' shares, above which nobody but control traffic is read."""


@dataclass(frozen=True, slots=True)
class _Some:
    """Readings and who waits for them."""

    stream: I32
    observed_at_ms: I64
    value: F64
    slot: I32
    serial: I64
    packet_id: I32

    def __len__(self) -> int:
        return len(self.stream)

    def of(self, rows: I64) -> _Some:
        return _Some(
            self.stream[rows],
            self.observed_at_ms[rows],
            self.value[rows],
            self.slot[rows],
            self.serial[rows],
            self.packet_id[rows],
        )


class RowsIn:
    """Submits rows, answers for those that asked, and holds those that are over their sender's share."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.acknowledging = False
        """Whether any reading since this was last set to False asked for an acknowledgement."""
        self._deferred: list[_Some] = []
        self._deferred_rows = 0
        self._packets: list[tuple[Session, int, bytes]] = []
        self.left_out_rows = 0
        """Readings that were dropped: over their share, of QoS 0, on a connection that carries control traffic."""

    def crowded(self) -> bool:
        """Return whether so many rows wait that no more should be read."""
        return self._deferred_rows > _CROWDED_ROWS

    def take(self, rows: Rows, count: int, slots: I32) -> None:
        """Take the rows that a pass found, of pieces of sessions in these slots."""
        by_slot = self._broker.sessions.by_slot
        piece = rows.piece[:count]
        some = _Some(
            rows.stream[:count].copy(),
            rows.observed_at_ms[:count].copy(),
            rows.value[:count].copy(),
            slots[piece],
            self._broker.sessions.serial[slots[piece]],
            rows.packet_id[:count].copy(),
        )
        control = self._broker.inbox.watch.is_control(some.stream)
        if control.any():
            for slot in np.unique(some.slot[control]).tolist():
                session = by_slot[slot]
                if session is not None:
                    session.control = True
        self._submit(some)

    def try_again(self) -> None:
        """Submit once more what was over its sender's share."""
        if not self._deferred and not self._packets:
            return
        by_slot = self._broker.sessions.by_slot
        deferred, self._deferred, self._deferred_rows = self._deferred, [], 0
        packets, self._packets = self._packets, []
        waiting = {int(slot) for some in deferred for slot in np.unique(some.slot)} | {s.slot for s, _, _ in packets}
        since = {slot: session.deferred_since for slot in waiting if (session := by_slot[slot])}
        for slot in since:
            session = by_slot[slot]
            assert session is not None
            session.deferred_since = 0.0
            session.settle()
        for some in deferred:
            alive = self._broker.sessions.serial[some.slot] == some.serial
            self._submit(some.of(np.flatnonzero(alive)))
        for session, head, body in packets:
            if not session.closed:
                try:
                    self._broker.packet(session, head, body)
                except (Overloaded, StoreFull):
                    self._hold_packet(session, head, body)
                except CityloopError as error:
                    reason = error.reason if isinstance(error, PacketError) else Reason.UNSPECIFIED
                    self._broker.leave(session, reason, str(error))
        for slot, was in since.items():
            session = by_slot[slot]
            if session is not None and session.deferred_since and was:
                # Waiting on, not anew: patience ends some time.
                session.deferred_since = was

    def defer_packet(self, session: Session, packet: bytes) -> None:
        """Hold a whole message that was over its sender's share."""
        body = 2
        while packet[body - 1] & 128:
            body += 1
        self._hold_packet(session, packet[0], packet[body:])

    def _hold_packet(self, session: Session, head: int, body: bytes) -> None:
        self._packets.append((session, head, body))
        if not session.deferred_since:
            session.deferred_since = self._broker.now_s
            session.settle()

    def _submit(self, some: _Some) -> None:
        if not len(some):
            return
        broker = self._broker
        none = empty_batch()
        batch = Batch(some.stream, some.observed_at_ms, none.received_at_ms, some.value, none.quality)
        asked = np.flatnonzero(some.packet_id)
        told = some.of(asked) if len(asked) else None
        silent = told is None
        self.acknowledging = self.acknowledging or not silent

        def answer(error: Exception | None) -> None:
            if told is not None:
                self._answer(told, error, aside)

        def done(error: Exception | None) -> None:
            # Answered on the loop, hence after what was refused here is known.
            if not silent:
                broker.call_soon(partial(answer, error))

        aside: dict[int, tuple[Reason, str]] = {}
        devices = broker.sessions.device[some.slot]
        try:
            taken = broker.inbox.submit_mixed(batch, devices, done=done)
        except (Overloaded, StoreFull):
            self._over(some, np.ones(len(some), np.bool_))
            return
        taken_rows = np.arange(len(some)) if taken.refused is None else np.flatnonzero(~taken.refused)
        if told is not None and (taken.refused is not None or taken.letters):
            asked = taken_rows[some.packet_id[taken_rows] > 0]
            told = some.of(asked)
            aside.update(_set_aside(taken, taken_rows, asked))
        if taken.refused is not None:
            self._over(some, taken.refused)

    def _over(self, some: _Some, refused: BOOL) -> None:
        """Tell those who can be told; hold the rest and read no more of their senders; where that may not be, drop."""
        broker, by_slot = self._broker, self._broker.sessions.by_slot
        rows = np.flatnonzero(refused)
        version = broker.sessions.version[some.slot[rows]]
        tell = (some.packet_id[rows] > 0) & (version == 5)
        if tell.any():
            self._send_acks(some.of(rows[tell]), Reason.QUOTA_EXCEEDED)
        rest = some.of(rows[~tell])
        held = np.ones(len(rest), np.bool_)
        for slot in np.unique(rest.slot).tolist():
            session = by_slot[slot]
            if session is None or session.control:
                held &= rest.slot != slot
            elif not session.deferred_since:
                session.deferred_since = broker.now_s
                session.settle()
        self.left_out_rows += int(np.count_nonzero(~held))
        kept = rest.of(np.flatnonzero(held))
        if len(kept):
            undated = kept.observed_at_ms == NO_INSTANT
            kept.observed_at_ms[undated] = broker.inbox.now_ms()
            self._deferred.append(kept)
            self._deferred_rows += len(kept)

    def _answer(self, some: _Some, error: Exception | None, aside: Mapping[int, tuple[Reason, str]]) -> None:
        """Acknowledge rows that are durable; say of others that they are not, where that can be said."""
        if error is None:
            version = self._broker.sessions.version[some.slot]
            apart = [row for row in aside if version[row] == 5]
            for row in apart:
                self._send_acks(some.of(np.array([row])), *aside[row])
            self._send_acks(some.of(np.delete(np.arange(len(some)), apart)) if apart else some, Reason.SUCCESS)
            return
        reason = Reason.QUOTA_EXCEEDED if isinstance(error, StoreFull | Overloaded) else Reason.UNSPECIFIED
        self._send_acks(some.of(np.flatnonzero(self._broker.sessions.version[some.slot] == 5)), reason)

    def _send_acks(self, some: _Some, reason: Reason, why: str = "") -> None:
        """Send acknowledgements, one write a session."""
        if not len(some):
            return
        by_slot, now_s = self._broker.sessions.by_slot, self._broker.now_s
        if reason:
            for slot, serial, packet_id in zip(
                some.slot.tolist(), some.serial.tolist(), some.packet_id.tolist(), strict=True
            ):
                session = by_slot[slot]
                if session is not None and session.serial == serial:
                    words = why if session.explains else ""
                    session.send(puback(session.version, packet_id, reason, words), now_s)
            return
        order = np.argsort(some.slot, kind="stable")
        slots, serials, packet_ids = some.slot[order], some.serial[order], some.packet_id[order]
        acks = np.empty((len(some), 4), np.uint8)
        acks[:, 0], acks[:, 1] = frame(0x40, b"\0\0")[:2]
        acks[:, 2] = packet_ids >> 8
        acks[:, 3] = packet_ids & 255
        data = acks.reshape(-1)
        first = np.flatnonzero(np.r_[True, slots[1:] != slots[:-1]])
        begins, ends = first * 4, np.r_[first[1:], len(slots)] * 4
        table = self._broker.sessions
        slots, alive = slots[first], table.serial[slots[first]] == serials[first]
        plain = np.flatnonzero(alive & table.writes_plainly[slots])
        begins[plain] += np.maximum(send_each(table.fd[slots[plain]], data, begins[plain], ends[plain]), 0)
        # What did not go at once is kept for its turn, and where the client is gone the poll will tell.
        left = np.flatnonzero(alive & (begins < ends))
        for slot, begin, end in zip(slots[left].tolist(), begins[left].tolist(), ends[left].tolist(), strict=True):
            session = by_slot[slot]
            if session is not None:
                session.send(data[begin:end].tobytes(), now_s)


def _set_aside(taken: Taken, rows: I64, asked: I64) -> dict[int, tuple[Reason, str]]:
    """Return what is said of rows that were set aside, by their place among those that asked."""
    if not taken.letters or taken.fault is None:
        return {}
    bad = rows[np.flatnonzero(taken.fault & np.uint16(QUARANTINED))].tolist()
    letter_of = dict(zip(bad, taken.letters, strict=True))
    places = enumerate(asked.tolist())
    return {place: set_aside([letter_of[row]], whole=True) for place, row in places if row in letter_of}
