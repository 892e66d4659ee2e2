"""Junctions written down in a test: their assets, and layouts with readings of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from cityloop.cities.sumo.stages import LAMP_OF, intergreens
from cityloop.domains.signals.schema import (
    Approaches,
    Controllers,
    LinkKind,
    Links,
    Matrices,
    Movements,
    SignalAssets,
    Stages,
)
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import columns_of
from cityloop.kernel.layout import Edges, Junctions, Lanes, Layout, StreamKind, Streams


@dataclass(frozen=True, slots=True)
class HandMade:
    """A junction written down in a test."""

    assets: SignalAssets
    stage_states: tuple[tuple[str, ...], ...]
    walks: frozenset[int]
    """Local links that are crossings."""


@pytest.fixture(scope="session")
def junction_of() -> Callable[..., HandMade]:
    """Write down one junction: its stages, crossings with their clearances, and pairs of links that cross."""

    def build(
        states: tuple[str, ...],
        *,
        clearance_s: dict[int, float],
        foes: tuple[tuple[int, int], ...],
        passed: tuple[int, ...] = (),
        all_red_s: float = 0.0,
        walk_s: float = 5.0,
        yellow_s: float = 3.0,
    ) -> HandMade:
        links, stages = len(states[0]), len(states)
        crossing = np.array([link in clearance_s for link in range(links)])
        clearing = np.array([clearance_s.get(link, 0.0) for link in range(links)])
        yellow = np.where(crossing, 0.0, yellow_s)
        foe = np.zeros((links, links), np.bool_)
        for one, other in foes:
            foe[one, other] = foe[other, one] = True
        walked = [any(state[link] == "G" for link in clearance_s) for state in states]
        zero = np.zeros(1, np.int32)
        unknown, nil = np.full(links, -1, np.int32), np.zeros(links)
        assets = SignalAssets(
            controllers=Controllers(
                link_begin=zero,
                link_end=zero + links,
                stage_begin=zero,
                stage_end=zero + stages,
                approach_begin=zero,
                approach_end=zero,
                matrix_begin=zero,
                lamps_begin=zero,
                intergreen_begin=zero,
                all_red_s=np.array([all_red_s]),
            ),
            links=Links(
                junction=np.zeros(links, np.int32),
                kind=np.where(crossing, LinkKind.CROSSING, LinkKind.VEHICLE).astype(np.int32),
                approach=unknown,
                turn=np.zeros(links, np.int32),
                yellow_s=yellow,
                length_m=nil,
                clearance_s=clearing,
                own_red_s=np.zeros(links),
                own_wait_s=np.zeros(links),
                next_group=unknown,
                next_distance_m=nil,
            ),
            stages=Stages(
                junction=np.zeros(stages, np.int32),
                service=np.array([stage not in passed for stage in range(stages)]),
                min_green_s=np.where(walked, walk_s, 5.0),
            ),
            approaches=Approaches(**{column.name: np.zeros(0, column.dtype) for column in columns_of(Approaches)}),
            movements=Movements(**{column.name: np.zeros(0, column.dtype) for column in columns_of(Movements)}),
            matrices=Matrices(foe.ravel(), foe.ravel(), np.zeros(links * links, np.bool_)),
            lamps=np.array([[LAMP_OF[lamp] for lamp in state] for state in states], np.uint8).ravel(),
            intergreen_s=intergreens(states, yellow, all_red_s, clearing, crossing, foe, foe).ravel(),
            sensing="area:150",
        )
        return HandMade(assets, (states,), frozenset(clearance_s))

    return build


@dataclass(frozen=True, slots=True)
class Crossroads:
    """One junction with its lanes, as a layout, and readings of it."""

    layout: Layout

    def batch(
        self,
        at_ms: int,
        *,
        scans: Mapping[int, Sequence[tuple[float, float]]] | None = None,
        stage: int | None = None,
        mode: int | None = None,
        calls: Mapping[int, bool] | None = None,
    ) -> Batch:
        """Return readings of one instant: objects (distance, speed) by approach, what is shown, who calls."""
        rows: list[tuple[StreamKind, int, float]] = []
        for approach, objects in (scans or {}).items():
            rows.append((StreamKind.OBJECT_COUNT, approach, float(len(objects))))
            rows += [(StreamKind.OBJECT_DISTANCE_M, approach, distance_m) for distance_m, _ in objects]
            rows += [(StreamKind.OBJECT_SPEED_MPS, approach, speed_mps) for _, speed_mps in objects]
        rows += [(StreamKind.STAGE_SHOWN, 0, float(stage))] if stage is not None else []
        rows += [(StreamKind.CONTROL_MODE, 0, float(mode))] if mode is not None else []
        rows += [(StreamKind.CROSSING_CALL, link, float(waits)) for link, waits in (calls or {}).items()]
        streams = self.layout.streams
        pairs = zip(streams.kind.tolist(), streams.asset.tolist(), strict=True)
        number = {pair: row for row, pair in enumerate(pairs)}
        instants = np.full(len(rows), at_ms, np.int64)
        return Batch(
            stream=np.array([number[int(kind), asset] for kind, asset, _ in rows], np.int32),
            observed_at_ms=instants,
            received_at_ms=instants.copy(),
            value=np.array([value for _, _, value in rows], np.float64),
            quality=np.zeros(len(rows), np.uint8),
        )


@pytest.fixture(scope="session")
def crossroads(junction_of: Callable[..., HandMade]) -> Callable[..., Crossroads]:
    """Write down one junction with its approach lanes, each the tuple of the links it leads to."""

    def build(
        states: tuple[str, ...],
        lanes: tuple[tuple[int, ...], ...],
        *,
        clearance_s: dict[int, float] | None = None,
        foes: tuple[tuple[int, int], ...] = (),
        yields: tuple[tuple[int, int], ...] = (),
        passed: tuple[int, ...] = (),
        groups: tuple[int, ...] | None = None,
        owners: tuple[int, ...] | None = None,
        own_m: float = 150.0,
        zone_m: float = 150.0,
        blind_m: float = 0.0,
        feeders: int = 0,
        leads_to: dict[int, tuple[int, float]] | None = None,
        intergreen_s: Sequence[Sequence[float]] | None = None,
        rail: tuple[int, ...] = (),
        own_red_s: dict[int, float] | None = None,
        own_wait_s: dict[int, float] | None = None,
        sensing: str = "area:150",
    ) -> Crossroads:
        made = junction_of(states, clearance_s=clearance_s or {}, foes=foes, passed=passed).assets
        n, n_links = len(lanes), len(states[0])
        sizes = np.array([len(links) for links in lanes])
        ends = np.cumsum(sizes)
        rows, zeros = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
        approaches = Approaches(
            junction=zeros,
            lane=rows,
            group=rows if groups is None else np.array(groups, np.int32),
            speed_limit_mps=np.full(n, 10.0),
            zone_m=np.full(n, zone_m),
            blind_m=np.full(n, blind_m),
            own_m=np.full(n, own_m),
            owner=rows if owners is None else np.array(owners, np.int32),
            feeders=zeros + feeders,
            movement_begin=(ends - sizes).astype(np.int32),
            movement_end=ends.astype(np.int32),
        )
        taken = [link for links in lanes for link in links]
        reached = [(leads_to or {}).get(link, (-1, 0.0)) for link in taken]
        movements = Movements(
            approach=np.repeat(rows, sizes).astype(np.int32),
            link=np.array(taken, np.int32),
            turn=np.zeros(len(taken), np.int32),
            next_group=np.array([group for group, _ in reached], np.int32),
            next_distance_m=np.array([distance_m for _, distance_m in reached]),
            speed_mps=np.full(len(taken), 10.0),
        )
        gives_way = np.zeros((n_links, n_links), np.bool_)
        for one, other in yields:
            gives_way[one, other] = True
        kind = made.links.kind.copy()
        kind[list(rail)] = LinkKind.RAIL
        reds_s = np.array([(own_red_s or {}).get(link, 0.0) for link in range(n_links)])
        own_waits_s = np.array([(own_wait_s or {}).get(link, 0.0) for link in range(n_links)])
        assets = replace(
            made,
            controllers=replace(made.controllers, approach_end=np.array([n], np.int32)),
            links=replace(made.links, kind=kind, own_red_s=reds_s, own_wait_s=own_waits_s),
            approaches=approaches,
            movements=movements,
            matrices=replace(made.matrices, yields=gives_way.ravel()),
            intergreen_s=made.intergreen_s if intergreen_s is None else np.array(intergreen_s, np.float64).ravel(),
            sensing=sensing,
        )
        area = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)
        streams = [(kind_, row) for row in range(n) for kind_ in area]
        streams += [(StreamKind.STAGE_SHOWN, 0), (StreamKind.CONTROL_MODE, 0)]
        streams += [(StreamKind.CROSSING_CALL, link) for link in (clearance_s or {})]
        far, limit = np.full(n, 500.0), np.full(n, 10.0)
        layout = Layout(
            version="crossroads",
            junctions=Junctions(np.zeros(1), np.zeros(1)),
            edges=Edges(far, limit, far, far, far, far),
            lanes=Lanes(rows, far, limit),
            approaches=approaches,
            movements=movements,
            streams=Streams(
                np.array([kind_ for kind_, _ in streams], np.int32), np.array([row for _, row in streams], np.int32)
            ),
            tables={"signals": assets},
            names={"junctions": ("crossroads",)},
        )
        return Crossroads(layout)

    return build
