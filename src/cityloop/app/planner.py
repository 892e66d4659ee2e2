"""The planner of rounds beside the tick: it is asked by a command, and its answer comes in as readings.

Routes take longer to find than a tick lasts. So the decision to ask is journalled as any other, the search runs beside
the loop with a budget of iterations, and what it found is handed over at a stated instant of the city's clock: recorded
with everything else that was heard, so that a replay needs no search, and told again every minute, so that a brain that
comes back hears which plan is in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from cityloop.app.dying import die_with_parent
from cityloop.domains.refuse.schema import DOMAIN, PlanRound, RoundsTable
from cityloop.kernel.batch import Batch, Quality, concat
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus
from cityloop.kernel.ports import City, Observation

__all__ = ["Apart", "PlannedCity", "planned"]

_ITERATIONS = 4_000
_ANSWER_MS = 20_000
"""From the question to the answer, by the city's clock: far longer than the search takes. [ms]"""
_REPEAT_MS = 60_000
_SEARCHES = 2
"""Of a live city at a time: it asks again for what it was not told, and a starved machine would have ever more."""


@dataclass(frozen=True, slots=True)
class _Observed:
    """What one ``observe`` brings back, plans among it."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool
    picture: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Asked:
    """A question on its way."""

    command: Command
    due_ms: int
    found: Future[Any] | Apart


class Apart:
    """A search in a process of its own, with the one face of a future."""

    def __init__(self, table: RoundsTable, asked: PlanRound, iterations: int) -> None:
        apart = get_context("spawn")
        self._reader, writer = apart.Pipe(duplex=False)
        self._process = apart.Process(target=_solve_apart, args=(writer, table, asked, iterations), daemon=True)
        self._process.start()
        writer.close()

    def done(self) -> bool:
        """Say whether there is an answer, or none will come."""
        return self._reader.poll()

    def result(self) -> Any:
        """Return the answer, once it is there."""
        try:
            answer = self._reader.recv()
        except EOFError:
            raise CityloopError("the planner's process died; the plan in force stands") from None
        finally:
            self.stop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        """End the search. Safe to call twice."""
        self._process.kill()
        self._process.join()
        self._reader.close()


def planned(city: City, *, live: bool = False) -> City:
    """Return a city with a planner beside it, where it has trucks; else the city itself."""
    return PlannedCity(city, live=live) if isinstance(city.layout().tables.get(DOMAIN), RoundsTable) else city


class PlannedCity:
    """A city and its planner; owns both.

    Parameters
    ----------
    city
        Whatever has trucks: a twin or a street.
    iterations
        Budget of a search; by iterations, so that a run is the same on any machine.
    live
        Whether time passes whatever the search does. Then it has a process of its own, an answer that is late
        comes when it is found, and the last plan stands meanwhile. Otherwise the city waits for a late answer, so
        that a run is the same on any machine.
    """

    def __init__(self, city: City, iterations: int = _ITERATIONS, *, live: bool = False) -> None:
        self.city, self._iterations, self._live = city, iterations, live
        layout = city.layout()
        self._table: RoundsTable = layout.tables[DOMAIN]
        self._stream = _Streams(layout)
        self._beside = ThreadPoolExecutor(1, "planner")
        self._asked: list[_Asked] = []
        self._receipts: list[Receipt] = []
        self._in_force: tuple[Any, int] | None = None
        """The last answer, and when its question was asked."""
        self._repeat_ms = 0
        self._now_ms = 0

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self.city.layout()

    def observe(self, until_ms: int) -> Observation:
        """Let time pass; answers that are due come with it."""
        seen = self.city.observe(until_ms)
        self._now_ms = seen.now_ms
        batches = [seen.batch]
        due = [one for one in self._asked if one.due_ms <= seen.now_ms and (one.found.done() or not self._live)]
        self._asked = [one for one in self._asked if one not in due]
        for one in due:
            try:
                answer = one.found.result()
            except (CityloopError, ValueError) as error:
                self._receipts.append(self._answer(one.command, ReceiptStatus.REFUSED, " ".join(str(error).split())))
                continue
            self._in_force = answer, one.command.issued_at_ms
            self._receipts.append(self._answer(one.command, ReceiptStatus.ACCEPTED, "planned"))
            self._repeat_ms = seen.now_ms
        if self._in_force is not None and seen.now_ms >= self._repeat_ms:
            self._repeat_ms = seen.now_ms + _REPEAT_MS
            batches.append(self._stream.batch(*self._in_force, seen.now_ms))
        receipts, self._receipts = (*seen.receipts, *self._receipts), []
        picture = dict(getattr(seen, "picture", {}))
        batch = concat(batches) if len(batches) > 1 else seen.batch
        return _Observed(seen.now_ms, batch, receipts, seen.ended, picture)

    def apply(self, commands: Sequence[Command]) -> None:
        """Keep what is for the planner, hand on the rest."""
        others = []
        for command in commands:
            if command.domain == DOMAIN and isinstance(command.action, PlanRound):
                self._ask(command, command.action)
            elif command.domain == DOMAIN and type(command.action).__name__ == "EmptyToday":
                # Which containers are asked for is between the domain and the planner: nobody drives for it yet.
                self._receipts.append(self._answer(command, ReceiptStatus.PENDING, "for the planner"))
            else:
                others.append(command)
        if others or not commands:
            self.city.apply(others)

    def close(self) -> None:
        """Close the city and let the planner go. Safe to call twice."""
        for one in self._asked:
            if isinstance(one.found, Apart):
                one.found.stop()
        self._beside.shutdown(wait=False, cancel_futures=True)
        self.city.close()

    def _ask(self, command: Command, asked: PlanRound) -> None:
        found: Future[Any] | Apart
        if self._live:
            if sum(not one.found.done() for one in self._asked) >= _SEARCHES:
                why = "earlier questions are still being worked on"
                self._receipts.append(self._answer(command, ReceiptStatus.REFUSED, why))
                return
            found = Apart(self._table, asked, self._iterations)
        else:
            found = self._beside.submit(_solve, self._table, asked, self._iterations)
        self._asked.append(_Asked(command, command.issued_at_ms + _ANSWER_MS, found))

    def _answer(self, command: Command, status: ReceiptStatus, detail: str) -> Receipt:
        return Receipt(
            domain=command.domain,
            target=command.target,
            sequence=command.sequence,
            status=status,
            at_ms=self._now_ms,
            detail=detail,
        )


def _solve(table: RoundsTable, asked: PlanRound, iterations: int) -> Any:
    # Imported here: it is compiled code, and most cities have no trucks.
    from cityloop.domains.refuse.rounds import plan_round

    rng = np.random.default_rng(np.random.SeedSequence([abs(asked.round), asked.version, 0x706C616E]))
    return plan_round(table, asked, lambda iteration: iteration / iterations, rng)


def _solve_apart(answers: Connection, table: RoundsTable, asked: PlanRound, iterations: int) -> None:
    die_with_parent()
    try:
        answer = _solve(table, asked, iterations)
    except (CityloopError, ValueError) as error:
        answer = error
    answers.send(answer)


class _Streams:
    """The planner's streams: what an answer is as readings."""

    def __init__(self, layout: Layout) -> None:
        pairs = zip(layout.streams.kind.tolist(), layout.streams.asset.tolist(), strict=True)
        self._row = {pair: row for row, pair in enumerate(pairs)}

    def batch(self, answer: Any, asked_ms: int, now_ms: int) -> Batch:
        """Return an answer's readings, its times counted from now."""
        gone_s = (now_ms - asked_ms) / 1000
        number = float(100 * answer.round + answer.version)
        told: list[tuple[StreamKind, int, float]] = [(StreamKind.PLAN_VERSION, 0, number)]
        for truck, (visits, times) in enumerate(zip(answer.visits, answer.in_s, strict=True)):
            told += [(StreamKind.PLAN_VISIT, truck, float(visit)) for visit in visits]
            told += [(StreamKind.PLAN_IN_S, truck, in_s - gone_s) for in_s in times]
        told += [(StreamKind.PLAN_MOVED, container, 1.0) for container in answer.moved]
        told += [(StreamKind.PLAN_MOVED, container, 2.0) for container in answer.taken]
        told += [(StreamKind.PLAN_LEFT_OUT, container, 1.0) for container in answer.left_out]
        instants = np.full(len(told), now_ms, np.int64)
        return Batch(
            np.array([self._row[int(kind), asset] for kind, asset, _ in told], np.int32),
            instants,
            instants,
            np.array([value for _, _, value in told], np.float64),
            np.full(len(told), int(Quality.GOOD), np.uint8),
        )
