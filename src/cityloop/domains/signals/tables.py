"""Queues and classes: the signal assets arranged for the searches.

A queue is where somebody waits in order: an approach lane, or a crossing. A class is what its users may want: the
movements of one lane that every stage shows the same lamp. Most lanes have one class; a lane
shared by two turns with lamps of their own has two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.schema import LinkKind, SignalAssets
from cityloop.kernel.columns import BOOL, F64, I32, U8
from cityloop.kernel.layout import Layout
from cityloop.methods.clearance import ceding, held_green_s

__all__ = ["WALK_M", "SignalTables", "build_tables"]

WALK_M = 1000.0
"""Crossings so near one another are taken on one walk: some fifteen minutes. [m]"""


@dataclass(frozen=True, slots=True)
class SignalTables:
    """Assets in the searches' shape. Queues of a junction are contiguous, approaches before crossings."""

    assets: SignalAssets
    n_stages: I32
    """Per junction."""
    queue_begin: I32
    queue_end: I32
    queue_approach: I32
    """Approach row of each queue, -1 for a crossing."""
    queue_link: I32
    """Crossing link of each queue, -1 for an approach."""
    queue_rail: BOOL
    class_begin: I32
    """First class of each queue; classes of a queue are contiguous."""
    class_end: I32
    class_queue: I32
    class_lamp: U8
    """Lamp of each class in each local stage, shape (n_classes, most_stages)."""
    class_of_movement: I32
    """Class of each movement row."""
    foe_begin: I32
    """Per class, its range in ``foe_class``: the classes it must give way to."""
    foe_end: I32
    foe_class: I32
    intergreen_s: F64
    """Shape (n_junctions, most_stages, most_stages)."""
    held_s: F64
    """How long vehicles keep their green in a change while people clear a crossing, same shape. [s]"""
    service: BOOL
    """Shape (n_junctions, most_stages)."""
    min_green_s: F64
    """Shape (n_junctions, most_stages)."""
    lamps: U8
    """Lamp of each link in each local stage, shape (n_links, most_stages)."""
    reach_m: F64
    """How far upstream each approach is seen at the city's sensing level. [m]"""
    sharing_begin: I32
    """Per approach (and one more): range in ``sharing_queue`` of the queues whose upstream traffic its zone sees."""
    sharing_queue: I32
    in_doubt: bool
    """Whether any vehicle's turn, or its lane before a pocket, has to be drawn."""
    group_size: I32
    """Approach lanes of each group."""
    servable: BOOL
    """Per link, whether a service stage shows it green."""
    link_approach: I32
    """Per link, the approach whose live zone tells whether anybody waits for it; -1 where none can: a crossing, any
    link of a junction with crossings (people on foot are not seen), or sensing that sees only a share."""
    round_s: F64
    """Per junction, an upper bound on the time to serve every service stage once at its least. [s]"""
    near_begin: I32
    """Per junction (and one more): range in ``near``."""
    near: I32
    """Junctions within ``WALK_M`` of each, itself among them."""
    conflict: BOOL
    """Whether a stage shows two protected greens to foes that no shipped stage shows together, shape (n_junctions,
    most_stages)."""


