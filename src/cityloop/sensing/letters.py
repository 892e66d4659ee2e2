"""Dead letters of what was not let in, with one line of reason each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.quarantine import QUARANTINED, DeadLetter, Fault
from cityloop.sensing.known import Known
from cityloop.sensing.quality import Judged
from cityloop.wire.named import INSTANT_RANGE_MS, NO_INSTANT, NamedReadings, RefusedReading

__all__ = ["letters_of_messages", "letters_of_names", "letters_of_rows"]

_LOOKED_FOR = 5
"""Unknown names of a message for which a known one that looks the same is looked for."""


def letters_of_rows(batch: Batch, judged: Judged, writer: I32, known: Known, now_ms: int) -> list[DeadLetter]:
    """Return a letter for each row that was judged out."""
    columns = known.streams.columns()
    letters = []
    for row in np.flatnonzero(judged.fault & np.uint16(QUARANTINED)).tolist():
        fault = Fault(int(judged.fault[row]))
        stream = int(batch.stream[row])
        value = float(batch.value[row])
        found = not fault & Fault.UNKNOWN_STREAM
        name = known.streams.name_of(stream) if found else ""
        why = ""
        if fault & Fault.OUT_OF_RANGE:
            why = f"{value:g} is outside {columns.low[stream]:g} to {columns.high[stream]:g}"
        elif fault & Fault.NOT_A_NUMBER:
            why = f"{value} is no finite number"
        elif fault & Fault.NOT_OWN_STREAM:
            why = "the stream belongs to another device"
        elif fault & Fault.FUTURE:
            at_ms = int(judged.observed_at_ms[row])
            why = f"observed at {_instant(at_ms)}, {(at_ms - now_ms) / 1000:.0f} s ahead of now: set the device's clock"
        elif fault & Fault.ANCIENT:
            why = f"observed at {_instant(int(judged.observed_at_ms[row]))}: a clock that was never set"
        letters.append(
            DeadLetter(
                fault=fault,
                device=known.device_name(int(writer[0] if len(writer) == 1 else writer[row])),
                received_at_ms=now_ms,
                stream=name,
                observed_at_ms=int(judged.observed_at_ms[row]),
                value=value,
                why=why if found else f"row {stream} is no stream",
            )
        )
    return letters


def letters_of_names(
    named: NamedReadings, places: I64, wrong_unit: set[int], known: Known, device: str, now_ms: int
) -> list[DeadLetter]:
    """Return a letter for each reading of an unknown stream or of a unit that cannot be converted."""
    letters: list[DeadLetter] = []
    for place in places.tolist():
        name = named.names[place]
        unit = named.units[place] if named.units is not None else ""
        wrong = place in wrong_unit
        observed = int(named.observed_at_ms[place])
        if wrong:
            why = f"unit {unit!r:.60} is none that {known.unit_of(name)!r:.60}, the stream's own, can be made from"
        else:
            why = f"no stream is named {name!r:.120}"
            alike = known.alike(name) if len(letters) < _LOOKED_FOR else ""
            why += f"; there is {alike!r:.120}, and names are compared to the letter" if alike else ""
        letters.append(
            DeadLetter(
                fault=Fault.WRONG_UNIT if wrong else Fault.UNKNOWN_STREAM,
                device=device,
                received_at_ms=now_ms,
                stream=name,
                observed_at_ms=now_ms if observed == NO_INSTANT else observed,
                value=float(named.value[place]),
                why=why,
            )
        )
    return letters


def letters_of_messages(refused: Sequence[RefusedReading], device: str, now_ms: int) -> list[DeadLetter]:
    """Return a letter for each part of a message that was no reading."""
    return [
        DeadLetter(fault=Fault.UNREADABLE, device=device, received_at_ms=now_ms, stream=part.name, why=part.why)
        for part in refused
    ]


def _instant(at_ms: int) -> str:
    low, high = INSTANT_RANGE_MS
    if not low <= at_ms <= high:
        return f"{at_ms} ms"
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).isoformat(timespec="seconds")
