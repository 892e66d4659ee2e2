"""How long a yellow, an all-red and a crossing's clearance must last.

Whole seconds, always rounded up, so that a program made of them never falls short of the formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cityloop.kernel.columns import BOOL, U8

__all__ = ["ClearanceParams", "all_red_s", "ceding", "crossing_clearance_s", "held_green_s", "yellow_s"]

_NOISE = 1e-9
"""A sum of lengths such as 12.8000000001 m must not cost another second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearanceParams:
    """Whom the change and clearance intervals are made for."""

    reaction_s: float = 1.0
    """Perception and reaction of a driver who sees the yellow begin [1]_."""

    deceleration_mps2: float = 3.05
    """Comfortable braking, 10 ft/s2 [1]_."""

    vehicle_length_m: float = 5.0
    """What must leave the junction behind the driver's eyes."""

    yellow_least_s: int = 3
    yellow_most_s: int = 6
    """Bounds of a yellow; MUTCD 4D.26 gives 3 to 6 s."""

    all_red_least_s: int = 1
    all_red_most_s: int = 6
    """Bounds of an all-red; MUTCD 4D.26 gives 6 s as the most, since drivers begin to use a longer one."""

    walking_speed_mps: float = 1.0
    """The project's choice. MUTCD 4E.06 takes 3.5 ft/s (1.07), RiLSA 1.0 to 1.5."""

    walk_least_s: float = 5.0
    """Shortest Walk; RiLSA 2015 gives 5 s, MUTCD 4E.06 at least 4 s."""

    green_least_s: float = 5.0
    """Shortest green of a stage; RiLSA 2015 gives 5 s."""

    def __post_init__(self) -> None:
        """Refuse what no formula below can take."""
        for name in ("deceleration_mps2", "walking_speed_mps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive.")
        if not 0 < self.yellow_least_s <= self.yellow_most_s:
            raise ValueError(f"yellow of {self.yellow_least_s} to {self.yellow_most_s} s; give 0 < least <= most.")
        if not 0 < self.all_red_least_s <= self.all_red_most_s:
            raise ValueError(f"all-red of {self.all_red_least_s} to {self.all_red_most_s} s; give 0 < least <= most.")


def yellow_s(approach_mps: float, params: ClearanceParams) -> int:
    """Return the yellow for an approach, by the kinematic formula on the level.

    Parameters
    ----------
    approach_mps
        Speed of those who arrive; the posted limit stands for it where nobody measured. [m/s]
    params
        Reaction, braking and bounds.

    References
    ----------
    .. [1] Institute of Transportation Engineers (2020). Guidelines for Determining Traffic Signal
       Change and Clearance Intervals. RP-040B. t + v / (2 a + 2 G g), here with grade G = 0.
    .. [2] FHWA, Manual on Uniform Traffic Control Devices, sections 4D.26 (2009) and 4F.17 (11th ed.).
    """
    needed_s = params.reaction_s + _positive(approach_mps, "approach_mps") / (2.0 * params.deceleration_mps2)
    return min(params.yellow_most_s, max(params.yellow_least_s, _whole(needed_s)))


def all_red_s(path_m: float, speed_mps: float, params: ClearanceParams) -> int:
    """Return the all-red in which the last vehicle leaves the junction.

    Parameters
    ----------
    path_m
        Way from the stop line to the far side of the junction, along the turn. [m]
    speed_mps
        Speed on that way. [m/s]
    params
        Vehicle length and bounds.

    References
    ----------
    .. [1] Institute of Transportation Engineers (2020), as in `yellow_s`. (W + L) / v.
    .. [2] Forschungsgesellschaft für Straßen- und Verkehrswesen (2015). Richtlinien für
       Lichtsignalanlagen (RiLSA), intergreen times.
    """
    needed_s = (path_m + params.vehicle_length_m) / _positive(speed_mps, "speed_mps")
    return min(params.all_red_most_s, max(params.all_red_least_s, _whole(needed_s)))


def crossing_clearance_s(length_m: float, params: ClearanceParams) -> int:
    """Return how long a person who has just stepped off the kerb needs to the other side.

    Parameters
    ----------
    length_m
        Length of the crossing from kerb to kerb, or to its refuge. [m]
    params
        Walking speed.

    References
    ----------
    .. [1] FHWA, Manual on Uniform Traffic Control Devices, section 4E.06 (2009), 4I.06 (11th ed.).
    .. [2] FGSV (2015). RiLSA, clearing time of pedestrians.
    """
    return _whole(length_m / params.walking_speed_mps)


def ceding(before: U8, after: U8, yields: BOOL) -> BOOL:
    """Return the links that stay green but lose their right of way to a stream that is let go, shape (n_links,).

    Whoever has driven off under a protected green must be out of the junction before those come to whom the next must
    yield. From a right of way that is given up to their green pass a yellow and an all-red: the arrow is out, the plain
    green beside it goes on [1]_, and nobody oncoming has set off yet.

    Parameters
    ----------
    before, after
        What each link is shown: 0 red, 1 green to yield, 2 protected green, others no green. Shape (n_links,).
    yields
        Whether each link yields to each other, shape (n_links, n_links).

    References
    ----------
    .. [1] FHWA, Manual on Uniform Traffic Control Devices, chapter 4F (11th ed., 2023): protected/permissive turns on a
       shared signal face, whose circular green stays while the arrow ends. A turn with a face of arrows alone needs its
       own yellow arrow there.
    """
    green, was_green = (after == 1) | (after == 2), (before == 1) | (before == 2)
    let_go = (green & ~was_green) | ((after == 2) & (before != 2))
    losing: BOOL = (before == 2) & (after == 1) & (yields & let_go).any(axis=1)
    return losing


def held_green_s(change_s: float, crossing_s: float, yellow_s: float, all_red_s: float) -> float:
    """Return how long vehicles keep their green in a change whose length a crossing's clearance sets. [s].

    Walk ends before the vehicles' green beside it [1]_, so that a long crossing costs no green. A change that is longer
    than the crossing needs was made so for another reason, which nobody told: nothing is held then.

    Parameters
    ----------
    change_s
        From the end of Walk to the first new green. [s]
    crossing_s
        What the crossings that end need to clear before their foes gain green; 0 where none does. [s]
    yellow_s, all_red_s
        What the vehicles that end need. [s]

    References
    ----------
    .. [1] FHWA, Manual on Uniform Traffic Control Devices, section 4I.06 (11th ed., 2023).
    """
    if change_s > _whole(crossing_s):
        return 0.0
    return max(change_s - yellow_s - _whole(all_red_s), 0.0)


def _whole(seconds: float) -> int:
    return math.ceil(seconds - _NOISE)


def _positive(speed_mps: float, name: str) -> float:
    if not speed_mps > 0:
        raise ValueError(f"{name} is {speed_mps} m/s, must be positive.")
    return speed_mps
