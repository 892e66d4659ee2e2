"""The twin's child process: how it dies, how it says so, and what it leaves."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.kernel.errors import CityError


def _gone(pid: int) -> bool:
    """Say whether a process has ended (one that waits to be reaped has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _gone_within_s(pid: int, limit_s: float) -> bool:
    until = time.monotonic() + limit_s
    while not _gone(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return _gone(pid)


def _run_to(setup: TwinSetup, until_ms: int) -> None:
    city = SumoCity(setup)
    try:
        city.observe(until_ms)
    finally:
        city.close()


def test_a_killed_simulation_is_one_clear_line(town: CityCase, tmp_path: Path) -> None:
    """kill -9 in the middle: the city, the signal and the simulated second are named, and nothing hangs."""
    city = SumoCity(TwinSetup(case=town, out=tmp_path))
    city.observe(30_000)
    os.kill(city.pid, signal.SIGKILL)
    with pytest.raises(CityError) as raised:
        city.observe(31_000)
    said = "the SUMO twin of town died (signal 9) at 30 s; the run folder is incomplete"
    assert str(raised.value) == said
    with pytest.raises(CityError):
        city.observe(32_000)
    city.close()


def test_sumos_own_complaint_is_passed_on_in_one_line(town: CityCase, tmp_path: Path) -> None:
    """A route over an edge that is not there: SUMO's error, not a traceback."""
    routes = tmp_path / "wrong.rou.xml"
    routes.write_text('<routes><trip id="t" depart="5" from="left0A0" to="nowhere"/></routes>', encoding="utf-8")
    case = dataclasses.replace(town, route_files=(routes,))
    with pytest.raises(CityError) as raised:
        _run_to(TwinSetup(case=case, out=tmp_path / "sumo"), 20_000)
    assert "nowhere" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in str(raised.value)


def test_several_twins_run_side_by_side(town: CityCase, tmp_path: Path) -> None:
    """Each has a process of its own, so one does not replace another, and closing one leaves the other."""
    one = SumoCity(TwinSetup(case=town, out=tmp_path / "one", seed=1))
    two = SumoCity(TwinSetup(case=town, out=tmp_path / "two", seed=2))
    assert one.pid != two.pid
    assert one.observe(20_000).now_ms == two.observe(20_000).now_ms == 20_000
    one.close()
    assert two.observe(40_000).now_ms == 40_000
    two.close()
    assert _gone(one.pid)
    assert _gone(two.pid)


def test_the_child_ends_with_its_parent(town: CityCase, tmp_path: Path) -> None:
    """A parent that is killed leaves no simulation behind, not even one in a long observation."""
    script = f"""
        from pathlib import Path
        import sys
        from cityloop.cities.sumo.folder import resolve_city
        from cityloop.cities.sumo.twin import SumoCity, TwinSetup

        city = SumoCity(TwinSetup(case=resolve_city({str(town.sumocfg)!r}), out=Path({str(tmp_path)!r})))
        city.observe(10_000)
        print(city.pid, flush=True)
        sys.stdin.read()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not _gone(pid)
        parent.kill()
    assert _gone_within_s(pid, 10.0)


def test_the_child_imports_neither_arrow_nor_a_compiler(town: CityCase, tmp_path: Path) -> None:
    """libsumo is built against an Arrow of its own; another in the same process may crash it."""
    city = SumoCity(TwinSetup(case=town, out=tmp_path))
    mapped = Path(f"/proc/{city.pid}/maps").read_text(encoding="utf-8")
    city.close()
    assert "libsumo" in mapped
    assert "pyarrow" not in mapped
    assert "llvmlite" not in mapped


def test_a_closed_twin_leaves_whole_outputs(town: CityCase, tmp_path: Path) -> None:
    """Stopped half way: trips under way and undeparted are written, and every light of every second."""
    city = SumoCity(TwinSetup(case=town, out=tmp_path))
    city.observe(120_000)
    city.close()
    trips = ET.parse(tmp_path / "tripinfo.xml").getroot()
    assert any(float(trip.get("arrival", "0")) < 0 for trip in trips.iter("tripinfo"))
    assert any(True for _ in trips.iter("personinfo"))
    seconds = [float(step.attrib["time"]) for step in ET.parse(tmp_path / "summary.xml").getroot()]
    assert seconds == [float(second) for second in range(120)]
    states = ET.parse(tmp_path / "tls_states.xml").getroot()
    assert len(states) == 2 * 120
