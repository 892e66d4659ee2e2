"""The newest picture of the city, made into frames once for everybody who watches."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import msgspec
import numpy as np

from cityloop.kernel.columns import F64, U8
from cityloop.wire.frame import Box, Kind, Section, encode_frame, pack_nibbles
from cityloop.wire.live import Tick

__all__ = ["ALL_SECTIONS", "Board", "sections_of"]

ALL_SECTIONS = frozenset(kind for kind in Kind if kind is not Kind.SENSORS)
_KEPT_FRAMES = 64
_FULL_BYTES = 18_000


def sections_of(tick: Tick, pace_links: int) -> dict[tuple[Kind, int], Section]:
    """Return the sections of a step, by kind and flags."""
    arrays, shown = tick.arrays, tick.shown
    found: dict[tuple[Kind, int], Section] = {}

    def put(kind: Kind, row_bytes: int, payload: bytes, flags: int = 0, rows: int | None = None) -> None:
        count = len(payload) // row_bytes if rows is None else rows
        found[kind, flags] = Section(kind, row_bytes, count, payload, flags)

    if "vehicles" in shown:
        put(Kind.VEHICLES, 6, shown["vehicles"], 1)
    lamps = arrays.get("lamps_packed")
    if lamps is None and "lamps" in arrays:
        lamps = pack_nibbles(np.frombuffer(arrays["lamps"], np.uint8))
    if lamps is not None:
        put(Kind.LAMPS, 1, lamps, 0, pace_links)
    if "stage" in arrays:
        put(Kind.JUNCTIONS, 4, b"".join(arrays[name] for name in ("stage", "state", "stage_s", "red_s")))
    if "standing" in arrays:
        put(Kind.QUEUES, 4, b"".join(arrays[name] for name in ("standing", "seen", "age_ds", "left")))
    if "edges" in arrays:
        put(Kind.EDGES, 1, arrays["edges"])
    if "edges_truth" in shown:
        put(Kind.EDGES, 1, shown["edges_truth"], 1)
    # Tracks are shown and never recorded.
    for kind, name in ((Kind.UNITS, "units"), (Kind.TRUCKS, "trucks"), (Kind.CONTAINERS, "containers")):
        if name in shown:
            put(kind, 1 if kind is Kind.CONTAINERS else 6, shown[name])
    return found


class Board:
    """Holds the newest step and who waits for the next; lives in the server's event loop."""

    def __init__(self, box: Box, links: int, pace: float) -> None:
        self.box, self.links, self.pace = box, links, pace
        self.tick: Tick | None = None
        self.closed = False
        self.began_ms: int | None = None
        self.watchers = 0
        self.worst_late_ms = 0.0
        self.late_ticks = 0
        self.ticks = 0
        self.fault = ""
        """Why the city does not run at the moment."""
        self.views: dict[str, bytes] = {}
        """What services published last, packed, by domain."""
        self.views_at_ms = 0
        self._sections: dict[tuple[Kind, int], Section] = {}
        self._since: dict[tuple[Kind, int], int] = {}
        self._frames: OrderedDict[tuple[int, int, frozenset[Kind]], bytes] = OrderedDict()
        self._news = asyncio.Event()
        self._heard_s = 0.0
        self._truth: dict[str, bytes] = {}

    @property
    def number(self) -> int:
        """Number of the newest frame; 0 before the first."""
        return 0 if self.tick is None else self._number

    _number = 0

    def publish(self, tick: Tick) -> None:
        """Take the newest step and wake everybody who waits."""
        if tick.shown:
            self._truth = tick.shown
        elif tick.at_once:
            # Between two steps nobody moved: what the map shows stays.
            tick = _with_shown(tick, self._truth)
        before, after = self._sections, sections_of(tick, self.links)
        self._number += 1
        self._since.update({key: self._number for key, one in after.items() if before.get(key) != one})
        self._sections, self.tick = after, tick
        views = getattr(tick, "views", None)
        if views:
            self.views, self.views_at_ms = dict(views), tick.at_ms
        self._heard_s = time.monotonic()
        self.fault = ""
        if not tick.at_once:
            self.ticks += 1
            self.worst_late_ms = max(self.worst_late_ms, tick.late_ms)
            self.late_ticks += tick.late_ms > 100.0
        self._news.set()
        self._news = asyncio.Event()

    def now_ms(self) -> int:
        """Return the city's clock: the newest step, carried on by at most two steps of its pace."""
        if self.tick is None:
            return time.time_ns() // 1_000_000 if self.began_ms is None else self.began_ms
        since_ms = (time.monotonic() - self._heard_s) * 1000.0 * self.pace
        return self.tick.at_ms + int(min(since_ms, 2000.0))

    def silent_s(self) -> float:
        """Return for how long nothing was heard of the running city. [s]"""
        return time.monotonic() - self._heard_s if self.tick is not None else float("inf")

    async def later_than(self, number: int, timeout_s: float) -> bool:
        """Wait for a frame after the one numbered; False when none came in time."""
        if self._number > number:
            return True
        if self.closed:
            # Not at once: whoever asks again and again would keep the loop from ending.
            await asyncio.sleep(0.05)
            return False
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let whoever waits for a frame go: none comes any more."""
        self.closed = True
        self._news.set()

    def frame(self, last: int, want: frozenset[Kind]) -> bytes:
        """Return what changed for a client that has the frame numbered ``last``; everything where that is 0."""
        last = max(last, 0)
        key = (self._number, last, want)
        made = self._frames.get(key)
        if made is None and self.tick is not None:
            keys = [one for one in sorted(self._sections) if one[0] in want and self._since[one] > last]
            size = sum(len(self._sections[one].payload) for one in keys)
            if last == 0 and size > _FULL_BYTES:
                # A frame stays under its bound: vehicles move, and come with the next one anyway.
                keys = [one for one in keys if one[0] is not Kind.VEHICLES]
            chosen = [self._sections[one] for one in keys]
            made = encode_frame(
                self._number, self.tick.at_ms, self.pace, chosen, full=last == 0, unplugged=self.tick.unplugged
            )
            self._frames[key] = made
            while len(self._frames) > _KEPT_FRAMES:
                self._frames.popitem(last=False)
        return made or b""

    def column(self, name: str) -> U8:
        """Return a recorded column of the newest step; empty where there is none."""
        raw = b"" if self.tick is None else self.tick.arrays.get(name, b"")
        return np.frombuffer(raw, np.uint8)

    def delay(self) -> F64:
        """Return the delay that grows at each junction. [veh]"""
        raw = b"" if self.tick is None else self.tick.arrays.get("delay_f32", b"")
        return np.frombuffer(raw, np.float32).astype(np.float64)


def _with_shown(tick: Tick, shown: dict[str, bytes]) -> Tick:
    return msgspec.structs.replace(tick, shown=shown)
