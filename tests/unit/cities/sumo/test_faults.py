"""Seeded faults of detectors."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from cityloop.cities.sumo.faults import Fault, FaultInjector, FaultPlan, read_fault_plan
from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind

BEGIN_MS = 1_000_000


@pytest.fixture(scope="module")
def layout():
    return toy_layout(ToyParams())


class Line:
    """Readings of the toy's two approaches through an injector, a second at a time."""

    def __init__(self, layout, *faults: Fault, seed: int = 1) -> None:
        self.injector = FaultInjector(FaultPlan(tuple(faults)), layout, layout.tables["signals"], seed, BEGIN_MS)
        kinds, assets = layout.streams.kind.tolist(), layout.streams.asset.tolist()
        self.row = {pair: row for row, pair in enumerate(zip(kinds, assets, strict=True))}
        self.now_ms = BEGIN_MS

    def second(self, *readings: tuple[StreamKind, int, float]):
        """Return (kind, asset, value, age_ms) of what is received."""
        self.now_ms += 1000
        stream = np.array([self.row[int(kind), asset] for kind, asset, _ in readings], np.int32)
        values = np.array([value for _, _, value in readings], np.float64)
        got = self.injector.apply(stream, values, self.now_ms)
        name = {row: pair for pair, row in self.row.items()}
        return [
            (*name[int(s)], float(v), int(received - observed)) for s, observed, received, v in zip(*got, strict=True)
        ]


def _scan(asset: int, *objects: tuple[float, float]):
    return [
        (StreamKind.OBJECT_COUNT, asset, float(len(objects))),
        *((StreamKind.OBJECT_DISTANCE_M, asset, distance) for distance, _ in objects),
        *((StreamKind.OBJECT_SPEED_MPS, asset, speed) for _, speed in objects),
    ]


def _values(got, kind: StreamKind) -> list[float]:
    return [value for k, _, value, _ in got if k == kind]


def test_without_faults_everything_is_heard_at_once(layout):
    """The empty plan changes nothing."""
    got = Line(layout).second(*_scan(0, (5.0, 1.0), (20.0, 9.0)))
    assert got == [(3, 0, 2.0, 0), (1, 0, 5.0, 0), (1, 0, 20.0, 0), (2, 0, 1.0, 0), (2, 0, 9.0, 0)]


def test_a_dead_device_is_silent_in_its_window_only(layout):
    """From 2 s to 3 s nothing comes of approach 0, all of approach 1."""
    line = Line(layout, Fault(kinds=("OBJECT_COUNT",), assets=(0,), dead_s=(2, 4)))
    heard = [[asset for _, asset, _, _ in line.second(*_scan(0), *_scan(1))] for _ in range(4)]
    assert heard == [[0, 1], [1], [1], [0, 1]]


def test_a_stuck_device_repeats_its_last_scan_whole(layout):
    """Count, distances and speeds stay those of the last second before."""
    line = Line(layout, Fault(assets=(0,), stuck_s=(2, 3)))
    before = line.second(*_scan(0, (5.0, 1.0)))
    assert line.second(*_scan(0, (1.0, 0.0), (8.0, 4.0))) == before
    assert _values(line.second(*_scan(0)), StreamKind.OBJECT_COUNT) == [0.0]


def test_delayed_readings_come_later_with_both_instants(layout):
    """Two seconds late, in the order in which they are received."""
    line = Line(layout, Fault(assets=(0,), delay_s=2.0))
    assert [asset for _, asset, _, _ in line.second(*_scan(0), *_scan(1))] == [1]
    line.second(*_scan(0), *_scan(1))
    third = line.second(*_scan(0), *_scan(1))
    assert [(asset, age_ms) for _, asset, _, age_ms in third] == [(1, 0), (0, 2000)] or third[0][3] == 2000


def test_a_dropout_takes_whole_scans(layout):
    """About half the scans are lost, and never half a scan."""
    line = Line(layout, Fault(dropout=0.5))
    sizes = [len(line.second(*_scan(0, (5.0, 1.0), (20.0, 9.0)))) for _ in range(200)]
    assert set(sizes) == {0, 5}
    assert 70 < sizes.count(0) < 130


