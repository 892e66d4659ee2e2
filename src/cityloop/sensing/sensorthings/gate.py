"""Plain observations on their way through the inbox, and the ids that they have afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.columns import F64, I32, I64
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.quarantine import QUARANTINED, Fault
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.sensorthings.errors import Forbidden, NotFound
from cityloop.sensing.sensorthings.ports import FollowedReadings, Streams
from cityloop.wire.odata import ODataError

__all__ = ["Gate", "Outcome", "refused"]

_PATIENCE_S: Final = 30.0
_REASONS: Final = {
    Fault.NOT_A_NUMBER: "the result is no number",
    Fault.OUT_OF_RANGE: "the result is outside of the range that the Datastream declares",
    Fault.FUTURE: "phenomenonTime lies in the future",
    Fault.ANCIENT: "phenomenonTime is too long ago for a clock that was set",
    Fault.UNKNOWN_STREAM: "there is no such Datastream",
    Fault.NOT_OWN_STREAM: "the Datastream belongs to another device",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of rows, in their order."""

    ids: list[str]
    """Empty for a row that was set aside."""

    reasons: dict[int, str]
    """Why a row was set aside, by its place."""


class Gate:
    """Hands plain readings to the inbox."""

    def __init__(self, inbox: Inbox, streams: Streams, readings: FollowedReadings) -> None:
        self._inbox = inbox
        self._streams = streams
        self._readings = readings

    def check_owner(self, streams: Sequence[int], device: str) -> None:
        """Refuse streams that a device may not write."""
        others = self._streams.devices(streams) - {device} if device else set()
        if others:
            wrong = next(s for s in streams if self._streams.device_of(s) != device)
            if not self._streams.exists(wrong):
                raise NotFound(f"there is no Datastream {wrong}")
            raise Forbidden(f"Datastream {wrong} belongs to another device than {device!r}; ask for its token")

    async def submit(self, stream: I32, observed_ms: I64, value: F64, device: str) -> Outcome:
        """Submit rows and wait, without holding up others, until they are durable."""
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[Exception | None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(_tell, durable, error)

        batch = _batch(stream, observed_ms, value)
        taken = self._inbox.submit(batch, device=device, done=done)
        error = await durable
        if error is not None:
            raise error
        return self._outcome(batch, taken)

    def submit_and_wait(self, rows: Sequence[tuple[int, int, float]], device: str) -> Outcome:
        """Submit rows and wait on this thread until they are durable."""
        durable = threading.Event()
        errors: list[Exception] = []

        def done(error: Exception | None) -> None:
            if error is not None:
                errors.append(error)
            durable.set()

        stream, observed, value = zip(*rows, strict=True)
        batch = _batch(np.array(stream, np.int32), np.array(observed, np.int64), np.array(value, np.float64))
        taken = self._inbox.submit(batch, device=device, done=done)
        if not durable.wait(_PATIENCE_S):
            raise CityloopError(f"the log did not answer within {_PATIENCE_S:g} s")
        if errors:
            raise errors[0]
        return self._outcome(batch, taken)

    def streams_changed(self, rows: Sequence[int]) -> None:
        """Let the inbox see ranges and owners that were declared anew."""
        if rows:
            self._inbox.known.refresh(rows)

    def _outcome(self, batch: Batch, taken: Taken) -> Outcome:
        streams, observed = batch.stream.tolist(), batch.observed_at_ms.tolist()
        received = f"-{taken.received_at_ms}"
        ids = [f"{s}-{o}{received}" for s, o in zip(streams, observed, strict=True)]
        reasons: dict[int, str] = {}
        if taken.fault is not None and (taken.quarantined or taken.duplicate):
            fault = taken.fault
            for at in np.flatnonzero(fault & np.uint16(QUARANTINED)).tolist():
                ids[at], reasons[at] = "", _reason(int(fault[at]))
            for at in np.flatnonzero(fault & np.uint16(Fault.DUPLICATE)).tolist():
                if at not in reasons:
                    ids[at] = self._known_id(streams[at], observed[at], float(batch.value[at])) or ids[at]
        return Outcome(ids, reasons)

    def _known_id(self, stream: int, observed_ms: int, value: float) -> str:
        """Return the id of the reading that a doubled one repeats."""
        found = self._readings.history(np.array([stream], np.int32), observed_ms, observed_ms + 1)
        same = np.flatnonzero(found.value == value)
        return f"{stream}-{observed_ms}-{found.received_at_ms[same[0]]}" if len(same) else ""


def _tell(durable: asyncio.Future[Exception | None], error: Exception | None) -> None:
    # Whoever waited may have gone away meanwhile.
    if not durable.done():
        durable.set_result(error)


def refused(outcome: Outcome) -> ODataError | None:
    """Return the error of the first row that was set aside."""
    if not outcome.reasons:
        return None
    return ODataError(f"the Observation was set aside: {next(iter(outcome.reasons.values()))}")


def _reason(fault: int) -> str:
    reasons = [text for bit, text in _REASONS.items() if fault & bit]
    return "; ".join(reasons) or "it cannot be trusted"


def _batch(stream: I32, observed_ms: I64, value: F64) -> Batch:
    # Arrival and quality are set where the batch is judged.
    none = empty_batch()
    return Batch(stream, observed_ms, none.received_at_ms, value, none.quality)
