"""Fixed rounds: a zone is emptied whole, on the same weekdays every week. The practice of most cities, and a rival."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityloop.domains.refuse.decide.frequencies import fit_patterns
from cityloop.kernel.columns import F64
from cityloop.methods.selection import zones_of

__all__ = ["fit_rounds"]


def fit_rounds(
    rate: F64,
    dispersion: F64,
    weekday: F64,
    risk: float,
    place: tuple[F64, F64, npt.NDArray[np.float32]],
    zone_size: int = 30,
) -> list[tuple[int, ...]]:
    """Fit the weekdays of each zone: the fewest at which its mean chance of overflow is accepted.

    Parameters
    ----------
    place
        Positions of the containers and the distances between them.
    """
    x_m, y_m, distance_m = place
    return fit_patterns(rate, dispersion, weekday, risk, distance_m, zones_of(x_m, y_m, zone_size))
