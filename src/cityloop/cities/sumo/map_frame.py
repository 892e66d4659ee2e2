"""How a network's metres lie on the globe, as its file tells."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from cityloop.methods.utm import MapFrame

__all__ = ["read_frame"]

_ZONE = re.compile(r"\+zone=(\d{1,2})(?:\s|$)")


def read_frame(net_file: Path) -> MapFrame | None:
    """Return the frame of a network that was drawn in a UTM zone; None for any other."""
    with gzip.open(net_file) if net_file.suffix == ".gz" else net_file.open("rb") as source:
        for _, element in ET.iterparse(source, ("start",)):
            if element.tag == "location":
                return _of(element.get("projParameter", ""), element.get("netOffset", ""))
            if element.tag in ("edge", "junction", "tlLogic"):
                return None
    return None


def _of(projection: str, offset: str) -> MapFrame | None:
    found = _ZONE.search(projection)
    if "+proj=utm" not in projection or found is None or not 1 <= int(found.group(1)) <= 60:
        return None
    try:
        east_m, north_m = (float(part) for part in offset.split(","))
    except ValueError:
        return None
    return MapFrame(int(found.group(1)), "+south" in projection, east_m, north_m)
