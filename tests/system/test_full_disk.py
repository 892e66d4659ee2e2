"""A disk that fills: 507 and nothing acknowledged, live control goes on, and all is well again by itself."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np

from cityloop.app.sensing import open_sensing, wall_ms
from cityloop.kernel.readings import DataKind
from cityloop.sensing.codecs import Codecs
from cityloop.sensing.http import IngestApp
from cityloop.storage.streams import Registration


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file be written to, as on a disk without room: the kernel answers EFBIG in place of ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_acknowledging_and_nothing_else(tmp_path):
    """What was answered with 200 is stored, what was answered with 507 is not, and nobody has to restart anything."""
    begin_ms = wall_ms() - 60_000

    async def scenario(app, drained) -> tuple[list[int], list[float]]:
        statuses, seen = [], []
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:

            async def send(at: int) -> None:
                rows = "".join(f"{name},{begin_ms + at * 1000},{at}\n" for name in ("sensor-0", "control-0"))
                answer = await client.post(
                    "/ingest",
                    content="stream,observed_at_ms,value\n" + rows,
                    headers={"content-type": "text/csv"},
                )
                statuses.append(answer.status_code)
                told = (await client.get("/ingest/live?streams=control-0")).json()
                seen.append(told[0]["value"])

            await send(1)
            with no_room():
                await send(2)
                await send(3)
            await send(4)
            await send(5)
        drained.append(len(opened.inbox.drain(wall_ms() + 1000)))
        return statuses, seen

    with open_sensing(tmp_path) as opened:
        rows = opened.streams.register_many(
            [Registration(name="sensor-0", unit="1"), Registration(name="control-0", unit="1", kind=DataKind.CONTROL)]
        )
        opened.inbox.keep_for_drain(rows[1:])
        app = IngestApp(opened.inbox, Codecs(), identify=lambda scope: "")
        drained: list[int] = []
        statuses, seen = asyncio.run(scenario(app, drained))
        stored = opened.readings.history(rows, 0, 2**62)
    assert statuses == [200, 507, 507, 200, 200]
    # Control readings were live at once, the disk full or not, and a live city's look got each of them.
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert drained == [5]
    for row in rows.tolist():
        assert np.asarray(stored.value[stored.stream == row]).tolist() == [1.0, 4.0, 5.0]
    with open_sensing(tmp_path) as again:
        assert len(again.readings.history(rows, 0, 2**62)) == 6
