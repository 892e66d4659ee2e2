"""The field controller of one junction: own plan, leased, or handing back.

A pure state machine, stepped at a steady interval. The brain asks for a stage and no more; minimum greens,
yellows, all-red, crossing clearances and the way home to the own plan are kept here, whatever is asked and in
whatever order. When leases end, the hand-back begins at once and every change in it is a full one (RiLSA
2015, sections 2.6 and 2.7: intergreens and least greens; 2 s of all-red are added where none is shipped).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.cities.sumo.handback import JunctionLimits, earliest_join_ms, kept_waiting, legal_entry, may_gain
from cityloop.cities.sumo.lamps import LampRecord
from cityloop.cities.sumo.own_program import OwnProgram, Running
from cityloop.cities.sumo.transitions import (
    GREEN,
    StageTables,
    clearances_ms,
    foes_of_crossings,
    gains,
    transition_steps,
)
from cityloop.domains.signals.schema import DOMAIN, LinkKind, ShowStage
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus

__all__ = ["LONGEST_LEASE_MS", "Act", "FieldController", "Join", "Mode", "Show", "limits_of"]

LONGEST_LEASE_MS = 4000
"""However long a lease claims to hold: a silent brain is noticed after this time."""

LEAST_GREEN_MS = 5000
"""Least green of any link (RiLSA 2015, 2.7.3)."""

LONGEST_DETOUR_MS = 15_000
"""After so long on the way home nobody is let go first any more: the own plan is soon there for all."""

HAND_BACK_ALL_RED_S = 2.0
"""All-red of a hand-back where the shipped program has none."""

_YELLOW_OVER = str.maketrans("yY", "rr")


class Mode(IntEnum):
    """Who decides what the lamps show; the values of the CONTROL_MODE stream."""

    OWN = 0
    LEASED = 1
    HANDING_BACK = 2


@dataclass(frozen=True, slots=True)
class Show:
    """Set these lamps and hold them."""

    state: str


@dataclass(frozen=True, slots=True)
class Join:
    """Hand the lamps to the own program, in this phase with this time to go."""

    phase: int
    remaining_ms: int


Act = Show | Join


@dataclass(frozen=True, slots=True)
class _Lease:
    stage: int
    epoch: int
    sequence: int
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class _Change:
    """A change under way; nothing interrupts it."""

    to_stage: int
    steps: tuple[tuple[str, int], ...]
    """Lamps, and the instant until which they are shown."""


@dataclass(frozen=True, slots=True)
class _Home:
    """A way home: the stage to go to, when the own program is joined there, and the lamps by then."""

    stage: int
    joined_ms: int
    lamps: LampRecord


def limits_of(tables: StageTables, junction_row: int) -> JunctionLimits:
    """Return the times that nobody may shorten at a junction."""
    assets, controllers = tables.assets, tables.assets.controllers
    begin, end = int(controllers.link_begin[junction_row]), int(controllers.link_end[junction_row])
    least_ms = [LEAST_GREEN_MS] * (end - begin)
    for state, stage_ms in zip(
        tables.stage_states[junction_row], _stage_minimums_ms(tables, junction_row), strict=True
    ):
        for link, lamp in enumerate(state):
            if lamp in GREEN and assets.links.kind[begin + link] == LinkKind.CROSSING:
                least_ms[link] = max(least_ms[link], stage_ms)
    return JunctionLimits(tuple(least_ms), clearances_ms(assets, junction_row), foes_of_crossings(assets, junction_row))


class FieldController:
    """The controller at one junction's kerb."""

    def __init__(
        self,
        tables: StageTables,
        junction_row: int,
        own: OwnProgram,
        lamps: LampRecord,
        step_ms: int = 1000,
    ) -> None:
        controllers = tables.assets.controllers
        stages = slice(int(controllers.stage_begin[junction_row]), int(controllers.stage_end[junction_row]))
        self.mode = Mode.OWN
        self._tables, self._row, self._own, self._lamps, self._step_ms = (
            tables,
            junction_row,
            own,
            lamps,
            step_ms,
        )
        self._states = tables.stage_states[junction_row]
        self._number = {state: number for number, state in reversed(list(enumerate(self._states)))}
        self._service = [bool(served) for served in tables.assets.stages.service[stages]]
        self._minimum_ms = _stage_minimums_ms(tables, junction_row)
        self._limits = limits_of(tables, junction_row)
        shipped_s = float(controllers.all_red_s[junction_row])
        self._extra_all_red_s = 0.0 if shipped_s > 0 else HAND_BACK_ALL_RED_S
        self._lease: _Lease | None = None
        self._last = (-1, -1)
        self._answered: ReceiptStatus | None = None
        self._change: _Change | None = None
        self._home: int | None = None
        self._homeward_ms = 0
        self._let_go: set[int] = set()
        """Local links that were green since the way home began."""
        self._own_stages = {self._number[p.state] for p in own.phases if p.state in self._number}
        self._latched = ""
        self.occupied: frozenset[int] = frozenset()
        """Local links of crossings that somebody is on, where a detector over the crossing tells."""

    @property
    def stage(self) -> int:
        """Local number of the stage shown, -1 while none is."""
        return -1 if self._change is not None else self.stage_of(self._lamps.state)

    def stage_of(self, lamps: str) -> int:
        """Return the number of the stage that a lamp string is, -1 where it is none."""
        return self._number.get(lamps, -1)

    @property
    def idle(self) -> bool:
        """Whether the own plan runs and nobody asks for anything else."""
        return self.mode is Mode.OWN and self._lease is None

    def latch(self, why: str) -> None:
        """Let go of the lamps for good: the monitor flashes them, and takes no lease until a person has looked."""
        self._latched = f"the lamp monitor has latched: {why}"
        self.mode = Mode.OWN
        self._lease = self._change = self._home = None

    def serves(self, stage: int) -> bool:
        """Tell whether a stage of that number may be shown for as long as somebody likes."""
        return 0 <= stage < len(self._service) and self._service[stage]

    def found(self, stage: int, since_ms: int, until_ms: int) -> str:
        """Begin in a stage that was found shown, led until then; return its lamps."""
        self._lamps = LampRecord(self._states[stage], since_ms)
        self.mode, self._lease = Mode.LEASED, _Lease(stage, -1, -1, until_ms)
        return self._lamps.state

    def watch(self, shown: str, since_ms: int) -> None:
        """Take note of what the own plan shows; an idle controller need not be stepped."""
        self._lamps.see(shown, since_ms)

    def offer(self, command: Command, now_ms: int) -> list[Receipt]:
        """Take a lease, or say at once why not; the rest of the answer comes with the next step."""
        epoch, sequence, action = command.epoch, command.sequence, command.action
        if (epoch, sequence) <= self._last:
            newest = "epoch {}, sequence {}".format(*self._last)
            return [self._receipt(sequence, ReceiptStatus.STALE, now_ms, f"{newest} was here before")]
        if self._latched:
            return [self._receipt(sequence, ReceiptStatus.REFUSED, now_ms, self._latched)]
        if not isinstance(action, ShowStage):
            return [self._receipt(sequence, ReceiptStatus.REFUSED, now_ms, "a junction shows stages only")]
        if not 0 <= action.stage < len(self._states):
            detail = f"stage {action.stage} of 0 to {len(self._states) - 1}"
            return [self._receipt(sequence, ReceiptStatus.REFUSED, now_ms, detail)]
        if not self._service[action.stage]:
            detail = f"stage {action.stage} is passed through, not served"
            return [self._receipt(sequence, ReceiptStatus.REFUSED, now_ms, detail)]
        if command.not_after_ms <= now_ms:
            return [self._receipt(sequence, ReceiptStatus.EXPIRED, now_ms, "arrived after its end")]
        receipts = []
        if self._lease is not None and self._answered is None:
            detail = "another came before it was looked at"
            receipts.append(self._receipt(self._lease.sequence, ReceiptStatus.STALE, now_ms, detail))
        not_after_ms = min(command.not_after_ms, now_ms + LONGEST_LEASE_MS)
        self._lease = _Lease(action.stage, epoch, sequence, not_after_ms)
        self._last = (epoch, sequence)
        self._answered = None
        return receipts

    def step(self, now_ms: int, shown: str) -> tuple[Act | None, list[Receipt]]:
        """Decide what the lamps do from this instant on.

        Parameters
        ----------
        now_ms
            The instant reached. [ms]
        shown
            The lamps of the step just past; read only while the own plan runs.
        """
        receipts: list[Receipt] = []
        mode_before = self.mode
        if mode_before is Mode.OWN:
            self._lamps.see(shown, now_ms - self._step_ms)
        shown = self._lamps.state
        lease = self._lease
        if lease is not None and now_ms >= lease.not_after_ms:
            receipts.append(self._receipt(lease.sequence, ReceiptStatus.EXPIRED, now_ms, "not renewed"))
            self._lease = lease = None
            if mode_before is Mode.LEASED:
                self.mode = Mode.HANDING_BACK
                self._homeward_ms = now_ms
        self._advance(now_ms)
        if lease is not None:
            status = ReceiptStatus.ACCEPTED if self._serve(lease, now_ms) else ReceiptStatus.PENDING
            if status is not self._answered:
                self._answered = status
                receipts.append(self._receipt(lease.sequence, status, now_ms))
        elif self.mode is Mode.HANDING_BACK and self._change is None:
            entry = self._go_home(now_ms)
            if entry is not None:
                return Join(entry.index, entry.remaining_ms), receipts
        if self.mode is Mode.OWN or (mode_before is not Mode.OWN and self._lamps.state == shown):
            return None, receipts
        return Show(self._lamps.state), receipts

    def _advance(self, now_ms: int) -> None:
        """Carry on a change under way."""
        if self._change is None:
            return
        state = next((lamps for lamps, until_ms in self._change.steps if now_ms < until_ms), None)
        if state is None and self._waits_for_walkers(self._change, now_ms):
            # Nobody's yellow grows longer: who has lost the green waits at red.
            state = self._lamps.state.translate(_YELLOW_OVER)
        elif state is None:
            state = self._states[self._change.to_stage]
            self._change = None
        self._lamps.see(state, now_ms)

    def _waits_for_walkers(self, change: _Change, now_ms: int) -> bool:
        """Tell whether somebody slow is still on a crossing before whom the change would let vehicles go.

        At most as long again as the crossing's clearance: whoever walks at half the speed it is timed for gets
        across, and a detector that has stuck does not close the junction.
        """
        if not self.occupied:
            return False
        due_ms = change.steps[-1][1] if change.steps else now_ms
        before, after = self._lamps.state, self._states[change.to_stage]
        return any(
            before[crossing] not in GREEN
            and after[crossing] not in GREEN
            and now_ms - due_ms < clearance_ms
            and any(gains(before[foe], after[foe]) for foe in self._limits.foes[crossing])
            for crossing, clearance_ms in self._limits.clearance_ms.items()
            if crossing in self.occupied
        )

    def _serve(self, lease: _Lease, now_ms: int) -> bool:
        """Bring a lease to the street; False while no legal moment has come."""
        if self.mode is Mode.OWN and self._lamps.state not in self._number:
            return False
        self.mode = Mode.LEASED
        self._home = None
        self._let_go.clear()
        if self._change is not None:
            return self._change.to_stage == lease.stage
        if self._lamps.state == self._states[lease.stage]:
            return True
        return self._may_leave(now_ms) and self._begin(lease.stage, now_ms)

    def _may_leave(self, now_ms: int) -> bool:
        """Say whether the stage shown has had its least green."""
        return now_ms - self._lamps.since_ms >= self._minimum_ms[self._number[self._lamps.state]]

    def _begin(self, to_stage: int, now_ms: int, extra_all_red_s: float = 0.0) -> bool:
        """Begin a change to another stage; False where it would cut a crossing's clearance."""
        stage = self._number[self._lamps.state]
        until_ms, steps = now_ms, []
        for lamps, shown_s in transition_steps(self._tables, self._row, stage, to_stage, extra_all_red_s):
            until_ms += math.ceil(shown_s * 1000)
            steps.append((lamps, until_ms))
        if not may_gain(self._limits, self._lamps, self._states[to_stage], until_ms):
            return False
        self._change = _Change(to_stage, tuple(steps))
        self._advance(now_ms)
        return True

    def _go_home(self, now_ms: int) -> Running | None:
        """Join the own program, or move to the stage by which it can be joined soonest.

        Before that whoever would stand too long is let go, each link once.
        """
        stage = self._number[self._lamps.state]
        entry = legal_entry(self._limits, self._lamps, self._own, now_ms)
        home: _Home | None
        if entry is not None:
            home = _Home(stage, now_ms, self._lamps)
        elif self._home == stage or not self._may_leave(now_ms):
            return None
        else:
            home = self._nearest_home(stage, now_ms)
        if home is None:
            return None
        first = self._let_go_first(stage, home, now_ms)
        if first is not None:
            if self._may_leave(now_ms) and self._begin(first, now_ms, self._extra_all_red_s):
                self._let_go |= {link for link, lamp in enumerate(self._states[first]) if lamp in GREEN}
        elif entry is not None:
            self.mode = Mode.OWN
            self._home = None
            self._let_go.clear()
            return entry
        else:
            self._home = home.stage
            if self._home != stage:
                self._begin(self._home, now_ms, self._extra_all_red_s)
        return None

    def _let_go_first(self, stage: int, home: _Home, now_ms: int) -> int | None:
        """Return the own program's stage to show before it is joined, None where nobody stands too long."""
        if now_ms - self._homeward_ms > LONGEST_DETOUR_MS:
            return None
        late = kept_waiting(home.lamps, self._own, home.joined_ms)
        best: int | None = None
        best_red_ms = 0
        for candidate in sorted(self._own_stages - {stage}):
            served_ms = now_ms + self._change_ms(stage, candidate) + self._minimum_ms[candidate]
            red_ms = max(
                (
                    now_ms - self._lamps.changed_ms[link]
                    for link, at_ms in late.items()
                    if link not in self._let_go and self._states[candidate][link] in GREEN and served_ms <= at_ms
                ),
                default=0,
            )
            if red_ms > best_red_ms:
                best, best_red_ms = candidate, red_ms
        return best

    def _change_ms(self, stage: int, to_stage: int) -> int:
        """Return how long the change from a stage to another takes on the way home."""
        steps = transition_steps(self._tables, self._row, stage, to_stage, self._extra_all_red_s)
        return sum(math.ceil(shown_s * 1000) for _, shown_s in steps)

    def _nearest_home(self, stage: int, now_ms: int) -> _Home | None:
        """Return the stage by which the own program is joined soonest, None where none will do yet."""
        best: _Home | None = None
        for candidate in [stage, *sorted(self._own_stages - {stage})]:
            supposed = self._lamps.copy()
            arrival_ms = now_ms
            if candidate != stage:
                arrival_ms += self._change_ms(stage, candidate)
                if not may_gain(self._limits, supposed, self._states[candidate], arrival_ms):
                    continue
                steps = transition_steps(self._tables, self._row, stage, candidate, self._extra_all_red_s)
                for lamps, _ in steps[:1]:
                    supposed.see(lamps, now_ms)
                supposed.see(self._states[candidate], arrival_ms)
            joined_ms = earliest_join_ms(self._limits, supposed, self._own, arrival_ms, self._step_ms)
            if joined_ms is not None and (best is None or joined_ms < best.joined_ms):
                best = _Home(candidate, joined_ms, supposed)
        return best

    def _receipt(self, sequence: int, status: ReceiptStatus, now_ms: int, detail: str = "") -> Receipt:
        return Receipt(domain=DOMAIN, target=self._row, sequence=sequence, status=status, at_ms=now_ms, detail=detail)


def _stage_minimums_ms(tables: StageTables, junction_row: int) -> tuple[int, ...]:
    controllers = tables.assets.controllers
    stages = slice(int(controllers.stage_begin[junction_row]), int(controllers.stage_end[junction_row]))
    minimums = np.ceil(tables.assets.stages.min_green_s[stages] * 1000)
    return tuple(max(LEAST_GREEN_MS, int(minimum)) for minimum in minimums)
