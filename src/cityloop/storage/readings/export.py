"""Stored readings as tables of other tools: Arrow, Parquet, CSV, and data frames where pandas is there."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import RollUps
from cityloop.storage.stream_facts import StreamFact

__all__ = ["csv_text", "facts_table", "geo_frame", "readings_table", "rollups_table", "to_frame", "write_table"]


def readings_table(batch: Batch, facts: dict[int, StreamFact]) -> Any:
    """Return Arrow's table of readings: names and units where they are known, instants as UTC timestamps."""
    import pyarrow as pa

    return pa.table(
        {
            "stream": batch.stream,
            **_fact_columns(batch.stream, facts),
            "observed_at": pa.array(batch.observed_at_ms, pa.timestamp("ms", "UTC")),
            "received_at": pa.array(batch.received_at_ms, pa.timestamp("ms", "UTC")),
            "value": batch.value,
            "quality": batch.quality,
        }
    )


def rollups_table(rollups: RollUps, facts: dict[int, StreamFact]) -> Any:
    """Return Arrow's table of 5-minute roll-ups."""
    import pyarrow as pa

    return pa.table(
        {
            "stream": rollups.stream,
            **_fact_columns(rollups.stream, facts),
            "begin": pa.array(rollups.begin_ms, pa.timestamp("ms", "UTC")),
            **{name: getattr(rollups, name) for name in ("count", "mean", "low", "high", "last")},
        }
    )


def write_table(table: Any, path: Path) -> None:
    """Write a table as Parquet or CSV, by the file's ending; whole, or not at all."""
    import pyarrow.csv
    import pyarrow.parquet

    beside = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, beside, compression="zstd")
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, beside)
    else:
        raise InputError(f"{path}: ending {path.suffix!r}, must be .parquet or .csv.")
    beside.replace(path)


def facts_table(facts: dict[int, StreamFact]) -> Any:
    """Return Arrow's table of streams."""
    import pyarrow as pa

    rows = sorted(facts)
    return pa.table(
        {
            "stream": pa.array(rows, pa.int32()),
            "name": pa.array([facts[row].name for row in rows], pa.string()),
            "unit": pa.array([facts[row].unit for row in rows], pa.string()),
            "lon_deg": pa.array([facts[row].lon_deg for row in rows], pa.float64()),
            "lat_deg": pa.array([facts[row].lat_deg for row in rows], pa.float64()),
            "kind": pa.array([facts[row].kind for row in rows], pa.uint8()),
        }
    )


def csv_text(table: Any) -> str:
    """Return a table as CSV."""
    import pyarrow as pa
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink)
    text: str = sink.getvalue().to_pybytes().decode()
    return text


def to_frame(table: Any) -> Any:
    """Return a pandas data frame of a table; pandas must be installed."""
    # Looked for first, because Arrow tells a longer story.
    if find_spec("pandas") is None:
        raise InputError("A data frame needs pandas: pip install pandas.")
    return table.to_pandas()


def geo_frame(table: Any, facts: dict[int, StreamFact]) -> Any:
    """Return a GeoDataFrame (WGS 84) of a table, each row at its stream's place; geopandas must be installed."""
    if find_spec("geopandas") is None:
        raise InputError("A geo data frame needs geopandas: pip install geopandas.")
    geopandas: Any = import_module("geopandas")
    frame = to_frame(table)
    nowhere = StreamFact(name="", unit="", lon_deg=float("nan"), lat_deg=float("nan"), kind=0)
    places = [facts.get(int(stream), nowhere) for stream in frame["stream"]]
    points = geopandas.points_from_xy([p.lon_deg for p in places], [p.lat_deg for p in places])
    return geopandas.GeoDataFrame(frame, geometry=points, crs="EPSG:4326")


def _fact_columns(stream: Any, facts: dict[int, StreamFact]) -> dict[str, Any]:
    if not facts:
        return {}
    import pyarrow as pa

    rows, place = np.unique(stream, return_inverse=True)
    columns = {}
    for name in ("name", "unit"):
        known = [getattr(facts[row], name) if row in facts else "" for row in rows.tolist()]
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(place, pa.int32()), pa.array(known, pa.string()))
    return columns