def test_a_lying_detector_is_off_by_its_offset(layout):
    """Only the named kind lies; whole numbers stay whole and nothing falls below nought."""
    line = Line(layout, Fault(kinds=("OBJECT_COUNT",), offset=-1.4))
    got = line.second(*_scan(0, (5.0, 1.0), (20.0, 9.0), (30.0, 9.0)), *_scan(1))
    assert _values(got, StreamKind.OBJECT_COUNT) == [2.0, 0.0]
    assert _values(got, StreamKind.OBJECT_DISTANCE_M) == [5.0, 20.0, 30.0]


def test_noise_keeps_objects_nearest_first_and_speeds_beside_them(layout):
    """Neighbours whose distances change places take their speeds along."""
    line = Line(layout, Fault(kinds=("OBJECT_DISTANCE_M",), noise_sd=20.0))
    swapped = 0
    for _ in range(50):
        got = line.second(*_scan(0, (50.0, 1.0), (55.0, 2.0)), *_scan(1, (40.0, 3.0), (45.0, 4.0)))
        distances = _values(got, StreamKind.OBJECT_DISTANCE_M)
        speeds = _values(got, StreamKind.OBJECT_SPEED_MPS)
        assert distances[:2] == sorted(distances[:2])
        assert distances[2:] == sorted(distances[2:])
        assert sorted(speeds[:2]) == [1.0, 2.0]
        assert sorted(speeds[2:]) == [3.0, 4.0]
        swapped += speeds[:2] == [2.0, 1.0]
    assert 5 < swapped < 45


def test_the_same_seed_gives_the_same_faults_and_another_gives_others(layout):
    """Two runs of one seed agree to the last digit."""

    def heard(seed: int) -> list[float]:
        line = Line(layout, Fault(noise_sd=1.0), seed=seed)
        return [value for _ in range(5) for _, _, value, _ in line.second(*_scan(0, (50.0, 5.0)))]

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)


def test_a_further_fault_leaves_the_first_as_it_was(layout):
    """Every fault has a generator of its own."""
    noise = Fault(kinds=("OBJECT_DISTANCE_M",), noise_sd=1.0)
    one, two = Line(layout, noise), Line(layout, noise, Fault(assets=(1,), dropout=0.5))
    for _ in range(5):
        assert one.second(*_scan(0, (50.0, 5.0))) == two.second(*_scan(0, (50.0, 5.0)))


def test_only_the_drawn_share_of_devices_has_the_fault(layout):
    """A share of nought is nobody."""
    line = Line(layout, Fault(share=0.0, dead_s=(0, 99)))
    assert len(line.second(*_scan(0), *_scan(1))) == 2


def test_field_controllers_reports_are_spared_unless_named(layout):
    """A fault of every detector leaves STAGE_SHOWN alone."""
    reports = [(StreamKind.STAGE_SHOWN, 0, -1.0)]
    assert Line(layout, Fault(dead_s=(0, 99))).second(*reports)
    assert not Line(layout, Fault(kinds=("STAGE_SHOWN",), dead_s=(0, 99))).second(*reports)


def test_a_plan_is_read_from_toml(tmp_path):
    """A table a fault; a wrong value is refused in one line that names the key and the fix."""
    file = tmp_path / "faults.toml"
    file.write_text('[[faults]]\nkinds = ["OBJECT_COUNT"]\ndead_s = [10, 20]\n')
    assert read_fault_plan(file).faults == (Fault(kinds=("OBJECT_COUNT",), dead_s=(10, 20)),)
    for wrong, said in (
        ("dropout = 2", "dropout: 2 is not a share"),
        ('kinds = ["COUNT"]', "'COUNT' is not a stream kind"),
        ("dead_s = [5, 5]", "dead_s"),
        ("drop = 1", "drop"),
    ):
        file.write_text(f"[[faults]]\n{wrong}\n")
        with pytest.raises(ConfigError, match=said):
            read_fault_plan(file)


def test_a_fault_at_a_junction_that_is_not_there_is_refused(layout):
    """A plan for another city says so before the run begins."""
    with pytest.raises(ConfigError, match="no signal 'elsewhere'"):
        Line(layout, Fault(junctions=("elsewhere",), dead_s=(0, 1)))


def test_a_plan_survives_its_journey_to_the_child():
    """Plans are plain messages."""
    plan = FaultPlan((Fault(share=0.5, noise_sd=2.0),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=FaultPlan) == plan
