"""Seconds of the processor as a search's budget: the same work is done however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["processor_budget"]


def processor_budget(seconds: float) -> Callable[[int], float]:
    """Return a function that tells, whatever the iteration, which share of so many seconds from now on is spent.

    At 1.0 and above the budget is spent.
    """
    begun_s = time.process_time()
    return lambda _iteration: (time.process_time() - begun_s) / seconds
