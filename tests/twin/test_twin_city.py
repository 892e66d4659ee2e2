"""The twin as a city: leases on the street, hand-back in step, honest sensing, equal runs."""

from __future__ import annotations

import dataclasses
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop.cities.sumo.faults import Fault, FaultPlan
from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.monitoring import MONITOR_FILE, latched_in
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, ReceiptStatus

Asked = Callable[[int, int], int | None]
"""``asked(second, junction)``: the stage to lease, None for silence."""


class Run:
    """A whole run of the twin, second by second, under a simple brain."""

    def __init__(self, setup: TwinSetup, seconds: int, asked: Asked = lambda second, junction: None) -> None:
        city = SumoCity(setup)
        self.network = city.network
        self.kinds = city.layout().streams.kind
        self.assets = city.layout().streams.asset
        self.batches: list[Batch] = []
        self.statuses: list[ReceiptStatus] = []
        sequence = itertools.count(1)
        for second in range(seconds):
            now_ms = city.begin_ms + second * 1000
            wanted = [(j, asked(second, j)) for j in range(len(city.network.tls_ids))]
            city.apply(
                [
                    Command(
                        domain="signals",
                        target=junction,
                        action=ShowStage(stage),
                        epoch=1,
                        sequence=next(sequence),
                        issued_at_ms=now_ms,
                        not_after_ms=now_ms + 4000,
                    )
                    for junction, stage in wanted
                    if stage is not None
                ]
            )
            seen = city.observe(now_ms + 1000)
            self.batches.append(seen.batch)
            self.statuses += [receipt.status for receipt in seen.receipts]
        city.close()

    def series(self, kind: StreamKind, asset: int) -> list[list[float]]:
        """Return the values of one stream, a list a second."""
        (row,) = np.flatnonzero((self.kinds == kind) & (self.assets == asset))
        return [batch.value[batch.stream == row].tolist() for batch in self.batches]


def _states(folder: Path) -> dict[str, list[str]]:
    states: dict[str, list[str]] = {}
    for element in ET.parse(folder / "tls_states.xml").getroot():
        states.setdefault(element.attrib["id"], []).append(element.attrib["state"])
    return states


def _services(run: Run, junction: int) -> list[int]:
    controllers = run.network.assets.controllers
    begin, end = int(controllers.stage_begin[junction]), int(controllers.stage_end[junction])
    return [int(stage) for stage in np.flatnonzero(run.network.assets.stages.service[begin:end])]


