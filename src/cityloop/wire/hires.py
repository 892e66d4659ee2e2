"""High-resolution events of signal controllers as readings, from the CSV that ATSPM systems exchange.

Columns: ``SignalID, Timestamp, EventCode, EventParam`` (other spellings of the usual kind are understood). Events that
tell a state become readings of that state: ``<signal>/detector/<n>`` (1 on, 0 off), ``/button/<n>``, ``/phase/<n>``
(0 red, 1 green, 2 yellow, 3 red clearance), ``/walk/<n>`` (0 don't walk, 1 walk, 2 clearance), ``/overlap/<n>`` and
``/pattern``. Any other event is kept as ``<signal>/event/<code>`` with its parameter as the value.

References
----------
.. [1] Sturdevant, J. R. et al. (2012). Indiana Traffic Signal Hi Resolution Data Logger Enumerations. Purdue
   University. doi:10.4231/K4RN35SH
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, tzinfo

from cityloop.wire.named import Gathering, NamedReadings, WireError

__all__ = ["decode_hires"]

_STATES: dict[int, tuple[str, float]] = {
    1: ("phase", 1), 8: ("phase", 2), 10: ("phase", 3), 11: ("phase", 0),
    21: ("walk", 1), 22: ("walk", 2), 23: ("walk", 0),
    61: ("overlap", 1), 63: ("overlap", 2), 64: ("overlap", 3), 65: ("overlap", 0),
    81: ("detector", 0), 82: ("detector", 1),
    89: ("button", 0), 90: ("button", 1),
}  # fmt: skip
_PATTERN = 131
_HEADER = {
    "signalid": 0, "signal_id": 0, "deviceid": 0, "locationidentifier": 0,
    "timestamp": 1, "time": 1,
    "eventcode": 2, "eventcodeid": 2, "event_code": 2, "eventid": 2,
    "eventparam": 3, "event_param": 3, "parameter": 3,
}  # fmt: skip
_MAX_EVENTS = 1_000_000


def decode_hires(body: bytes, zone: tzinfo) -> NamedReadings:
    """Return the readings of an event log.

    Parameters
    ----------
    zone
        Of timestamps that name none. An hour that a clock change gives twice is read as its first.
    """
    try:
        rows = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        order = _order(next(rows, []))
        gathering = Gathering()
        for line, row in enumerate(rows, start=2):
            if not row:
                continue
            if line > _MAX_EVENTS:
                raise WireError(f"more than {_MAX_EVENTS} events in one message")
            _take(gathering, [row[place].strip() if place < len(row) else "" for place in order], line, zone)
    except (csv.Error, UnicodeDecodeError) as error:
        raise WireError(f"not an event log: {error}") from error
    return gathering.done()


def _order(header: list[str]) -> list[int]:
    found = {_HEADER[name]: place for place, text in enumerate(header) if (name := text.strip().lower()) in _HEADER}
    if len(found) != 4:
        raise WireError("line 1 must name SignalID, Timestamp, EventCode and EventParam")
    return [found[column] for column in range(4)]


def _take(gathering: Gathering, row: list[str], line: int, zone: tzinfo) -> None:
    signal, stamp, code_text, param_text = row
    try:
        code, param = int(code_text), int(param_text)
        moment = datetime.fromisoformat(stamp)
        at_ms = round(moment.replace(tzinfo=moment.tzinfo or zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        gathering.refuse(signal, f"line {line} is no event: {','.join(row)[:80]!r}")
        return
    if not signal or not 0 <= code <= 65_535 or not 0 <= param <= 65_535:
        gathering.refuse(signal, f"line {line}: signal, code or parameter is missing or out of range")
    elif code in _STATES:
        what, value = _STATES[code]
        gathering.take(f"{signal}/{what}/{param}", at_ms, value)
    elif code == _PATTERN:
        gathering.take(f"{signal}/pattern", at_ms, float(param))
    else:
        gathering.take(f"{signal}/event/{code}", at_ms, float(param))
