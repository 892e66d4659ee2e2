"""Names, units and places of streams, read from the metadata database beside a running server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from cityloop.kernel.errors import StoreError

__all__ = ["StreamFact", "stream_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFact:
    """What a stream is called and where it stands."""

    name: str
    unit: str
    lon_deg: float
    lat_deg: float
    kind: int


def stream_facts(database: Path) -> dict[int, StreamFact]:
    """Return what is known of every stream, by row; nothing when there is no such database."""
    if not database.exists():
        return {}
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5_000)
    try:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT id, coalesce(external_name, id), coalesce(unit_symbol, ''), lon_deg, lat_deg, kind FROM datastreams"
        ).fetchall()
    except apsw.Error as error:
        raise StoreError(f"{database}: cannot be read: {error}") from error
    finally:
        connection.close()
    return {int(row[0]): _fact(*row[1:]) for row in rows}


def _fact(name: Any, unit: Any, lon_deg: Any, lat_deg: Any, kind: Any) -> StreamFact:
    return StreamFact(
        name=str(name),
        unit=str(unit),
        lon_deg=math.nan if lon_deg is None else float(lon_deg),
        lat_deg=math.nan if lat_deg is None else float(lat_deg),
        kind=int(kind),
    )
