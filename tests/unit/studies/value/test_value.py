"""Tests of what a city gets without live control: sheets, times of day, signed exports."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.programs import fixed_plan
from cityloop.kernel.errors import InputError, StoreError
from cityloop.studies.value.sheets import timing_csv, timing_rows, utdf_csv
from cityloop.studies.value.signed import export_version, verify_exports
from cityloop.studies.value.time_of_day import best_breaks


@pytest.fixture(scope="module")
def network():
    return read_network(resolve_city("adlershof").net_file)


def test_sheet_adds_up_to_the_cycle(network):
    """Greens, yellows and all-reds of a plan make its cycle, and each stage names the one that follows."""
    plans = fixed_plan(network)
    rows = timing_rows(network, plans)
    assert len(rows) == sum(len(plan.stages) for plan in plans)
    for plan in plans:
        mine = [row for row in rows if row.junction == plan.junction]
        assert mine[0].cycle_s == pytest.approx(sum(r.green_s + r.yellow_s + r.all_red_s for r in mine), abs=0.3)
        assert [row.next_stage for row in mine] == [row.stage for row in (*mine[1:], mine[0])]
        assert all(row.green_s >= row.min_green_s - 1e-9 for row in mine)
    assert len(timing_csv(rows, "shipped").splitlines()) == len(rows) + 1


def test_utdf_has_every_node_and_phase(network):
    """Sections, one node a junction, and for each phase the record that a reader looks for."""
    rows = timing_rows(network, fixed_plan(network))
    lines = list(csv.reader(io.StringIO(utdf_csv(network, rows, "shipped", "t"))))
    heads = [line[0] for line in lines if line and line[0].startswith("[")]
    assert heads == ["[Network]", "[Nodes]", "[Timeplans]", "[Phases]"]
    greens = {line[1]: [float(one) for one in line[2:] if one] for line in lines if line and line[0] == "MaxGreen"}
    assert len(greens) == len(network.tls_ids)
    first = [row.green_s for row in rows if row.row == 0]
    assert greens["1"] == first
    cycles = [line for line in lines if line and line[0] == "Cycle Length"]
    assert len(cycles) == len(network.tls_ids)


def test_breaks_are_the_best_there_are():
    """Dynamic programming finds what trying every pair of breaks finds."""
    profile = np.random.default_rng(2).poisson(20, (16, 3)).astype(float)

    def spread(begin: int, end: int) -> float:
        return float(((profile[begin:end] - profile[begin:end].mean(axis=0)) ** 2).sum())

    every = {
        (a, b): spread(0, a) + spread(a, b) + spread(b, 16)
        for a, b in combinations(range(2, 15), 2)
        if b - a >= 2 and 16 - b >= 2
    }
    best = min(every, key=lambda one: every[one])
    assert best_breaks(profile, 3, 2) == [0, *best]


def _export(folder: Path, text: str) -> None:
    export_version(
        folder, {"a.csv": text}, city="c", made_at="2026-01-01T00:00:00+00:00", signed_by="A", why="test", key=None
    )


def test_versions_follow_one_another_and_are_whole(tmp_path):
    """Two versions verify; the key is for its owner alone."""
    _export(tmp_path / "x", "one")
    _export(tmp_path / "x", "two")
    assert [one.version for one in verify_exports(tmp_path / "x", None)] == [1, 2]
    assert (tmp_path / "x" / "signing.key").stat().st_mode & 0o777 == 0o600


def test_what_was_changed_after_signing_is_found(tmp_path):
    """A changed file, a changed manifest, a version taken out and another key are each named."""
    folder = tmp_path / "x"
    for text in ("one", "two"):
        _export(folder, text)
    (folder / "v1" / "a.csv").write_text("other")
    with pytest.raises(StoreError, match=r"a\.csv: changed or gone since version 1"):
        verify_exports(folder, None)
    (folder / "v1" / "a.csv").write_text("one")
    manifest = folder / "v2" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("test", "another"))
    with pytest.raises(StoreError, match="the signature does not fit"):
        verify_exports(folder, None)
    (tmp_path / "k").write_text("0" * 64)
    with pytest.raises(StoreError, match="the signature does not fit"):
        verify_exports(folder, tmp_path / "k")
    (folder / "v1").rename(tmp_path / "gone")
    manifest.write_text(manifest.read_text().replace("another", "test"))
    with pytest.raises(StoreError, match="does not follow"):
        verify_exports(folder, None)


def test_nobody_signs_namelessly(tmp_path):
    """Who signs and what for are needed."""
    with pytest.raises(InputError, match="who signs off"):
        export_version(tmp_path, {}, city="c", made_at="", signed_by=" ", why="x", key=None)
