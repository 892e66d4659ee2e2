"""Population density from a GeoTIFF: uncompressed strips of one band, which is what JEMSS cities ship.

A small reader of our own rather than a dependency of hundreds of megabytes; what it cannot read it names.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import LayoutError

__all__ = ["Raster", "read_raster", "tiff_cells"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _COUNTS, _FORMAT = 256, 257, 258, 259, 273, 277, 279, 339
_SCALE, _TIEPOINT = 33550, 33922
_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 5: "Q", 12: "d"}


@dataclass(frozen=True, slots=True)
class Raster:
    """Cells with a weight above zero."""

    west_deg: F64
    south_deg: F64
    weight: F64
    width_deg: float
    height_deg: float


def read_raster(folder: Path) -> Raster:
    """Read the one raster of a city folder, a ``.tif`` as it is or in a zip archive."""
    loose = sorted(folder.glob("*.tif"))
    if loose:
        return tiff_cells(loose[0].read_bytes(), str(loose[0]))
    for packed in sorted(folder.glob("*.zip")):
        try:
            with zipfile.ZipFile(packed) as archive:
                inside = [name for name in archive.namelist() if name.endswith(".tif")]
                if inside:
                    return tiff_cells(archive.read(inside[0]), f"{packed}:{inside[0]}")
        except zipfile.BadZipFile as error:
            raise LayoutError(f"{packed}: not a zip archive ({error}).") from error
    raise LayoutError(f"{folder}: no population raster, neither *.tif nor a zip archive that holds one.")


def tiff_cells(content: bytes, where: str) -> Raster:
    """Return the cells of a single-band GeoTIFF."""
    try:
        tags, order = _tags(content)
        pixels = _pixels(content, tags, order)
        scale, tie = tags[_SCALE], tags[_TIEPOINT]
    except (struct.error, KeyError, ValueError, IndexError) as error:
        raise LayoutError(
            f"{where}: cannot be read ({error!r}); must be an uncompressed single-band GeoTIFF in strips."
        ) from error
    kept = np.isfinite(pixels) & (pixels > 0)
    row, column = np.nonzero(kept)
    width_deg, height_deg = float(scale[0]), float(scale[1])
    return Raster(
        west_deg=tie[3] + column.astype(np.float64) * width_deg,
        south_deg=tie[4] - (row + 1.0) * height_deg,
        weight=pixels[kept].astype(np.float64),
        width_deg=width_deg,
        height_deg=height_deg,
    )


def _tags(content: bytes) -> tuple[dict[int, tuple[Any, ...]], str]:
    order = {b"II": "<", b"MM": ">"}[content[:2]]
    magic, at = struct.unpack(order + "HI", content[2:8])
    if magic != 42:
        raise ValueError("not a TIFF file")
    (count,) = struct.unpack(order + "H", content[at : at + 2])
    tags: dict[int, tuple[Any, ...]] = {}
    for k in range(count):
        entry = content[at + 2 + 12 * k : at + 14 + 12 * k]
        tag, kind, number = struct.unpack(order + "HHI", entry[:8])
        if kind not in _TYPES:
            continue
        form = f"{order}{number}{_TYPES[kind]}"
        size = struct.calcsize(form)
        begin = struct.unpack(order + "I", entry[8:])[0] if size > 4 else at + 2 + 12 * k + 8
        tags[tag] = struct.unpack(form, content[begin : begin + size])
    return tags, order


def _pixels(content: bytes, tags: dict[int, tuple[Any, ...]], order: str) -> F64:
    if tags.get(_COMPRESSION, (1,))[0] != 1:
        raise ValueError(f"compression {tags[_COMPRESSION][0]}")
    if tags.get(_SAMPLES, (1,))[0] != 1:
        raise ValueError(f"{tags[_SAMPLES][0]} bands")
    letter = {1: "u", 2: "i", 3: "f"}[tags.get(_FORMAT, (1,))[0]]
    kind = np.dtype(f"{order}{letter}{tags[_BITS][0] // 8}")
    strips = zip(tags[_OFFSETS], tags[_COUNTS], strict=True)
    joined = b"".join(content[begin : begin + size] for begin, size in strips)
    return np.frombuffer(joined, kind).reshape(tags[_HEIGHT][0], tags[_WIDTH][0]).astype(np.float64)
