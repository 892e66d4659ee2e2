"""The edge to computer-aided dispatch over MQTT: the same as over HTTP, for a dispatch system that holds a connection.

| topic | direction | what |
|---|---|---|
| ``devices/cad/calls`` | in | a call: EIDO, CAP 1.2 or plain JSON |
| ``devices/cad/answers`` | out | what became of each message, in the order in which they came |
| ``devices/cad/recommendations`` | out | who could go to each open call, when that has changed |

They are the topics of one device, whose token opens them and no other's does: calls are health data, and not retained.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from cityloop.kernel.errors import CityloopError
from cityloop.web.cad_calls import read_call, recommendations
from cityloop.web.cad_routes import take_call
from cityloop.web.ports import Desk
from cityloop.web.service_routes import published

__all__ = ["DEVICE", "CadLink"]

DEVICE = "cad"
_CALLS, _ANSWERS, _WHO = (f"devices/{DEVICE}/{what}" for what in ("calls", "answers", "recommendations"))
_MOST_WAITING = 1000
_LEAST_GAP_S = 1.0
_LOOK_S = 5.0
_LOG = logging.getLogger(__name__)


class _Broker(Protocol):
    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> int: ...
    def listen(self, topic_filter: str, heard: Callable[[str, bytes, str], None]) -> None: ...


class CadLink:
    """Takes calls off a topic one by one, and tells who could go. Lives on the server's loop."""

    def __init__(self, desk: Desk, broker: _Broker) -> None:
        self._desk, self._broker = desk, broker
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self._last: list[Any] = []
        broker.listen(_CALLS, self._hear)

    async def take(self) -> None:
        """Take messages down for as long as the server runs."""
        while True:
            data = await self._waiting.get()
            try:
                told = await self._taken(data)
            except CityloopError as error:
                told = {"taken": False, "error": str(error)}
            except Exception:  # one message must not end the edge: the sender is told, the log has it
                _LOG.exception("a call over MQTT was not taken")
                told = {"taken": False, "error": "an error of ours; send it again, or telephone"}
            self._broker.publish(_ANSWERS, orjson.dumps(told), qos=1)

    async def tell(self) -> None:
        """Tell who could go, whenever it changes."""
        while True:
            await self._desk.board.later_than(self._desk.board.number, _LOOK_S)
            found = published(self._desk, "emergency")
            if found is not None and self._desk.calls is not None:
                calls = await asyncio.to_thread(recommendations, self._desk, found)
                if _without_times(calls) != self._last:
                    self._last = _without_times(calls)
                    self._broker.publish(_WHO, orjson.dumps({"at_ms": found["at_ms"], "calls": calls}), qos=1)
            await asyncio.sleep(_LEAST_GAP_S)

    def _hear(self, topic: str, payload: bytes, sender: str) -> None:
        try:
            self._waiting.put_nowait(payload)
        except asyncio.QueueFull:
            told = {"taken": False, "error": f"{_MOST_WAITING} messages wait; send it again in a moment"}
            self._broker.publish(_ANSWERS, orjson.dumps(told), qos=1)

    async def _taken(self, data: bytes) -> dict[str, Any]:
        calls = self._desk.calls
        if calls is None:
            raise CityloopError("calls come in here by the city's own dispatch centre alone")
        report = read_call(data)
        if report is None:
            return {"taken": False, "why": "a valid message that tells of no call: a test, an exercise or a reply"}
        item = await take_call(self._desk, calls, report, DEVICE)
        await asyncio.to_thread(
            self._desk.audit.append,
            time.time_ns() // 1_000_000,
            f"device {DEVICE}",
            (),
            "cad.take",
            report.incident[:60],
            "done",
            {"state": str(report.state)},
        )
        return {"taken": True, **item}


def _without_times(calls: list[Any]) -> list[Any]:
    """Return what of recommendations is worth a message: who, in which order, and not every second of the way."""
    return [(one["call"], one["status"], one["assigned"], [unit["row"] for unit in one["units"]]) for one in calls]
