"""What the edges tell of live state, health, counts and dead letters, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.columns import I32
from cityloop.kernel.quarantine import DeadLetter
from cityloop.sensing.health import health_of, reasons
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.judging import GONE
from cityloop.sensing.live import Feed
from cityloop.sensing.quality import FAULTS
from cityloop.wire.named import WireError

__all__ = ["Views"]


class Views:
    """Answers questions about an inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def rows(self, names: Sequence[str]) -> dict[str, int]:
        """Return the row of each name, -1 where there is no such stream."""
        return dict(zip(names, self._inbox.known.rows_of(list(names)).tolist(), strict=True))

    def live(self, names: Sequence[str] | None) -> list[dict[str, Any]]:
        """Return the newest readings; those of all streams when no names are given."""
        return self._told(self._streams(names))

    def health(self, names: Sequence[str] | None) -> dict[str, Any]:
        """Return counts by reason, and the streams that are named, or those that are not well (at most 1,000)."""
        inbox = self._inbox
        streams = self._streams(names)
        health = health_of(streams, inbox.watch, inbox.live, inbox.now_ms())
        ill = np.flatnonzero(health.fault) if names is None else np.arange(len(streams))
        name_of = inbox.known.streams.name_of
        return {
            "streams": len(streams),
            "healthy": int(np.count_nonzero(health.fault == 0)),
            "by_reason": {
                reasons(fault)[0]: int(np.count_nonzero(health.fault & np.uint16(fault)))
                for fault in FAULTS
                if (health.fault & np.uint16(fault)).any()
            },
            "listed": [
                {
                    "stream": name_of(int(health.stream[row])),
                    "reasons": reasons(int(health.fault[row])),
                    "age_s": None if np.isnan(health.age_s[row]) else round(float(health.age_s[row]), 3),
                    "bad_share": round(float(health.bad_share[row]), 3),
                }
                for row in ill[:1000].tolist()
            ],
        }

    def counts(self) -> dict[str, Any]:
        """Return how many readings came, wait and were held against."""
        inbox = self._inbox
        return {
            "submitted": inbox.submitted_rows,
            "refused": inbox.refused_rows,
            "pending": inbox.pending.rows,
            "letters_not_kept": inbox.letters_not_kept,
            "faults": {
                reasons(fault)[0]: count for fault, count in zip(FAULTS, inbox.watch.counts.tolist(), strict=True)
            },
        }

    def letters(self, after: int, limit: int) -> dict[str, Any]:
        """Return dead letters in order of arrival."""
        store = self._inbox.dead_letters
        if store is None:
            return {"count": 0, "letters": []}
        return {"count": store.count(), "letters": [_letter(found) for found in store.read(after=after, limit=limit)]}

    def feed(self, names: Sequence[str] | None) -> Feed:
        """Return a feed of changes of streams."""
        return self._inbox.live.subscribe(None if names is None else self._streams(names))

    def changes(self, feed: Feed) -> bytes:
        """Return a server-sent event of what changed, empty when nothing did."""
        rows = feed.take()
        return b"event: readings\ndata: " + msgspec.json.encode(self._told(rows)) + b"\n\n" if len(rows) else b""

    def _told(self, streams: I32) -> list[dict[str, Any]]:
        self._inbox.live.grow(self._inbox.watch.streams)
        latest = self._inbox.live.latest(streams)
        name_of = self._inbox.known.streams.name_of
        instants = (latest.observed_at_ms, latest.received_at_ms)
        columns = (latest.stream, latest.value, *instants, latest.quality, latest.fault)
        return [
            {
                "stream": name_of(row),
                "value": value,
                "observed_at_ms": observed,
                "received_at_ms": received,
                "quality": quality,
                "reasons": reasons(fault),
            }
            for row, value, observed, received, quality, fault in zip(*(c.tolist() for c in columns), strict=True)
            if value == value
        ]

    def _streams(self, names: Sequence[str] | None) -> I32:
        self._inbox.known.refresh_if_grown()
        self._inbox.live.grow(self._inbox.watch.streams)
        if names is None:
            watch = self._inbox.watch
            return np.flatnonzero(watch.owner[: watch.streams] != GONE).astype(np.int32)
        rows = self._inbox.known.rows_of(list(names))
        if (rows < 0).any():
            raise WireError(f"no stream is named {names[int(np.argmin(rows))]!r:.120}")
        return rows


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "reasons": reasons(letter.fault),
        "why": letter.why,
        "device": letter.device,
        "stream": letter.stream,
        "received_at_ms": letter.received_at_ms,
        "observed_at_ms": letter.observed_at_ms,
        "value": letter.value if np.isfinite(letter.value) else None,
        "raw": letter.raw[:400].decode("utf-8", "replace"),
    }
