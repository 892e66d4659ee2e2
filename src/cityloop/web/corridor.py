"""Junctions in a row: how far along each lies, and when it shows green to those who drive along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cityloop.domains.signals.schema import LinkKind
from cityloop.kernel.layout import Layout, Turn
from cityloop.web.cycles import stage_changes
from cityloop.wire.live import Tick

__all__ = ["corridor_of", "stages_along"]

_ALONG = 0.7
"""An approach leads along where the cosine between its street and the row of junctions is no less."""
_GREEN = (1, 2)


def corridor_of(layout: Layout, steps: Sequence[Tick], rows: Sequence[int]) -> dict[str, Any]:
    """Return each junction's place in the row, and ``[at_ms, stage, green along]`` wherever one of them changed."""
    xy = _places(layout, rows)
    along_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))]) if len(rows) > 1 else np.zeros(1)
    green = stages_along(layout, rows)
    return {
        "junctions": [{"row": row, "at_m": round(float(at), 1)} for row, at in zip(rows, along_m, strict=True)],
        "stages": {
            str(row): [[at_ms, stage, stage in green[row]] for at_ms, stage, _ in stage_changes(steps, row)]
            for row in rows
        },
    }


def stages_along(layout: Layout, rows: Sequence[int]) -> dict[int, frozenset[int]]:
    """Return for each junction the stages in which somebody who drives from the first to the last has green."""
    assets, approaches, edges = layout.tables["signals"], layout.approaches, layout.edges
    c, links = assets.controllers, assets.links
    xy = _places(layout, rows)
    found = {}
    for k, row in enumerate(rows):
        way = xy[min(k + 1, len(rows) - 1)] - xy[max(k - 1, 0)]
        first, last = int(c.link_begin[row]), int(c.link_end[row])
        mine = []
        for link in range(first, last):
            approach = int(links.approach[link])
            if links.kind[link] == LinkKind.CROSSING or approach < 0:
                continue
            edge = int(layout.lanes.edge[approaches.lane[approach]])
            heading = np.array([edges.x1_m[edge] - edges.x0_m[edge], edges.y1_m[edge] - edges.y0_m[edge]])
            size = float(np.hypot(*heading) * np.hypot(*way))
            if size > 0 and float(heading @ way) >= _ALONG * size:
                mine.append(link)
        ahead = [link for link in mine if links.turn[link] == Turn.STRAIGHT] or mine
        stages, n = range(int(c.stage_end[row] - c.stage_begin[row])), last - first
        at = int(c.lamps_begin[row])
        found[row] = frozenset(
            stage
            for stage in stages
            if any(int(assets.lamps[at + stage * n + link - first]) in _GREEN for link in ahead)
        )
    return found


def _places(layout: Layout, rows: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.stack([layout.junctions.x_m[list(rows)], layout.junctions.y_m[list(rows)]], axis=1)
