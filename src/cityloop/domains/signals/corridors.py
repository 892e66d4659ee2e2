"""Green corridors: what is known of the units that asked to pass, one claim a unit and junction.

A request is checked, becomes a claim, and lives for as long as it is sent again. Claims hold what the policy weighs and
the guard bounds; nothing here proposes a stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.signals.giving_way import rivals_of
from cityloop.domains.signals.tables import SignalTables
from cityloop.kernel.columns import BOOL, I32
from cityloop.kernel.layout import Layout, Passages
from cityloop.kernel.messages import PassJunction, RequestStatus

__all__ = [
    "DEFAULT",
    "NO_CORRIDORS",
    "Before",
    "Claim",
    "CorridorParams",
    "Corridors",
    "Recovery",
    "Way",
    "full_lanes",
    "lead_s",
    "serving_stage",
    "upstream_of",
    "way_over",
]


@dataclass(frozen=True, slots=True)
class CorridorParams:
    """How corridors are kept short. Set on the project's own networks; see ``docs/emergency.md``."""

    hold_cap_s: float = 40.0
    """Longest that a junction is led for one unit. [s]"""
    lock_s: float = 30.0
    """After that, others go first for this long. [s]"""
    lead_most_s: float = 15.0
    """A queue before the unit is given no longer than this to leave. [s]"""
    margin_s: float = 4.0
    """The green begins this much earlier than the queue needs: a driver brakes before a red that far ahead. [s]"""
    opposed_most_s: float = 20.0
    """A stream that the unit must give way to is given no longer than this to pass. [s]"""
    no_gap_s: float = 30.0
    """A way that must give way for longer than this is not led from afar: no green would help. [s]"""
    at_line_m: float = 60.0
    """Nearer than this to the stop line it is led all the same, for a few seconds at a time. [m]"""
    stuck_s: float = 7.0
    """A unit is stuck that does not come forward for so long under green, once those before it could start. [s]"""
    releases: int = 4
    """How often a green that must give way is ended for one unit."""
    keep_s: float = 12.0
    """No change is put off for a unit that is farther away than this. [s]"""
    start_loss_s: float = 2.0
    """From green to the first vehicle's start. [s]"""
    slow_mps: float = 4.0
    """Vehicles slower than this stand in the unit's way. [m/s]"""
    recover_s: float = 15.0
    """Within this time the exit stage begins, or the ordinary control goes on. [s]"""
    full_frac: float = 0.8
    """A lane is full when standing vehicles take up this share of it. [1]"""
    area_full_frac: float = 0.35
    """Corridors yield when this share of the approaches around is full. [1]"""
    area_m: float = 500.0
    rail_s: float = 8.0
    """A tram that near goes first. [s]"""
    position_s: float = 10.0
    """A unit not located for longer gets nothing. [s]"""
    reach_m: float = 2500.0
    """A unit farther upstream than this is not on its way to the junction yet. [m]"""
    refusals: int = 10
    """After this many refusals within a minute a sender is not listened to."""
    most_junctions: int = 8
    """A unit may ask for so many junctions at once."""

    def __post_init__(self) -> None:
        """Refuse nonsense, above all a hold without a bound."""
        if not 5 <= self.hold_cap_s <= 90:
            raise ValueError(f"hold_cap_s {self.hold_cap_s} s, must be 5 to 90.")
        for name in ("lead_most_s", "opposed_most_s", "keep_s"):
            if not 0 <= getattr(self, name) <= self.hold_cap_s:
                raise ValueError(f"{name} {getattr(self, name)} s, must be 0 to hold_cap_s.")


DEFAULT = CorridorParams()
_YIELDING = 0.55
"""Worth of a green that must give way, of a protected one."""
_CLEARS = 0.3
"""Worth of a stage that only lets those before the unit go."""
_MOST_BEFORE = 3
"""Of more vehicles than these the farther ones are not told apart."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way over a junction: the links that it may take, and the lanes that lead to them."""

    links: tuple[int, ...]
    approaches: tuple[int, ...]
    """Lanes by which the unit may come."""
    beside: tuple[int, ...]
    """All lanes of the street that it comes by: who stands on another one may be in its way too."""
    exit_group: int
    """Approach group of the next signal, -1 where there is none near."""


