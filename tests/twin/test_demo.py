"""The demo, as a newcomer runs it without a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cityloop.storage.run_folder import RunReader

pytestmark = pytest.mark.twin


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Four minutes of the district, the plug pulled for the third."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "cityloop", "demo", "--minutes", "4"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=250)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    return lines, folder / lines[-1]


def test_without_a_terminal_it_ends_by_itself_with_its_folder(demo):
    """The last line is the folder; the runs, the scorecard and the report lie in it."""
    lines, folder = demo
    assert lines[-1].startswith("runs/demo-")
    for arm in ("fixed-tuned", "brain"):
        assert RunReader(folder / arm / "1").run.complete
    assert [arm["arm"] for arm in json.loads((folder / "scorecard.json").read_text())["arms"]] == [
        "fixed-tuned",
        "brain",
    ]
    assert "<svg" in (folder / "report.html").read_text()


def test_numbers_move_while_it_runs(demo):
    """Each control says how many vehicles there are, and who decides at the junctions."""
    lines, _ = demo
    assert any(line.startswith("fixed-tuned") and "15 junctions on their own plan" in line for line in lines)
    assert any(line.startswith("brain") and "15 junctions led" in line for line in lines)
    assert any("BRAIN UNPLUGGED" in line for line in lines)


def test_every_junction_returns_to_its_plan_and_takes_leases_again(demo):
    """Within the minute without the brain all fifteen run their own plan; afterwards all are led again."""
    (seed,) = json.loads((demo[1] / "demo.json").read_text()).values()
    assert len(seed["own_plan_after_s"]) == len(seed["leased_again_after_s"]) == seed["junctions"] == 15
    assert max(seed["own_plan_after_s"].values()) < 60


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    """Nothing is written among somebody's files, and one line says so."""
    (tmp_path / "mine.txt").write_text("keep")
    ran = subprocess.run(
        [sys.executable, "-m", "cityloop", "demo", "--exit", "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "not an empty folder" in ran.stderr
