"""The other side: a city served as a field of its own, that speaks packs of readings, leases and receipts.

What a city's own field gateway does, and no more: it hands out what its detectors say, hands leases to its controllers,
and says what became of them. It knows the brain by nothing but the bytes that come in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from cityloop.domains.emergency.schema import Advise, Lead, Move, Send, TakeBreak
from cityloop.domains.refuse.schema import DriveRoute
from cityloop.domains.signals.schema import DOMAIN as SIGNALS
from cityloop.domains.signals.schema import FollowPlan, ShowStage
from cityloop.kernel.batch import Batch
from cityloop.kernel.messages import Action, Command, Receipt, ReceiptStatus
from cityloop.kernel.ports import City
from cityloop.wire.field import decode_leases, encode_receipts

__all__ = ["ACTIONS", "Field"]

_ACTIONS = (ShowStage, FollowPlan, Send, Move, TakeBreak, Advise, Lead, DriveRoute)

ACTIONS: dict[str, type[Action]] = {kind.__name__: kind for kind in _ACTIONS}
"""What a field controller understands."""

_REMEMBERED = 100_000


class Field:
    """A city behind public protocols. Owns neither the city nor the link.

    Parameters
    ----------
    shift_ms
        What is added to the city's own instants to have UTC.
    answer
        Told each pack of receipts as it is to be sent.
    """

    def __init__(self, city: City, shift_ms: int, answer: Callable[[bytes], None]) -> None:
        self._city, self._shift_ms, self._answer = city, shift_ms, answer
        self._epochs: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        self._newest: dict[tuple[str, int], tuple[int, int]] = {}
        """Newest (epoch, sequence) taken of each target of a service."""
        self.leases = 0
        """Leases handed to controllers."""
        self.receipts = 0

    def step(self, until_ms: int) -> tuple[Batch, bool]:
        """Let the field's time pass to an instant (UTC); return what its detectors said, and whether it is over."""
        seen = self._city.observe(until_ms - self._shift_ms)
        self._tell(seen.receipts)
        batch = seen.batch
        shift = np.int64(self._shift_ms)
        moved = Batch(
            batch.stream, batch.observed_at_ms + shift, batch.received_at_ms + shift, batch.value, batch.quality
        )
        return moved, seen.ended

    def take(self, payload: bytes, now_ms: int) -> None:
        """Hand a pack of leases to the controllers and tell at once what they answer.

        Raises
        ------
        WireError
            When the pack cannot be read; nothing of it was taken.
        """
        commands = self._newer(decode_leases(payload, ACTIONS), now_ms)
        while len(self._epochs) > _REMEMBERED:
            self._epochs.popitem(last=False)
        self.leases += len(commands)
        self._city.apply(
            [
                msgspec.structs.replace(
                    command,
                    issued_at_ms=command.issued_at_ms - self._shift_ms,
                    not_after_ms=command.not_after_ms - self._shift_ms,
                )
                for command in commands
            ]
        )
        # No time passes: what the controllers say on taking a lease is told without waiting for the next second.
        self._tell(self._city.observe(now_ms - self._shift_ms).receipts)

    def _newer(self, commands: Sequence[Command], now_ms: int) -> list[Command]:
        """Return what is to be handed on; of services, what another lease has overtaken is answered here.

        A junction's controller sees to that itself, as to everything else that it is told.
        """
        newer, stale = [], []
        for command in commands:
            self._epochs[command.domain, command.target, command.sequence] = command.epoch
            if command.domain == SIGNALS:
                newer.append(command)
                continue
            key, number = (command.domain, command.target), (command.epoch, command.sequence)
            if number <= self._newest.get(key, (-1, -1)):
                stale.append(command)
            else:
                self._newest[key] = number
                newer.append(command)
        self._tell(
            [
                Receipt(
                    domain=command.domain,
                    target=command.target,
                    sequence=command.sequence,
                    status=ReceiptStatus.STALE,
                    at_ms=now_ms - self._shift_ms,
                    detail="a newer lease was taken before it",
                )
                for command in stale
            ]
        )
        return newer

    def _tell(self, receipts: Sequence[Receipt]) -> None:
        said: list[tuple[int, Receipt]] = []
        for receipt in receipts:
            epoch = self._epochs.get((receipt.domain, receipt.target, receipt.sequence), -1)
            said.append((epoch, msgspec.structs.replace(receipt, at_ms=receipt.at_ms + self._shift_ms)))
        if said:
            self.receipts += len(said)
            self._answer(encode_receipts(said))