@dataclass(frozen=True, slots=True)
class Before:
    """Vehicles before a unit on one lane."""

    count: int
    wants: tuple[tuple[int, float], ...]
    """Links that the lane leads to, and the share of its vehicles that takes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An admitted request."""

    junction: int
    sender: str
    priority: int
    action: PassJunction
    way: Way
    upstream: frozenset[int]
    """Edges from which the junction can be reached by the way asked for."""
    expires_ms: int
    since_ms: int
    """When it was admitted."""
    stage: int
    """The stage that serves it."""
    arrives_ms: int
    """As the sender said, later by what holds the unit up at junctions before."""
    before: tuple[Before, ...] = ()
    """Who is before the unit, by lane that it may come by."""
    queue_s: float = 0.0
    """Time that those before the unit need to leave under green. [s]"""
    opposed_s: float = 0.0
    """Time from green until the unit finds a gap in the streams that it must give way to; 0 for a protected way. [s]"""
    best_m: float = -1.0
    """How far along the street it comes by it has been seen. [m]"""
    best_ms: int = -1
    """When it was last seen to come forward there; -1 before it was there."""
    release: int = -1
    """Stage that ends a green in which the unit is stuck, asked for until ``locked_ms``; -1 while there is no need."""
    released: int = 0
    """How often that was done."""
    served_ms: int = -1
    """Since when the junction is led for it; -1 while it is not."""
    locked_ms: int = -1
    """Until when others go first; -1 when it was not served for too long."""
    yields: int = 0
    """``Rule`` by which it is not served now, 0 for none."""
    status: int = int(RequestStatus.PROCESSING)
    exit_stage: int = -1
    """Goes next once the unit is through."""

    @property
    def unit(self) -> int:
        """Row of the unit."""
        return self.action.unit

    @property
    def key(self) -> tuple[int, int]:
        """Junction and unit: a claim's identity."""
        return self.junction, self.action.unit


@dataclass(frozen=True, slots=True)
class Recovery:
    """A junction that a unit has passed, and the stage that goes next."""

    junction: int
    stage: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Corridors:
    """Everything known of requests."""

    claims: tuple[Claim, ...] = ()
    """By junction, whoever goes first there first."""
    recoveries: tuple[Recovery, ...] = ()
    refused: tuple[tuple[str, int, int, int, int], ...] = ()
    """Refusals of the last minute: sender, junction, unit, rule and instant."""

    def leading(self, junction: int) -> Claim | None:
        """Return the claim that goes first at a junction."""
        return next((claim for claim in self.claims if claim.junction == junction), None)

    @property
    def leaders(self) -> tuple[Claim, ...]:
        """The first claim of every junction that has one."""
        seen: set[int] = set()
        first = []
        for claim in self.claims:
            if claim.junction not in seen:
                seen.add(claim.junction)
                first.append(claim)
        return tuple(first)


NO_CORRIDORS = Corridors()


def way_over(layout: Layout, junction: int, from_edge: int, to_edge: int) -> Way | None:
    """Return the way from one edge to another over a junction; None where there is none."""
    passages: Passages = layout.tables["passages"]
    rows = np.flatnonzero((passages.from_edge == from_edge) & (passages.to_edge == to_edge) & (passages.link >= 0))
    links = tuple(sorted({int(link) for link in passages.link[rows]}))
    movements, approaches = layout.movements, layout.approaches
    taken = np.flatnonzero(np.isin(movements.link, links))
    taken = taken[approaches.junction[movements.approach[taken]] == junction]
    if len(taken) == 0:
        return None
    edge_of = layout.lanes.edge[approaches.lane]
    lanes = sorted({int(a) for a in movements.approach[taken] if edge_of[int(a)] == from_edge})
    if not lanes:
        return None
    beside = np.flatnonzero((edge_of == from_edge) & (approaches.junction == junction))
    onward = [int(group) for group in movements.next_group[taken] if group >= 0]
    return Way(links, tuple(lanes), tuple(beside.tolist()), onward[0] if onward else -1)


