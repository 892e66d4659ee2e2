"""The lane of packs: bodies that arrive together are judged and logged together, each answered for itself.

What a pack costs besides its readings is paid once for all packs of a moment: one pass of the judge, one place in the
log's queue, one call from the log's thread back to the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityloopError, InputError
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Inbox, Offer, Taken
from cityloop.sensing.offers import reasons
from cityloop.sensing.packs import PackReader

__all__ = ["Answer", "Headers", "PackLane", "refusal", "told"]

_LOGGER = logging.getLogger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]

Answer = Callable[[int, bytes, Headers], None]
"""Takes status, body and further headers of an answer, on the loop."""

_BUSY_PACKS = 4
"""Packs in one turn from which on the lane waits a little for more."""

_SAYINGS = 1024
"""Answers kept ready: most packs are answered alike."""


class PackLane:
    """Gathers packs and answers them. Belongs to one asyncio loop."""

    def __init__(self, inbox: Inbox, *, gather_s: float = 0.004, most_rows: int = 131_072) -> None:
        self._inbox = inbox
        self._reader = PackReader(inbox)
        self._gather_s = gather_s
        self._most_rows = most_rows
        self.packs = 0
        """Packs that came this way."""
        self._waiting: list[tuple[Offer, Answer]] = []
        self._rows = 0
        self._busy = False
        self._next: asyncio.Handle | None = None
        self._said: dict[tuple[int, ...], bytes] = {}

    def take(self, body: bytes, device: str, answer: Answer) -> None:
        """Take one body of a device; it is answered later, never from within this call."""
        self.packs += 1
        loop = asyncio.get_running_loop()
        try:
            read = self._reader.read(body)
            if not isinstance(read, Batch):
                alone = _Alone(self, loop, answer)
                alone.taken = self._inbox.submit_packs(read, device=device, done=alone.done)
                return
        except CityloopError as error:
            loop.call_soon(partial(answer, *refusal(error)))
            return
        self._waiting.append((Offer(read, self._inbox.known.device(device)), answer))
        self._rows += len(read)
        if self._next is None:
            self._next = loop.call_later(self._gather_s, self._turn) if self._busy else loop.call_soon(self._turn)
        elif self._rows >= self._most_rows:
            self._next.cancel()
            self._next = loop.call_soon(self._turn)
            self._rows = 0

    def _turn(self) -> None:
        """Submit what has gathered."""
        waiting, self._waiting = self._waiting, []
        self._rows, self._next = 0, None
        self._busy = len(waiting) >= _BUSY_PACKS
        loop = asyncio.get_running_loop()
        found: list[Taken | Overloaded] = []

        def done(error: Exception | None) -> None:
            # Told before ``found`` is known where nothing had to be synced; read only once the loop comes to it.
            loop.call_soon_threadsafe(self._answer, waiting, found, error)

        try:
            found.extend(self._inbox.submit_many([offer for offer, _ in waiting], done=done))
        except Exception as error:
            # Whatever went wrong, everybody is told.
            why = refusal(error)
            for _, answer in waiting:
                answer(*why)
            return
        for taken, (_, answer) in zip(found, waiting, strict=True):
            if isinstance(taken, Overloaded):
                answer(*refusal(taken))

    def _answer(
        self, waiting: list[tuple[Offer, Answer]], found: list[Taken | Overloaded], error: Exception | None
    ) -> None:
        why = None if error is None else refusal(error)
        for taken, (_, answer) in zip(found, waiting, strict=True):
            if isinstance(taken, Overloaded):
                continue
            if why is not None:
                answer(*why)
            elif taken.over is not None:
                answer(*refusal(taken.over))
            else:
                answer(200, self.saying(taken), ())

    def saying(self, taken: Taken) -> bytes:
        """Return the body that tells what became of a pack."""
        if taken.letters:
            return msgspec.json.encode(told(taken))
        key = (taken.stored, taken.suspect, taken.late, taken.duplicate, taken.quarantined)
        body = self._said.get(key)
        if body is None:
            if len(self._said) >= _SAYINGS:
                self._said.clear()
            body = self._said[key] = msgspec.json.encode(told(taken))
        return body


class _Alone:
    """A pack that goes its own way."""

    def __init__(self, lane: PackLane, loop: asyncio.AbstractEventLoop, answer: Answer) -> None:
        self._lane, self._loop, self._answer = lane, loop, answer
        self.taken = Taken(stored=0)

    def done(self, error: Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._tell, error)

    def _tell(self, error: Exception | None) -> None:
        if error is None:
            self._answer(200, self._lane.saying(self.taken), ())
        else:
            self._answer(*refusal(error))


def told(taken: Taken) -> dict[str, int | list[str]]:
    """Return what a sender is told: counts, and why some readings were set aside."""
    said: dict[str, int | list[str]] = {
        "stored": taken.stored,
        "suspect": taken.suspect,
        "late": taken.late,
        "duplicate": taken.duplicate,
        "quarantined": taken.quarantined,
    }
    if taken.letters:
        said["why"] = reasons(taken.letters)
    return said


def refusal(error: Exception) -> tuple[int, bytes, Headers]:
    """Return status, body and headers that say why nothing was kept."""
    headers: Headers = ()
    match error:
        case Overloaded():
            status, headers = 429, ((b"retry-after", b"%d" % max(1, round(error.retry_after_s + 0.5))),)
        case StoreFull():
            status = 507
        case InputError():
            status = 400
        case _:
            _LOGGER.error("Readings could not be kept", exc_info=error)
            status = 500
    why = str(error) if isinstance(error, CityloopError) else "readings could not be kept: a fault of the server's own"
    return status, msgspec.json.encode({"error": why}), headers
