"""The rows of ``cityloop bench sensing``: what is measured, against which number, and where the code is.

A further row joins ``ROWS`` with the module and the function that measures it; it takes a ``RowSpec``, returns
``Figure`` values and is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from cityloop.kernel.errors import ConfigError

__all__ = ["ROWS", "Figure", "RowSpec", "measure_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpec:
    """How a row is measured."""

    folder: Path
    """An empty folder that the row may fill; it is removed afterwards."""
    scale: float = 1.0
    """Part of the row's full size; every figure tells when it is not 1."""
    seconds: float = 60.0
    """How long rates are held."""
    seed: int = 1
    say: Callable[[str], None] = lambda _: None
    """Told of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that was measured."""

    row: str
    what: str
    value: float
    unit: str
    bound: float | None = None
    """The number to reach, where there is one."""
    more_is_better: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the number is reached; None where there is none."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.more_is_better else self.value <= self.bound


ROWS: dict[str, str] = {
    "append": "cityloop.studies.bench_store:append",
    "storage": "cityloop.studies.bench_store:storage",
    "day": "cityloop.studies.bench_store_day:day",
    "kills": "cityloop.studies.bench_store:kills",
    "power-cuts": "cityloop.studies.bench_store:power_cuts",
    "metadata-cuts": "cityloop.studies.bench_store:metadata_cuts",
    "postgresql": "cityloop.studies.bench_store_peers:postgresql",
    "mosquitto": "cityloop.studies.bench_mqtt_peer:mosquitto",
    "arrow": "cityloop.studies.bench_ingest:arrow",
    "acknowledge": "cityloop.studies.bench_ingest:acknowledge",
    "data-arrays": "cityloop.studies.bench_ingest:data_arrays",
    "mqtt": "cityloop.studies.bench_ingest:mqtt",
    "mqtt-acknowledged": "cityloop.studies.bench_ingest:mqtt_acknowledged",
    "overload": "cityloop.studies.bench_ingest:overload",
}
"""Where each row is measured, ``module:function``."""


def measure_row(name: str, spec: RowSpec) -> list[Figure]:
    """Measure one row."""
    if name not in ROWS:
        raise ConfigError(f"--row {name}: is none of {', '.join(ROWS)}.")
    module, function = ROWS[name].split(":")
    figures: list[Figure] = getattr(import_module(module), function)(spec)
    return figures
