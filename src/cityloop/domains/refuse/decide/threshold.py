"""Empty what is fuller than a threshold: the rule of most sensor dashboards, and a rival."""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import F64, I64

__all__ = ["choose"]


def choose(reading: F64, expected: F64, threshold: float) -> I64:
    """Choose every container whose sensor says so, or where it is silent whose history does.

    Parameters
    ----------
    reading
        This morning's words of the sensors, NaN where silent. [1]
    expected
        What the container's history lets expect since it was emptied. [1]
    """
    return np.flatnonzero(np.where(np.isnan(reading), expected, reading) >= threshold)