def build_tables(layout: Layout) -> SignalTables:
    """Arrange the signal assets of a layout."""
    assets: SignalAssets = layout.tables["signals"]
    controllers, links, movements = assets.controllers, assets.links, assets.movements
    n_junctions = len(controllers.link_begin)
    n_stages = (controllers.stage_end - controllers.stage_begin).astype(np.int32)
    most = int(n_stages.max(initial=1))
    intergreen_s = np.zeros((n_junctions, most, most))
    held_s = np.zeros_like(intergreen_s)
    service = np.zeros((n_junctions, most), np.bool_)
    min_green_s = np.full((n_junctions, most), 5.0)
    lamps = np.zeros((len(links.junction), most), np.uint8)
    conflict = np.zeros((n_junctions, most), np.bool_)
    queues: list[tuple[int, int, bool]] = []
    queue_begin, queue_end, class_begin, class_end = [], [], [], []
    class_queue: list[int] = []
    class_lamp: list[bytes] = []
    class_links: list[list[int]] = []
    class_of_movement = np.zeros(len(movements.link), np.int32)
    foes: list[list[int]] = []
    for j in range(n_junctions):
        s = int(n_stages[j])
        lo, hi = int(controllers.link_begin[j]), int(controllers.link_end[j])
        n = hi - lo
        at = int(controllers.lamps_begin[j])
        shown = assets.lamps[at : at + n * s].reshape(s, n)
        lamps[lo:hi, :s] = shown.T
        at = int(controllers.intergreen_begin[j])
        intergreen_s[j, :s, :s] = assets.intergreen_s[at : at + s * s].reshape(s, s)
        rows = slice(int(controllers.stage_begin[j]), int(controllers.stage_end[j]))
        service[j, :s] = assets.stages.service[rows]
        min_green_s[j, :s] = assets.stages.min_green_s[rows]
        at = int(controllers.matrix_begin[j])
        foe = assets.matrices.foe[at : at + n * n].reshape(n, n)
        yields = assets.matrices.yields[at : at + n * n].reshape(n, n)
        together = assets.matrices.shipped_together[at : at + n * n].reshape(n, n)
        crossing = links.kind[lo:hi] == LinkKind.CROSSING
        if crossing.any():
            all_red_s = float(controllers.all_red_s[j])
            yellow_s, clearance_s = links.yellow_s[lo:hi], links.clearance_s[lo:hi]
            held_s[j, :s, :s] = _held(
                intergreen_s[j, :s, :s], shown, crossing, foe, yields, yellow_s, clearance_s, all_red_s
            )
        for stage in range(s):
            protected = shown[stage] == 2
            conflict[j, stage] = bool((foe & ~together & np.outer(protected, protected)).any())
        queue_begin.append(len(queues))
        first_class = len(class_queue)
        for approach in range(int(controllers.approach_begin[j]), int(controllers.approach_end[j])):
            class_begin.append(len(class_queue))
            seen: dict[bytes, int] = {}
            m0, m1 = (
                int(assets.approaches.movement_begin[approach]),
                int(assets.approaches.movement_end[approach]),
            )
            rail = m1 > m0
            for m in range(m0, m1):
                link = int(movements.link[m])
                rail &= bool(links.kind[link] == LinkKind.RAIL)
                key = lamps[link].tobytes()
                if key not in seen:
                    seen[key] = len(class_queue)
                    class_queue.append(len(queues))
                    class_lamp.append(key)
                    class_links.append([])
                class_of_movement[m] = seen[key]
                class_links[seen[key]].append(link)
            class_end.append(len(class_queue))
            queues.append((approach, -1, rail))
        for link in range(lo, hi):
            if links.kind[link] == LinkKind.CROSSING and lamps[link].any():
                class_begin.append(len(class_queue))
                class_queue.append(len(queues))
                class_lamp.append(lamps[link].tobytes())
                class_links.append([link])
                class_end.append(len(class_queue))
                queues.append((-1, link, False))
        queue_end.append(len(queues))
        for c in range(first_class, len(class_queue)):
            mine = class_links[c]
            foes.append(
                [
                    d
                    for d in range(first_class, len(class_queue))
                    if d != c
                    and class_queue[d] != class_queue[c]
                    and yields[np.ix_([i - lo for i in mine], [i - lo for i in class_links[d]])].any()
                ]
            )
    queue_of = {approach: q for q, (approach, _, _) in enumerate(queues) if approach >= 0}
    sharing: list[list[int]] = [[] for _ in assets.approaches.lane]
    for approach, owner in enumerate(assets.approaches.owner):
        if owner != approach:
            sharing[int(owner)].append(queue_of[approach])
    near = _near(layout)
    lengths = np.array([len(f) for f in foes], np.int32)
    ends = np.cumsum(lengths).astype(np.int32)
    return SignalTables(
        assets=assets,
        n_stages=n_stages,
        queue_begin=np.array(queue_begin, np.int32),
        queue_end=np.array(queue_end, np.int32),
        queue_approach=np.array([q[0] for q in queues], np.int32),
        queue_link=np.array([q[1] for q in queues], np.int32),
        queue_rail=np.array([q[2] for q in queues], np.bool_),
        class_begin=np.array(class_begin, np.int32),
        class_end=np.array(class_end, np.int32),
        class_queue=np.array(class_queue, np.int32),
        class_lamp=np.frombuffer(b"".join(class_lamp), np.uint8).reshape(-1, most).copy(),
        class_of_movement=class_of_movement,
        foe_begin=(ends - lengths).astype(np.int32),
        foe_end=ends,
        foe_class=np.array([d for f in foes for d in f], np.int32),
        intergreen_s=intergreen_s,
        held_s=held_s,
        service=service,
        min_green_s=min_green_s,
        lamps=lamps,
        conflict=conflict,
        near_begin=np.concatenate([[0], np.cumsum([len(rows) for rows in near])]).astype(np.int32),
        near=np.concatenate([*near, np.zeros(0, np.int32)]).astype(np.int32),
        link_approach=_vouching(assets),
        servable=(((lamps == 1) | (lamps == 2)) & service[links.junction]).any(axis=1),
        round_s=((min_green_s + intergreen_s.max(axis=2) + 1.0) * service).sum(axis=1),
        reach_m=np.minimum(assets.approaches.zone_m, _sensed_m(assets.sensing)),
        sharing_begin=np.concatenate([[0], np.cumsum([len(s) for s in sharing])]).astype(np.int32),
        sharing_queue=np.array([q for s in sharing for q in s], np.int32),
        in_doubt=any(sharing) or bool((np.array(class_end) - np.array(class_begin) > 1).any()),
        group_size=np.maximum(np.bincount(assets.approaches.group, minlength=1), 1).astype(np.int32),
    )


