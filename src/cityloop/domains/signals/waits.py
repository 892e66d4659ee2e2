"""Since when somebody may wait for each link: what the longest wait is counted from.

A red that nobody waits at harms nobody. Where live sensing of the whole lane has seen it empty since its green, the
wait begins when somebody comes; an empty lane is not believed for longer than ``BELIEVED_EMPTY_S``, since a sensor that
has stuck at nothing tells the same. Whoever is not sensed, people on foot above all, waits from the end of green.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import BOOL, F64, I32, I64

__all__ = [
    "BELIEVED_EMPTY_S",
    "FOOT_MEMORY_S",
    "LEAST_CALLS",
    "OWED_FRAC",
    "await_green",
    "compare_waits",
    "keep_waits",
]

BELIEVED_EMPTY_S = 180.0
"""Longest that a lane is believed to be empty; its links are then served within the bound all the same. [s]"""

FOOT_MEMORY_S = 1800.0
"""What was shown so long ago counts a third of what is shown now in a crossing's mean wait. [s]"""

LEAST_CALLS = 3.0
"""So many calls must be remembered before their mean is spoken of."""

OWED_FRAC = 0.95
"""People on foot are owed so much of their waits under the own plans: what is told from calls errs by some percent."""

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
    now_ms: int,
    before_ms: int,
    own_red_s: F64,
    called_ms: I64,
    call_since_ms: I64,
    last_green_ms: I64,
    account: F64,
    foot_wait_s: F64,
) -> None:
    """Bring up to now, in place, how long people on foot have waited in the mean, those included who found Walk.

    A call tells that somebody waits, and since when, not how many. People are taken to come as a Poisson stream, whose
    rate is the number of calls over the time in which one could have begun. With it, a call that stood for w seconds
    was one person who waited w and rate times w more who waited half as long, and the time of Walk held as many who
    did not wait at all. What has faded counts less; fewer than ``LEAST_CALLS`` say nothing.

    Parameters
    ----------
    now_ms, before_ms
        The instant, and that of the last update. [ms]
    own_red_s
        Per link: above 0 for the crossings that are kept account of. [s]
    called_ms, call_since_ms
        Per link, since when a call stands, before this update and after; -1 for none. [ms]
    last_green_ms
        Per link, when it last was green. [ms]
    account
        Shape (n_links, 5): calls, their seconds, their squared seconds, seconds of red without a call, seconds of Walk.
    foot_wait_s
        Per link, the mean; 0 while nothing is known. [s]

    """
    step_s = max(now_ms - before_ms, 0) / 1000.0
    fading = np.exp(-step_s / FOOT_MEMORY_S)
    for i in range(len(foot_wait_s)):
        if own_red_s[i] <= 0.0:
            continue
        account[i] *= fading
        if last_green_ms[i] == now_ms:
            account[i, 4] += step_s
        elif call_since_ms[i] < 0:
            account[i, 3] += step_s
        if called_ms[i] >= 0 and call_since_ms[i] < 0:
            wait_s = (now_ms - called_ms[i]) / 1000.0
            account[i, 0] += 1.0
            account[i, 1] += wait_s
            account[i, 2] += wait_s * wait_s
        calls, waited_s, squared_s2, idle_s, walk_s = account[i]
        rate = calls / (idle_s + 1.0)
        waits_s = waited_s + rate * squared_s2 / 2.0
        foot_wait_s[i] = waits_s / (calls + rate * (waited_s + walk_s)) if calls >= LEAST_CALLS else 0.0


@njit(cache=True)
def compare_waits(
    own_wait_s: F64,
    account: F64,
    foot_wait_s: F64,
    link_begin: I32,
    link_end: I32,
    near_begin: I32,
    near: I32,
    foot_ratio: F64,
) -> None:
    """Say round every junction, in place, how long people on foot have waited for each second under the own plans.

    Everybody within a walk counts alike, whichever crossing he took: judged one by one, crossings or junctions that
    came off worse were hurried at the price of vehicles where people on foot, taken together, had come off better.

    Parameters
    ----------
    own_wait_s
        Per link, the mean wait in the own plan; 0 for all that is kept no account of. [s]
    account, foot_wait_s
        As ``keep_waits`` leaves them.
    link_begin, link_end
        Per junction, its links.
    near_begin, near
        Per junction, those within a walk, itself among them.
    foot_ratio
        Per junction, the waits round it over those that are owed; 0 while nothing is known.

    """
    waited_s, own_s = np.zeros(len(foot_ratio)), np.zeros(len(foot_ratio))
    for j in range(len(foot_ratio)):
        for i in range(link_begin[j], link_end[j]):
            if foot_wait_s[i] > 0.0:
                calls, called_s, _, idle_s, walk_s = account[i]
                people = calls + calls / (idle_s + 1.0) * (called_s + walk_s)
                waited_s[j] += people * foot_wait_s[i]
                own_s[j] += people * own_wait_s[i]
    for j in range(len(foot_ratio)):
        rows = near[near_begin[j] : near_begin[j + 1]]
        own = own_s[rows].sum()
        foot_ratio[j] = waited_s[rows].sum() / (OWED_FRAC * own) if own > 0.0 else 0.0
