"""Arrow bodies on their way to the inbox: those of a known form straight, all others by way of the decoder."""

from __future__ import annotations

from collections.abc import Sequence

from cityloop.kernel.batch import Batch
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.offers import plain_batch
from cityloop.wire import arrow
from cityloop.wire.arrow_forms import ArrowForms

__all__ = ["PackReader"]


class PackReader:
    """Reads bodies; remembers the forms of those that may come again."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self._forms = ArrowForms()
        self._turn = inbox.known.turn

    def read(self, body: bytes) -> Batch | Sequence[arrow.ArrowPack]:
        """Return a body's readings, or its packs where units have to be converted or names are not known.

        Raises
        ------
        WireError
            When the body cannot be read.
        """
        known = self.inbox.known
        known.refresh_if_grown()
        turn = known.turn
        if turn != self._turn:
            self._forms.clear()
            self._turn = turn
        found = self._forms.read(body)
        if found is not None:
            rows, observed_at_ms, value = found
            return plain_batch(rows, arrow.dated(observed_at_ms), value)
        packs = list(arrow.decode_arrow(body, max_bytes=self.inbox.limits.unpacked_bytes))
        if len(packs) != 1 or packs[0].units is not None:
            return packs
        pack = packs[0]
        rows = known.rows_of_pack(pack)
        if (rows < 0).any():
            return packs
        if turn == known.turn:
            self._forms.learn(body, pack, rows)
        return plain_batch(rows, pack.observed_at_ms, pack.value)
