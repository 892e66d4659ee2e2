"""Since when somebody may wait for each link: what the longest wait is counted from.

A red that nobody waits at harms nobody. Where live sensing of the whole lane has seen it empty since its green, the
wait begins when somebody comes; an empty lane is not believed for longer than ``BELIEVED_EMPTY_S``, since a sensor that
has stuck at nothing tells the same. Whoever is not sensed, people on foot above all, waits from the end of green.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = ["BELIEVED_EMPTY_S", "FOOT_MEMORY_S", "await_green", "keep_waits"]

BELIEVED_EMPTY_S = 180.0
"""Longest that a lane is believed to be empty; its links are then served within the bound all the same. [s]"""

FOOT_MEMORY_S = 1800.0
"""What was shown so long ago counts a third of what is shown now in a crossing's mean wait. [s]"""

_BELIEVED_EMPTY_MS = 180_000
_QUIET_MS = 5_000
"""A lane must have been seen empty this long: one lost reading makes nobody's wait begin anew."""
_FRESH_MS = 3_000


@njit(cache=True)
def await_green(
    now_ms: int,
    owner: I32,
    seen_at_ms: I64,
    count_veh: I32,
    link_approach: I32,
    link_junction: I32,
    servable: BOOL,
    last_green_ms: I64,
    occupied_ms: I64,
    waits_since_ms: I64,
    oldest_wait_ms: I64,
) -> None:
    """Bring the waits up to now, in place.

    Parameters
    ----------
    owner
        Per approach, the approach whose zone holds the lane that both share upstream.
    link_approach
        Per link, the approach that can vouch for its being empty, -1 for none.
    occupied_ms, waits_since_ms, oldest_wait_ms
        Per approach, link and junction, as in the state.

    """
    for a in range(len(occupied_ms)):
        if count_veh[a] > 0 or count_veh[owner[a]] > 0 or now_ms - seen_at_ms[a] > _FRESH_MS:
            occupied_ms[a] = now_ms
    for i in range(len(link_approach)):
        a = link_approach[i]
        if a < 0 or last_green_ms[i] == now_ms:
            waits_since_ms[i] = last_green_ms[i]
        elif now_ms - occupied_ms[a] >= _QUIET_MS:
            waits_since_ms[i] = max(waits_since_ms[i], min(now_ms, last_green_ms[i] + _BELIEVED_EMPTY_MS))
        if servable[i]:
            j = link_junction[i]
            oldest_wait_ms[j] = min(oldest_wait_ms[j], waits_since_ms[i])


@njit(cache=True)
def keep_waits(
    now_ms: int, before_ms: int, own_red_s: F64, green_until_ms: I64, last_green_ms: I64, foot_wait_s: F64
) -> None:
    """Bring up to now, in place, how long reds have kept whoever came to a crossing at any time.

    A red of r seconds makes those who come during it wait r/2, and r of every second's comers come during it: the mean
    is the sum of squared reds over twice the time, here with a fading memory. A red counts when it ends.

    Parameters
    ----------
    now_ms, before_ms
        The instant, and that of the last update. [ms]
    own_red_s
        Per link: above 0 for the crossings that are kept account of. [s]
    green_until_ms, last_green_ms
        Per link, when it last was green: before this update, and after. [ms]
    foot_wait_s
        Per link, the mean. [s]

    """
    fading = np.exp(-max(now_ms - before_ms, 0) / (1000.0 * FOOT_MEMORY_S))
    for i in range(len(foot_wait_s)):
        if own_red_s[i] <= 0.0:
            continue
        foot_wait_s[i] *= fading
        red_s = (last_green_ms[i] - green_until_ms[i] - (now_ms - before_ms)) / 1000.0
        if red_s > 0.0:
            foot_wait_s[i] += red_s * red_s / (2.0 * FOOT_MEMORY_S)
