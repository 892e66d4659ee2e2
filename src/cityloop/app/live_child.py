"""The process that leads a live city beside a server: ``python -m cityloop.app.live_child FD LINK_FD``.

Holds the loop, the brain and the journal, as ``twin_child`` does for a twin; the field is reached through the server,
which has the inbox. It ends when the server is gone; the field then minds itself.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from cityloop.app.child import ChildSpec, serve_child
from cityloop.app.live_forecasts import forecasts_of
from cityloop.app.live_picture import LivePicture
from cityloop.app.live_pipe import PipeLink
from cityloop.app.live_run import aligned_ms, warm_up
from cityloop.app.live_views import packed_views
from cityloop.app.planner import planned
from cityloop.app.twin_child import Steers
from cityloop.cities.live.city import LiveCity, LiveParams
from cityloop.cities.live.folder import read_live_case
from cityloop.engine.paced import PacedEngine, PaceParams, Steered
from cityloop.engine.pipe import Pipe
from cityloop.kernel.ports import City
from cityloop.storage.trace_log import TraceReader, TraceWriter
from cityloop.wire.live import Began, Steering, Stop, decode_down, encode

__all__: list[str] = []

_SYNC_EVERY_S = 1.0
_DAY_MS = 86_400_000
_LONGEST_LAG_MS = 3000


def main() -> int:
    """Lead the field until the server says stop or is gone."""
    return serve_child(lambda spec, pipe: _lead(spec, pipe, PipeLink(socket.socket(fileno=int(sys.argv[2])))))


def _lead(spec: ChildSpec, pipe: Pipe, link: PipeLink) -> None:
    case = read_live_case(spec.city)
    clock, layout = case.clock(), case.document.layout
    data = Path(spec.data)
    span = TraceReader(data / "trace").span()
    journal = TraceWriter(data / "trace", keep_ms=round(spec.keep_days * _DAY_MS))
    synced_s = 0.0

    def keep(at_ms: int, payload: bytes) -> None:
        nonlocal synced_s
        journal.append(at_ms, payload)
        if time.monotonic() - synced_s >= _SYNC_EVERY_S:
            journal.sync()
            synced_s = time.monotonic()

    city: City | None = None
    try:
        steers = Steers(spec.control, layout)
        warm_up(steers(Steering(token=0), 0).brain, case)
        least_ms = 0 if span is None else span[1] + 1000
        begin_ms = aligned_ms(max(clock.now_ms(), least_ms), case.toml.settle_ms)
        # What was heard while nobody led is history's: the first look is at what is there now.
        link.readings(begin_ms - 1000)
        waits = LiveParams(answer_ms=case.toml.answer_ms, longest_lag_ms=_LONGEST_LAG_MS, ends=False)
        city = planned(LiveCity(layout, link, clock, begin_ms, waits), live=True)
        picture = LivePicture(layout, begin_ms)

        def steered(steering: Steering, epoch: int) -> Steered:
            picture.steer(steering, begin_ms)
            return steers(steering, epoch)

        engine = PacedEngine(
            city,
            steered,
            keep,
            picture,
            pipe,
            PaceParams(begin_ms=begin_ms, pace=clock.pace, epoch=time.time_ns() // 1_000_000_000),
            sim_s=lambda now_ms: (now_ms % _DAY_MS / 1000, 1),
            until_s=lambda at_ms: (at_ms - clock.now_ms()) / 1000 / clock.pace,
            views=packed_views,
            forecasts=forecasts_of,
        )
        pipe.send(encode(Began(at_ms=begin_ms, lap=1)))
        first = decode_down(pipe.receive())
        if isinstance(first, Stop):
            return
        engine.run(first)
    finally:
        journal.close()
        if city is not None:
            city.close()


if __name__ == "__main__":
    sys.exit(main())
