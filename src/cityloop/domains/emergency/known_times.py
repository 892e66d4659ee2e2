"""Times between units and calls kept from one decision to the next: only what has moved or is new is asked again."""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import I32
from cityloop.methods.routing import Router

__all__ = ["KnownTimes"]

_NONE = np.empty(0, np.int32)


class KnownTimes:
    """A table of least times from rows of units to calls; owns what it remembers, by row and by node."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._sources, self._targets = _NONE, _NONE
        self._known = np.empty((0, 0), np.int32)
        self.asked = 0
        """Pairs that had to be asked again in the last update."""

    def update(self, sources: I32, targets: I32) -> I32:
        """Return the least times, shape (n_sources, n_targets), in the order given. [ms]

        A source is known again by its row, a target by its node: units keep their rows, calls come and go.
        """
        table = np.empty((len(sources), len(targets)), np.int32)
        same = np.zeros(len(sources), np.bool_)
        common = min(len(sources), len(self._sources))
        same[:common] = sources[:common] == self._sources[:common]
        order = np.argsort(self._targets, kind="stable")
        column = np.full(len(targets), -1, np.int64)
        if len(order):
            at = np.minimum(np.searchsorted(self._targets, targets, sorter=order), len(order) - 1)
            found = self._targets[order[at]] == targets
            column[found] = order[at[found]]
        kept, old = np.flatnonzero(same), np.flatnonzero(column >= 0)
        moved, fresh = np.flatnonzero(~same), np.flatnonzero(column < 0)
        if len(kept) and len(old):
            table[np.ix_(kept, old)] = self._known[np.ix_(kept, column[old])]
        if len(moved):
            table[moved] = self._router.matrix_ms(sources[moved], targets)
        if len(kept) and len(fresh):
            table[np.ix_(kept, fresh)] = self._router.matrix_ms(sources[kept], targets[fresh])
        self.asked = len(moved) * len(targets) + len(kept) * len(fresh)
        self._sources, self._targets, self._known = sources.copy(), targets.copy(), table
        return table