def test_leases_reach_the_lamps_and_silence_brings_the_own_plan_back_in_step(town: CityCase, tmp_path: Path) -> None:
    """Leased for two minutes, then silent: from some second on every lamp is as if never leased."""
    bare = Run(TwinSetup(case=town, out=tmp_path / "bare"), 300)
    stages = _services(bare, 0)
    leased = Run(
        TwinSetup(case=town, out=tmp_path / "leased"),
        300,
        lambda second, junction: stages[second // 20 % len(stages)] if second < 120 else None,
    )
    assert ReceiptStatus.ACCEPTED in leased.statuses
    assert leased.statuses.count(ReceiptStatus.EXPIRED) == 2
    alone, held = _states(tmp_path / "bare"), _states(tmp_path / "leased")
    for junction, name in enumerate(leased.network.tls_ids):
        assert held[name][20:120] != alone[name][20:120]
        modes = [int(values[0]) for values in leased.series(StreamKind.CONTROL_MODE, junction)]
        home_s = max(second for second, mode in enumerate(modes) if mode) + 1
        assert modes[30] == 1
        assert home_s < 220
        assert held[name][home_s:] == alone[name][home_s:]


def test_an_actuated_own_plan_takes_over_again(town: CityCase, tmp_path: Path) -> None:
    """Handed back, an actuated program runs through its phases once more."""
    net = tmp_path / "actuated.net.xml"
    run_binary(
        "netconvert",
        [
            *("--sumo-net-file", str(town.net_file), "--tls.rebuild", "true"),
            *("--tls.default-type", "actuated", "--no-warnings", "true", "--output-file", str(net)),
        ],
    )
    config = tmp_path / "actuated.sumocfg"
    config.write_text(
        f'<configuration><input><net-file value="{net}"/><route-files value="{town.route_files[0]}"/></input>'
        '<time><begin value="0"/><end value="600"/></time></configuration>',
        encoding="utf-8",
    )
    case = resolve_city(str(config))
    run = Run(TwinSetup(case=case, out=tmp_path / "run"), 240, lambda s, junction: 0 if s < 60 else None)
    modes = [int(values[0]) for values in run.series(StreamKind.CONTROL_MODE, 0)]
    assert modes[40] == 1
    assert modes[-1] == 0
    shown = {values[0] for values in run.series(StreamKind.STAGE_SHOWN, 0)[modes.index(0, 60) :]}
    assert len(shown - {-1.0}) >= 2


def test_a_program_that_shows_a_conflict_is_latched_and_flashes(town: CityCase, tmp_path: Path) -> None:
    """The monitor reads lamps alone: the junction flashes from the next step on and takes no lease any more."""
    program = tmp_path / "conflict.add.xml"
    bare = Run(TwinSetup(case=town, out=tmp_path / "bare"), 1)
    states = _states(tmp_path / "bare")
    logics = [
        f'<tlLogic id="{name}" type="static" programID="all" offset="0"><phase duration="20" state="{lamps[0]}"/>'
        f'<phase duration="40" state="{"G" * len(lamps[0])}"/></tlLogic>'
        for name, lamps in states.items()
    ]
    program.write_text(f"<additional>{''.join(logics)}</additional>", encoding="utf-8")
    setup = TwinSetup(case=town, out=tmp_path / "run", program=program)
    run = Run(setup, 60, lambda second, junction: 0 if second > 40 else None)
    for lamps in _states(tmp_path / "run").values():
        first = next(second for second, state in enumerate(lamps) if state == "G" * len(state))
        assert set(lamps[first + 2]) == {"o"}
        assert lamps[-1] == lamps[first + 2]
    assert set(run.statuses) == {ReceiptStatus.REFUSED}
    latched = latched_in(tmp_path / "run" / MONITOR_FILE)
    assert {one.junction for one in latched} == set(bare.network.tls_ids)
    assert all("conflict" in one.fault or "crossing" in one.fault for one in latched)


def test_a_run_that_takes_no_leases_refuses_them(town: CityCase, tmp_path: Path) -> None:
    """In arms without a brain nobody meddles."""
    run = Run(TwinSetup(case=town, out=tmp_path, leased=False), 5, lambda second, junction: 0)
    assert set(run.statuses) == {ReceiptStatus.REFUSED}


@pytest.mark.parametrize("sensing", ["area:150", "probe:0.5", "loops"])
def test_the_same_seed_gives_the_same_readings(town: CityCase, tmp_path: Path, sensing: str) -> None:
    """Two runs agree to the last bit; another seed's do not."""

    def readings(folder: str, seed: int) -> bytes:
        setup = TwinSetup(case=town, out=tmp_path / folder, sensing=sensing, seed=seed)
        return b"".join(batch.stream.tobytes() + batch.value.tobytes() for batch in Run(setup, 90).batches)

    assert readings("a", 1) == readings("b", 1)
    assert readings("a", 1) != readings("c", 2)


def test_the_area_counts_agree_with_sumos_own_count(town: CityCase, tmp_path: Path) -> None:
    """Seen without a bound, no more vehicles stand before signals than run, and soon about as many."""
    run = Run(TwinSetup(case=town, out=tmp_path, sensing="truth"), 120)
    rows = np.flatnonzero(run.kinds == StreamKind.OBJECT_COUNT)
    counted = [float(batch.value[np.isin(batch.stream, rows)].sum()) for batch in run.batches]
    running = [float(step.attrib["running"]) for step in ET.parse(tmp_path / "summary.xml").getroot()]
    assert all(seen <= all_of_them for seen, all_of_them in zip(counted, running, strict=True))
    assert sum(counted) > 0.4 * sum(running)


def test_every_count_comes_with_that_many_objects(town: CityCase, tmp_path: Path) -> None:
    """Distances and speeds of one scan are as many as counted, nearest first and within the reach."""
    run = Run(TwinSetup(case=town, out=tmp_path, sensing="area:100"), 120)
    seen = 0
    for approach in range(len(run.network.zones)):
        counts = run.series(StreamKind.OBJECT_COUNT, approach)
        distances = run.series(StreamKind.OBJECT_DISTANCE_M, approach)
        speeds = run.series(StreamKind.OBJECT_SPEED_MPS, approach)
        for count, distance_m, speed_mps in zip(counts, distances, speeds, strict=True):
            assert count == [len(distance_m)]
            assert len(speed_mps) == len(distance_m)
            assert distance_m == sorted(distance_m)
            assert all(0 <= metres <= 100 for metres in distance_m)
            seen += len(distance_m)
    assert seen > 100


def test_loops_count_the_vehicles_that_pass(town: CityCase, tmp_path: Path) -> None:
    """Over five minutes the stop lines count what the trips say, a few still under way apart."""
    run = Run(TwinSetup(case=town, out=tmp_path, sensing="loops"), 300)
    rows = np.flatnonzero(run.kinds == StreamKind.STOP_LINE_COUNT)
    counted = sum(float(batch.value[np.isin(batch.stream, rows)].sum()) for batch in run.batches)
    trips = ET.parse(tmp_path / "tripinfo.xml").getroot()
    arrived = sum(float(trip.attrib["arrival"]) >= 0 for trip in trips.iter("tripinfo"))
    # Every trip crosses both stop lines.
    assert 2 * arrived <= counted <= 2 * len(trips)
    shares = np.isin(run.kinds, (StreamKind.STOP_LINE_OCCUPANCY, StreamKind.ADVANCE_OCCUPANCY))
    values = np.concatenate([batch.value[shares[batch.stream]] for batch in run.batches])
    assert values.max() <= 1
    assert values.max() > 0.5


def test_people_call_at_crossings_and_are_served(town: CityCase, tmp_path: Path) -> None:
    """Somebody waits before a red crossing, and the call goes off when the Walk comes."""
    run = Run(TwinSetup(case=town, out=tmp_path), 200)
    called = [
        [value for values in run.series(StreamKind.CROSSING_CALL, row) for value in values]
        for row in run.network.crossing_edges
    ]
    assert any(1.0 in calls and 0.0 in calls for calls in called)
    assert all(not (a == b == 0.0) for calls in called for a, b in itertools.pairwise(calls))


def test_faults_reach_the_readings(town: CityCase, tmp_path: Path) -> None:
    """Detectors of one signal die at 10 s; the other's go on."""
    plan = FaultPlan((Fault(junctions=("A0",), dead_s=(10.5, 1000)),))
    run = Run(TwinSetup(case=town, out=tmp_path, faults=plan), 20)
    dead, alive = (
        [len(values) for values in run.series(StreamKind.OBJECT_COUNT, approach)]
        for approach in (
            int(np.flatnonzero(run.network.assets.approaches.junction == junction)[0]) for junction in (0, 1)
        )
    )
    assert dead == [1] * 10 + [0] * 10
    assert alive == [1] * 20


def test_scale_loads_a_share_of_the_demand(town: CityCase, tmp_path: Path) -> None:
    """Half the demand is about half the vehicles."""

    def loaded(folder: str, scale: float) -> int:
        Run(TwinSetup(case=town, out=tmp_path / folder, scale=scale), 200)
        return len(list(ET.parse(tmp_path / folder / "tripinfo.xml").getroot().iter("tripinfo")))

    assert 0.35 < loaded("half", 0.5) / loaded("full", 1.0) < 0.65


def test_lamps_may_be_looked_at_more_than_once_a_second(town: CityCase, tmp_path: Path) -> None:
    """At half-second steps a second brings two reports of each junction."""
    case = dataclasses.replace(town, end_s=20.0)
    run = Run(TwinSetup(case=case, out=tmp_path, step_s=0.5), 10)
    assert {len(values) for values in run.series(StreamKind.STAGE_SHOWN, 0)} == {2}
