"""The benchmark end to end, on a network that SUMO makes: runs are scored, kept, found again, or reported."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.kernel.errors import ConfigError
from cityloop.studies.bench import BenchSpec, bench_signals
from cityloop.studies.compare import compare_arms
from cityloop.studies.report import write_report
from cityloop.studies.scorecard import read_scorecard


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross of two roads for four minutes."""
    folder = tmp_path_factory.mktemp("cross")
    net = folder / "cross.net.xml"
    shape = "--grid --grid.number 1 --grid.length 150 --grid.attach-length 150 -j traffic_light"
    run_binary("netgenerate", [*shape.split(), "-o", str(net)])
    (folder / "cross.rou.xml").write_text(
        '<routes><flow id="a" begin="0" end="240" vehsPerHour="500" from="left0A0" to="A0right0"/>'
        '<flow id="b" begin="0" end="240" vehsPerHour="200" from="bottom0A0" to="A0top0"/></routes>'
    )
    config = folder / "cross.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="cross.net.xml"/><route-files value="cross.rou.xml"/></input>'
        '<time><begin value="0"/><end value="240"/></time></configuration>'
    )
    return config


def test_a_matrix_is_scored_kept_and_found_again(city: Path, tmp_path: Path) -> None:
    """Two arms on two seeds give four cells and a pair; a second call runs none and finds the same."""
    spec = BenchSpec(cities=(str(city),), arms=("shipped", "fixed"), seeds=(1, 2), jobs=2, keep=tmp_path)
    said: list[str] = []
    first = bench_signals(spec, said.append)
    assert first.failed == 0
    assert len(first.cells) == 4
    (group,) = first.groups
    assert [arm.arm for arm in group.arms] == ["shipped", "fixed"]
    assert group.arms[0].opportunities > 0
    assert any(pair.measure == "delay_s" for pair in group.pairs)
    second = bench_signals(spec, said.append)
    assert all(cell.reused for cell in second.cells)
    assert second.groups == first.groups
    assert msgspec.json.decode(msgspec.json.encode(second), type=type(second)) == second


def test_a_cell_that_was_cut_off_is_made_again(city: Path, tmp_path: Path) -> None:
    """A folder that holds an unfinished run is replaced; a folder that holds something else is left alone."""
    spec = BenchSpec(cities=(str(city),), arms=("shipped",), seeds=(1,), keep=tmp_path)
    bench_signals(spec, lambda _: None)
    (cell,) = tmp_path.rglob("cell.json")
    cell.unlink()
    assert not bench_signals(spec, lambda _: None).cells[0].reused
    (run,) = tmp_path.rglob("run.toml")
    run.unlink()
    (cell,) = tmp_path.rglob("cell.json")
    cell.unlink()
    assert "not a run folder" in bench_signals(spec, lambda _: None).cells[0].failure


def test_a_failed_cell_is_a_result(city: Path, tmp_path: Path) -> None:
    """A level that does not exist fails every cell, with the reason, and drops none."""
    spec = BenchSpec(cities=(str(city),), arms=("shipped",), sensing=("smell",), seeds=(1, 2), keep=tmp_path)
    found = bench_signals(spec, lambda _: None)
    assert (found.failed, found.groups) == (2, ())
    assert all("smell" in cell.failure for cell in found.cells)


def test_a_matrix_with_an_unknown_arm_is_refused(city: Path) -> None:
    """Before anything runs, in one line."""
    with pytest.raises(ConfigError, match="is not one of"):
        BenchSpec(cities=(str(city),), arms=("magic",))
    with pytest.raises(ConfigError, match="twice"):
        BenchSpec(cities=(str(city),), arms=("fixed", "fixed"))


def test_a_comparison_leaves_run_folders_and_a_report(city: Path, tmp_path: Path) -> None:
    """DIR/ARM/SEED are run folders with scorecards; the report is written from them."""
    summary = compare_arms(str(city), ["shipped", "fixed"], [1, 2], tmp_path / "x", progress=lambda _: None)
    assert summary.ours == "fixed"
    assert read_scorecard(tmp_path / "x" / "shipped" / "2").seed == 2
    page = write_report([tmp_path / "x"], tmp_path / "x" / "report.html").read_text()
    assert "SIMULATED" in page
    assert "One junction, second by second" in page