def upstream_of(layout: Layout, edge: int, reach_m: float) -> frozenset[int]:
    """Return the edges from which an edge's end can be reached within a distance, the edge itself included."""
    passages: Passages = layout.tables["passages"]
    length_m = layout.edges.length_m
    into: dict[int, list[int]] = {}
    for source, target in zip(passages.from_edge.tolist(), passages.to_edge.tolist(), strict=True):
        into.setdefault(target, []).append(source)
    far_m = {edge: 0.0}
    front = [edge]
    while front:
        reached: list[int] = []
        for one in front:
            at_m = far_m[one] + float(length_m[one])
            for source in into.get(one, ()):
                if at_m <= reach_m and at_m < far_m.get(source, float("inf")):
                    far_m[source] = at_m
                    reached.append(source)
        front = reached
    return frozenset(far_m)


def serving_stage(
    tables: SignalTables,
    way: Way,
    junction: int,
    shown: int,
    also: Iterable[int] = (),
    before: Sequence[Before] = (),
) -> int:
    """Return the stage that serves a way best, -1 where none does.

    A protected green on its own links counts most, if whoever stands before it can leave as well: a green arrow helps
    nobody behind one who waits for the light beside it. Then whoever else stands on the same street, then links of a
    second request, then a short change from what is shown.

    Parameters
    ----------
    before
        Who is before the unit, by lane that it may come by.

    """
    service = tables.service[junction] & ~tables.conflict[junction]
    begin = tables.assets.controllers.link_begin[junction]
    end = tables.assets.controllers.link_end[junction]
    approach_of = tables.assets.links.approach
    beside = [link for link in range(begin, end) if int(approach_of[link]) in way.beside and link not in way.links]
    held_up = any(one.count for one in before)
    best, most = -1, 0.0
    for stage in range(int(tables.n_stages[junction])):
        if not service[stage]:
            continue
        own, leave = _green(tables, way.links, stage), _leaving(tables, before, stage)
        if leave == 0.0 or (own == 0.0 and not held_up):
            continue
        worth = 10.0 * leave * (own if not held_up else _CLEARS + (1.0 - _CLEARS) * own)
        worth += _green(tables, beside, stage) * 2.0 + _green(tables, tuple(also), stage) * 4.0 * (own > 0.0)
        if shown >= 0:
            worth -= float(tables.intergreen_s[junction, shown, stage]) * 0.1
        if worth > most:
            best, most = stage, worth
    return best


def _leaving(tables: SignalTables, before: Sequence[Before], stage: int) -> float:
    """Return the chance that those before the unit all have a green in a stage; 1 where nobody is."""
    chances = [
        sum(share * min(_green(tables, (link,), stage) / _YIELDING, 1.0) for link, share in one.wants)
        ** min(one.count, _MOST_BEFORE)
        for one in before
        if one.count
    ]
    return sum(chances) / len(chances) if chances else 1.0


def _green(tables: SignalTables, links: Iterable[int], stage: int) -> float:
    """Return the mean worth of a stage for links: 1 where nobody has to be given way to, else a little over a half."""
    total, count = 0.0, 0
    for link in links:
        lamp, count = int(tables.lamps[link, stage]), count + 1
        if lamp == 2:
            total += 1.0
        elif lamp == 1:
            # A lamp that only says to give way is as good as a protected one where nobody is there to give way to.
            junction = int(tables.assets.links.junction[link])
            total += _YIELDING if rivals_of(tables, junction, (link,), stage) else 1.0
    return total / max(count, 1)


def lead_s(claim: Claim, tables: SignalTables, shown: int, params: CorridorParams) -> float:
    """Return how long before the unit's arrival its stage must be asked for. [s]."""
    change_s = 0.0
    if shown >= 0 and shown != claim.stage:
        change_s = float(tables.intergreen_s[claim.junction, shown, claim.stage])
    queue_s = min(claim.queue_s, params.lead_most_s)
    return change_s + max(queue_s, min(claim.opposed_s, params.opposed_most_s)) + params.margin_s


def full_lanes(standing: I32, layout: Layout, reach_m: np.ndarray, params: CorridorParams) -> BOOL:
    """Tell of each approach lane whether standing vehicles fill what is seen of it; of a short one it is not known."""
    seen_m = np.minimum(reach_m, layout.approaches.zone_m)
    return np.asarray((seen_m >= 30.0) & (standing * 7.5 >= params.full_frac * seen_m), np.bool_)
