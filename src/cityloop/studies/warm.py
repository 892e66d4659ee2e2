"""Compile what a first run would compile, so that its first decision does not wait for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["warm_up"]

_ENOUGH_S = 180.0
"""Until queues have been seen, searched and served."""
_PLANNED_S = 110.0
"""Until a round has been planned and told."""


def warm_up() -> Path:
    """Run the toy city under every control that decides, and services for a moment; return where the code lies."""
    from cityloop.app import LEASED_ARMS, RunSpec, run
    from cityloop.cities.toy.assets import ToyParams
    from cityloop.engine.compiled import compiled_folder

    begin_s = ToyParams().begin_s
    with tempfile.TemporaryDirectory(prefix="cityloop-warm-") as folder:
        for control in LEASED_ARMS:
            out = Path(folder, control)
            run(RunSpec(city="toy", control=control, out=out, end_s=begin_s + _ENOUGH_S))
        # The toy has no ambulances and trucks: the first plan of a round is made a minute and a half after the begin.
        run(RunSpec(city="adlershof", control="brain", out=Path(folder, "services"), end_s=_PLANNED_S))
    return compiled_folder()
