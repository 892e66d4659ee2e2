"""What the compiled search is given, in groups that numba takes apart for free."""

from __future__ import annotations

from typing import NamedTuple

from cityloop.kernel.columns import BOOL, F64, I32, U8

__all__ = ["Costing", "Lamps", "Queues", "Stages", "Users"]


class Queues(NamedTuple):
    """The queues of a junction, rows ``begin`` to ``end`` of each array."""

    begin: int
    end: int
    weight: F64
    """Of a user's delay."""
    headway_s: F64


class Users(NamedTuple):
    """Who comes to every queue, in order of arrival; shapes (n_queues, MAX_QUEUE) but ``length``'s."""

    eta_s: F64
    wants: I32
    """Class of each."""
    length: I32
    """Users of each queue."""
    stands: BOOL


class Lamps(NamedTuple):
    """What each class is shown, and to which classes it yields."""

    shown: U8
    """Shape (n_classes, n_stages)."""
    queue: I32
    """Of each class."""
    foe_begin: I32
    foe_end: I32
    foe: I32
    """Classes yielded to, those of class c from ``foe_begin[c]`` to ``foe_end[c]``."""


class Stages(NamedTuple):
    """The stages of a junction; shapes (n_stages,), and (n_stages, n_stages) from one to another."""

    service: BOOL
    min_green_s: F64
    intergreen_s: F64
    held_s: F64
    """Green that vehicles keep in a change while people clear a crossing."""


class Costing(NamedTuple):
    """How leaving and waiting are reckoned; see `BrainParams`. [s]"""

    start_loss_s: float
    yellow_use_s: float
    gap_s: float
    stop_cost_s: float
    rest_s: float
