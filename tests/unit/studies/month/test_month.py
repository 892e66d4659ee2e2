"""Tests of a month of records: generated, so that what is true of them is known."""

from __future__ import annotations

import csv
from datetime import UTC
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from cityloop.cli.month import command
from cityloop.kernel.errors import InputError
from cityloop.studies.month.junction import Queues
from cityloop.studies.month.rates import certify_rates
from cityloop.studies.month.records import Calls, SetAside, Weighings, kind_of, read_records
from cityloop.studies.month.services import judge_calls, judge_weighings
from cityloop.studies.month.study import MonthSpec, study_month

_BEGIN = np.datetime64("2026-03-02T00:00:00", "ms")


def _stamp(at_s: float) -> str:
    return str(_BEGIN + np.timedelta64(round(at_s * 1000), "ms"))


def _write(path: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as stream:
        stream.write(header + "\n")
        csv.writer(stream).writerows(rows)
    return path


def test_interval_covers_what_it_says():
    """On Poisson counts the held-out coverage is the claimed 90 %, and the mean is not off."""
    rng = np.random.default_rng(3)
    shape = 5 + 10 * np.sin(np.linspace(0, np.pi, 96)) ** 2
    found = certify_rates(rng.poisson(shape, (4, 40, 96)).astype(float), np.arange(40) % 7 >= 5)
    assert found.coverage == pytest.approx(0.90, abs=0.02)
    assert found.calibrated
    assert abs(found.bias) < 0.2
    assert found.mase < 1.0


def test_changed_demand_is_found_out():
    """Where the last days are not like the first the certificate says so."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(10.0, (2, 40, 96)).astype(float)
    counts[:, 30:] *= 2
    assert not certify_rates(counts, np.zeros(40, bool)).calibrated


def test_queue_agrees_with_uniform_delay():
    """Even arrivals at a fixed cycle lose what the closed form says, discrete vehicles aside."""
    cycle_s, red_s, headway_s = 60.0, 30.0, 6.0
    due = np.arange(2.0, 7200.0, headway_s) * 1000
    queues = Queues.fed([due], [due])
    for now_s in range(1, 7201):
        green = {0: (now_s - 1) // cycle_s * cycle_s * 1000 + red_s * 1000}
        in_green = (now_s - 1) % cycle_s >= red_s
        queues.serve(now_s * 1000.0, green if in_green else {})
    # Webster's first term with the start-up lost time as part of the red.
    lost_s, flow, saturation = red_s + 2.0, 1 / headway_s, 0.5
    expected_s = lost_s**2 / (2 * cycle_s * (1 - flow / saturation))
    assert queues.total_s(7_200_000.0) / len(due) == pytest.approx(expected_s, rel=0.03)


def test_wrong_rows_are_set_aside_with_their_lines(tmp_path):
    """A month of rows is not lost for two bad ones; they are counted and the first are named."""
    path = _write(
        tmp_path / "c.csv", "detector,begin,count", [("a", _stamp(0), 3), ("a", "yesterday", 3), ("a", _stamp(9), -1)]
    )
    aside = SetAside()

    records = read_records([path], kind_of(path), UTC, aside)
    assert len(records.at_ms) == 1
    assert aside.rows == 2
    assert "c.csv line 3" in aside.examples[0]


def test_unknown_header_is_one_clear_line(tmp_path):
    """A file of no known kind is refused with what would be known."""
    path = _write(tmp_path / "x.csv", "foo,bar", [(1, 2)])
    with pytest.raises(InputError, match=r"x.csv, line 1: the columns foo, bar fit no kind"):
        kind_of(path)


def _month_of_events(folder: Path, days: int) -> tuple[Path, Path]:
    """A signal of two phases on a fixed plan that favours the empty one; detectors 11 and 12 before them, 13 dead."""
    rng = np.random.default_rng(5)
    rows: list[tuple[float, int, int]] = []
    for at_s in np.arange(0.0, days * 86_400.0, 80.0):
        for phase, begin, green in ((2, 0.0, 20.0), (4, 25.0, 50.0)):
            rows += [(at_s + begin, 1, phase), (at_s + begin + green, 8, phase), (at_s + begin + green + 3, 10, phase)]
            rows.append((at_s + begin + green + 5, 11, phase))
    for detector, per_h in ((11, 400.0), (12, 60.0)):
        hits = np.sort(rng.uniform(0, days * 86_400.0, rng.poisson(per_h * 24 * days)))
        rows += [(at, 82, detector) for at in hits] + [(at + 0.4, 81, detector) for at in hits]
    rows += [(100.0, 82, 13), (days * 86_400.0 - 10, 81, 13)]
    rows.sort()
    events = [("7001", _stamp(at), code, param) for at, code, param in rows]
    path = _write(folder / "events.csv", "SignalID,Timestamp,EventCode,EventParam", events)
    table = [("7001", 11, 2, 60), ("7001", 12, 4, 60), ("7001", 13, 4, 0)]
    return path, _write(folder / "detectors.csv", "SignalID,Detector,Phase,Setback_m", table)


def test_events_give_plan_health_and_a_back_test_that_the_brain_wins(tmp_path):
    """A plan that gives the busy phase too little is found out, and the stuck detector is left out."""
    events, detectors = _month_of_events(tmp_path, 10)
    found = study_month(MonthSpec(files=(events,), detectors=detectors, hours=3), lambda text: None)
    (signal,) = found.signals
    assert signal.plan.stages == ((4,), (2,))
    assert (signal.plan.yellow_s, signal.plan.all_red_s) == (3.0, 2.0)
    assert {one.detector: one.fit for one in signal.detectors} == {11: True, 12: True, 13: False}
    assert "stuck on" in next(one.why for one in signal.detectors if one.detector == 13)
    assert signal.shadow.n == 3
    assert signal.shadow.verdict == "better"
    assert signal.shadow.brain_s < signal.shadow.recorded_s
    assert found.rates["events"].calibrated
    assert any("four weeks" in line for line in found.warnings)


def test_nearest_unit_is_found_and_drives_are_calibrated():
    """Where half the calls went to the farther of two units the judge says so, with its saving."""
    rng = np.random.default_rng(2)
    n = 600

    received = np.arange(n) * 3_600_000.0
    where = np.where(rng.random(n) < 0.5, 0.0, 10_000.0) + rng.normal(0, 300, n)
    unit = np.where(rng.random(n) < 0.5, 0, 1)
    last = {0: 0.0, 1: 10_000.0}
    arrived = np.zeros(n)
    for call in range(n):
        drive_s = 60 + 6 * np.sqrt(abs(where[call] - last[unit[call]])) + rng.normal(0, 5)
        arrived[call] = received[call] + 30_000 + max(drive_s, 1) * 1000
        last[unit[call]] = where[call]
    calls = Calls(("A", "B"), unit, received, received + 30_000, arrived, arrived + 600_000, where, np.zeros(n))
    found = judge_calls(calls)
    assert found.drive_coverage == pytest.approx(0.9, abs=0.06)
    assert found.drive_mae_s < 10
    assert 0.3 < found.agreement < 0.8
    assert found.low_s > 0


def test_light_emptyings_are_foreseen():
    """A container emptied far too often is named; one emptied when full is not skipped."""
    rng = np.random.default_rng(4)

    days = np.concatenate([np.arange(0, 60, 1.0), np.arange(0, 60, 3.0)])
    site = np.array([0] * 60 + [1] * 20)
    kg = np.where(site == 0, 10.0, 300.0) * rng.uniform(0.9, 1.1, 80)
    kg[::7] *= np.where(site[::7] == 0, 6.0, 1.0)
    order = np.argsort(days, kind="stable")
    found = judge_weighings(Weighings(("a", "b"), site[order], (days[order] * 86_400_000).astype(np.int64), kg[order]))
    assert found.light > 5
    assert found.skipped_wrongly <= found.judged * 0.2


def test_command_writes_a_page_that_needs_nothing_else(tmp_path):
    """Certificate as JSON and as a page without scripts or links; a folder in use is refused."""
    rng = np.random.default_rng(1)
    rows = [(f"d{d}", _stamp(q * 900), int(rng.poisson(8))) for d in range(2) for q in range(96 * 12)]
    counts = _write(tmp_path / "counts.csv", "detector,begin,count", rows)
    out = tmp_path / "month"
    done = CliRunner().invoke(command, [str(counts), "--out", str(out), "--zone", "Europe/Berlin", "--json"])
    assert done.exit_code == 0, done.output
    page = (out / "certificate.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "@media print" in page
    said = msgspec.json.decode((out / "certificate.json").read_bytes())
    assert said["rates"]["counts"]["checked_days"] == 3
    again = CliRunner().invoke(command, [str(counts), "--out", str(out)])
    assert "not empty" in str(again.exception)
