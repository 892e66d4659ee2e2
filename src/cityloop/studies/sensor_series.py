"""Values of imagined sensors from the detectors of a twin."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from cityloop import app
from cityloop.kernel.errors import InputError
from cityloop.storage.recorded_series import Series, series_of_batches

__all__ = ["twin_series"]


def twin_series(city: str, *, seconds: int, seed: int) -> Series:
    """Run a city's twin under the programs it ships with, and return what its detectors said, a value a second."""
    batches = []
    with TemporaryDirectory(prefix="cityloop-twin-") as folder:
        spec = app.RunSpec(city=city, out=Path(folder) / "run", control="shipped", sensing="loops", seed=seed)
        with app.open_run(spec) as opened:
            begin_ms = opened.params.begin_ms
            for second in range(1, seconds + 1):
                seen = opened.city.observe(begin_ms + 1000 * second)
                batches.append(seen.batch)
                if seen.ended:
                    break
    if not any(len(batch) for batch in batches):
        raise InputError(f"{city}: its detectors said nothing in {seconds} s")
    return series_of_batches(batches, city)