def _held(
    intergreen_s: F64,
    shown: U8,
    crossing: BOOL,
    foe: BOOL,
    yields: BOOL,
    yellow_s: F64,
    clearance_s: F64,
    all_red_s: float,
) -> F64:
    """Return how long vehicles keep their green in each change of a junction, shape (n_stages, n_stages). [s]."""
    green = (shown == 1) | (shown == 2)
    held = np.zeros_like(intergreen_s)
    for a, b in np.argwhere(intergreen_s > 0):
        losing = (green[a] & ~green[b]) | ceding(shown[a], shown[b], yields)
        gaining = (green[b] & ~green[a]) | ((shown[b] == 2) & (shown[a] != 2))
        clearing = losing & crossing & foe[:, gaining].any(axis=1)
        if (losing & ~crossing).any() and clearing.any():
            yellow_most_s = float(yellow_s[losing & ~crossing].max())
            needed_s = float(clearance_s[clearing].max())
            held[a, b] = held_green_s(float(intergreen_s[a, b]), needed_s, yellow_most_s, all_red_s)
    return held


def _near(layout: Layout) -> list[I32]:
    """Return per junction those within ``WALK_M``, itself among them."""
    x_m, y_m = layout.junctions.x_m, layout.junctions.y_m
    apart_m = (np.hypot(x_m - x, y_m - y) for x, y in zip(x_m.tolist(), y_m.tolist(), strict=True))
    return [np.flatnonzero(metres <= WALK_M).astype(np.int32) for metres in apart_m]


def _vouching(assets: SignalAssets) -> I32:
    """Return per link the approach that can vouch for its being empty, -1 for none."""
    links = assets.links
    found = np.full(len(links.junction), -1, np.int32)
    if assets.sensing.partition(":")[0] not in ("area", "truth"):
        return found
    found[assets.movements.link] = assets.movements.approach
    on_foot = np.unique(links.junction[links.kind == LinkKind.CROSSING])
    found[np.isin(links.junction, on_foot)] = -1
    return found


def _sensed_m(sensing: str) -> float:
    """Return how far a sensing level reaches, in m."""
    level, _, bound = sensing.partition(":")
    return float(bound) if level == "area" and bound else float("inf")
