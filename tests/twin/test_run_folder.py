"""Runs of the twin: what the folder holds, that it replays, and what a kill -9 leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityloop import app
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.kept_plans import find_plans
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.plans import TUNER_VERSION, TunedPlans, write_plans
from cityloop.cities.sumo.programs import actuated_plan, fixed_plan
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.engine.inline import Blackout
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.storage.run_folder import RunReader


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two crossroads in a row, for three minutes from seven in the morning."""
    folder = tmp_path_factory.mktemp("row")
    shape = "--grid --grid.x-number 2 --grid.y-number 1 --grid.length 200 --grid.attach-length 150"
    run_binary("netgenerate", [*shape.split(), "-j", "traffic_light", "-o", str(folder / "row.net.xml")])
    (folder / "row.rou.xml").write_text(
        '<routes><flow id="a" begin="25200" end="25380" vehsPerHour="500" from="left0A0" to="B0right0"/>'
        '<flow id="b" begin="25200" end="25380" vehsPerHour="200" from="bottom0A0" to="A0top0"/>'
        '<flow id="c" begin="25200" end="25380" vehsPerHour="200" from="top1B0" to="B0bottom1"/></routes>'
    )
    config = folder / "row.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="row.net.xml"/><route-files value="row.rou.xml"/></input>'
        '<time><begin value="25200"/><end value="25380"/></time></configuration>'
    )
    return config


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of our own, so that no plans of another city or time are found."""
    monkeypatch.setenv("CITYLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def spec(city: Path, out: Path, **changes: Any) -> app.RunSpec:
    return app.RunSpec(city=str(city), out=out, **changes)


@pytest.mark.twin
def test_a_twin_run_replays(city: Path, tmp_path: Path) -> None:
    """Through a blackout, all decisions of a run of the twin are made again from its folder."""
    made = app.run(spec(city, tmp_path / "run", control="brain", blackouts=(Blackout(60, 90),)))
    junctions = len(RunReader(made.run_dir).layout().junctions.x_m)
    assert made.decisions == junctions * (180 - 30)
    assert app.replay(made.run_dir).decisions_digest == made.decisions_digest


@pytest.mark.twin
def test_equal_twin_runs_decide_alike(city: Path, tmp_path: Path) -> None:
    """The same seed gives the same digest; another seed, another."""
    digests = [
        app.run(spec(city, tmp_path / name, control="brain", seed=seed, end_s=25290.0)).decisions_digest
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.twin
def test_the_folder_says_what_it_was_made_of(city: Path, tmp_path: Path) -> None:
    """Inputs with their digests, hours, own plan and SUMO's outputs are in the folder."""
    app.run(spec(city, tmp_path / "run", control="max-pressure", end_s=25230.0))
    run = RunReader(tmp_path / "run").run
    assert [one.role for one in run.inputs] == ["network", "routes"]
    assert (run.begin_s, run.end_s, run.leased, run.own_plan) == (25200.0, 25230.0, True, "fixed")
    assert run.versions["eclipse-sumo"].startswith("1.28")
    assert run.complete
    for name in ("tripinfo.xml", "summary.xml", "tls_states.xml"):
        assert (tmp_path / "run" / "sumo" / name).stat().st_size > 0


@pytest.mark.twin
def test_arms_without_leases_run_their_program(city: Path, tmp_path: Path) -> None:
    """Shipped adds no program; fixed and actuated bring their own; none decides."""
    for arm in ("shipped", "fixed", "actuated"):
        made = app.run(spec(city, tmp_path / arm, control=arm, end_s=25230.0))
        assert (made.decisions, made.steps) == (0, 3)
        assert (tmp_path / arm / "sumo" / "programs.add.xml").exists() == (arm != "shipped")


def plans_for(city: Path) -> TunedPlans:
    case = resolve_city(str(city))
    network = read_network(case.net_file)
    return TunedPlans(
        city=case.name,
        case_digest=case.digest,
        begin_s=case.begin_s,
        end_s=case.end_s,
        walking_speed_mps=case.walking_speed_mps,
        tuner=TUNER_VERSION,
        sumo_version="1.28.0",
        seeds=(1001,),
        budget=6,
        evaluations={},
        delay_s={},
        fixed_tuned=fixed_plan(network),
        actuated_tuned=actuated_plan(network),
    )


def test_tuned_arms_need_plans(city: Path, tmp_path: Path) -> None:
    """Without plans at hand a tuned arm says how to make them, and leaves no folder."""
    with pytest.raises(ConfigError, match=r"no fixed-tuned plans at hand; make them with cityloop tune"):
        app.run(spec(city, tmp_path / "run", control="fixed-tuned"))
    assert not (tmp_path / "run").exists()


@pytest.mark.twin
def test_plans_in_the_cache_are_found(city: Path, tmp_path: Path, cache: Path) -> None:
    """The tuned arm runs its plans, and a brain falls back on them."""
    case = resolve_city(str(city))
    write_plans(cache / "plans" / f"{case.name}-{case.digest[:16]}.json", plans_for(city))
    for arm in ("fixed-tuned", "brain"):
        app.run(spec(city, tmp_path / arm, control=arm, end_s=25210.0))
        run = RunReader(tmp_path / arm).run
        assert run.own_plan == "fixed-tuned"
        assert "plans" in [one.role for one in run.inputs]


def test_plans_of_other_files_are_not_taken(city: Path, tmp_path: Path, cache: Path) -> None:
    """Plans tuned for other demand are passed over in the cache, and refused where they are given."""
    case = resolve_city(str(city))
    other = msgspec.structs.replace(plans_for(city), case_digest="0" * 64)
    write_plans(cache / "plans" / f"{case.name}-{case.digest[:16]}.json", other)
    assert find_plans(case) is None
    write_plans(tmp_path / "given.json", other)
    with pytest.raises(ConfigError, match=r"given\.json: tuned for 'row' with digest 000000000000"):
        find_plans(case, tmp_path / "given.json")


@pytest.mark.twin
def test_kill_9_leaves_an_incomplete_run_and_no_child(city: Path, tmp_path: Path) -> None:
    """A killed run says so, its decisions read, and its SUMO ends with it."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cityloop", "run", str(city), "--control", "brain", "--out", str(out)]
    with subprocess.Popen(command, start_new_session=True) as process:
        journal = out / "journal" / "decisions-000000.mp"
        wait_until(lambda: journal.exists() and journal.stat().st_size > 2_000, 120)
        children = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
    assert children
    wait_until(lambda: not any(map(alive, children)), 30)

    reader = RunReader(out)
    assert not reader.run.complete
    decisions, _, _ = reader.intact()
    assert decisions > 0
    with pytest.raises(StoreError, match="the run is incomplete"):
        app.replay(out)


def wait_until(done: Callable[[], bool], limit_s: float) -> None:
    """Wait for something that another process does."""
    end_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.05)


def children_of(parent: int) -> list[int]:
    """Process numbers of the children, by /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
