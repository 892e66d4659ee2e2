"""The toy's field controller: own plan by the clock, leases, hand-back, minimum greens and intergreens."""

from __future__ import annotations

from enum import IntEnum

from cityloop.cities.toy.assets import STAGES, ToyParams
from cityloop.domains.signals.schema import DOMAIN, ShowStage
from cityloop.kernel.clock import ms_from_s
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus

__all__ = ["Mode", "ToyController"]


class Mode(IntEnum):
    """Who decides, as ``StreamKind.CONTROL_MODE`` reports it."""

    OWN_PLAN = 0
    LEASED = 1
    HANDING_BACK = 2


class ToyController:
    """Shows stages; stepped once a second by its city."""

    def __init__(self, params: ToyParams) -> None:
        self._begin_ms = ms_from_s(params.begin_s)
        self._green_ms = [ms_from_s(green_s) for green_s in params.green_s]
        self._min_green_ms = [ms_from_s(green_s) for green_s in params.min_green_s]
        self._intergreen_ms = [[ms_from_s(params.intergreen_s(a, b)) for b in range(STAGES)] for a in range(STAGES)]
        self.stage = 0
        """Stage shown, or the one that comes after the intergreen."""
        self.changing = False
        self.green_since_ms = self._begin_ms
        """When the stage shown became green, or will."""
        self.mode = Mode.OWN_PLAN
        self._lease: Command | None = None
        self._newest = (-1, -1)

    def shown(self) -> int:
        """Return the stage shown, -1 during an intergreen."""
        return -1 if self.changing else self.stage

    def step(self, now_ms: int) -> None:
        """Do what is due at ``now_ms``."""
        if self.changing and now_ms >= self.green_since_ms:
            self.changing = False
        if self._lease is not None and now_ms >= self._lease.not_after_ms:
            self._lease = None
            self.mode = Mode.HANDING_BACK
        wanted = self._wanted(now_ms)
        if self.mode is Mode.HANDING_BACK and self.shown() == wanted:
            self.mode = Mode.OWN_PLAN
        if wanted != self.stage and self._may_leave(now_ms):
            self.green_since_ms = now_ms + self._intergreen_ms[self.stage][wanted]
            self.changing = True
            self.stage = wanted

    def command(self, command: Command, now_ms: int) -> Receipt:
        """Take a lease, or say why not."""
        status, detail = self._judged(command, now_ms)
        if status in (ReceiptStatus.ACCEPTED, ReceiptStatus.PENDING):
            self._lease = command
            self._newest = (command.epoch, command.sequence)
            self.mode = Mode.LEASED
        return Receipt(
            domain=command.domain,
            target=command.target,
            sequence=command.sequence,
            status=status,
            at_ms=now_ms,
            detail=detail,
        )

    def _judged(self, command: Command, now_ms: int) -> tuple[ReceiptStatus, str]:
        if command.domain != DOMAIN or command.target != 0 or not isinstance(command.action, ShowStage):
            return ReceiptStatus.REFUSED, "no such target"
        if not 0 <= command.action.stage < STAGES:
            return ReceiptStatus.REFUSED, f"no stage {command.action.stage}"
        if (command.epoch, command.sequence) <= self._newest:
            return ReceiptStatus.STALE, "a newer command was taken before"
        if now_ms >= command.not_after_ms:
            return ReceiptStatus.EXPIRED, "the lease is over"
        at_once = command.action.stage == self.stage or self._may_leave(now_ms)
        return (ReceiptStatus.ACCEPTED if at_once else ReceiptStatus.PENDING), ""

    def _may_leave(self, now_ms: int) -> bool:
        return not self.changing and now_ms - self.green_since_ms >= self._min_green_ms[self.stage]

    def _wanted(self, now_ms: int) -> int:
        if self._lease is not None and isinstance(self._lease.action, ShowStage):
            return self._lease.action.stage
        first, second = self._green_ms
        to_second, to_first = self._intergreen_ms[0][1], self._intergreen_ms[1][0]
        position_ms = (now_ms - self._begin_ms) % (first + to_second + second + to_first)
        return 1 if first <= position_ms < first + to_second + second else 0
