"""A journal reproduces its decisions exactly, and the slightest change of what was sensed is named."""

from __future__ import annotations

import dataclasses
import json

import msgspec
import numpy as np
import pytest

from cityloop import app
from cityloop.cities.replay.city import ReplayCity
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.cli.main import main
from cityloop.engine.inline import Blackout, InlineEngine, LoopParams
from cityloop.kernel.errors import CityError, ConfigError, StoreError
from cityloop.kernel.journal import decision_bytes
from cityloop.storage.comparing import ComparingStore
from cityloop.storage.memory import MemoryStore
from cityloop.storage.run_folder import RunReader
from cityloop.storage.run_toml import write_run_toml

PARAMS = LoopParams(begin_ms=0, end_ms=120_000, blackouts=(Blackout(50, 70),))


def recorded(brain):
    """A run of the toy, kept in memory."""
    store = MemoryStore()
    InlineEngine(ToyCity(ToyParams(end_s=120)), brain, store, PARAMS).run()
    return store


def replayed(brain, store, readings=None):
    """Replay a run, readings changed on request, and return what compared it."""
    layout = ToyCity().layout()
    city = ReplayCity(layout, readings or store.readings, store.receipts, PARAMS.begin_ms)
    comparing = ComparingStore(map(decision_bytes, store.decisions), layout.names["junctions"])
    InlineEngine(city, brain, comparing, PARAMS).run()
    comparing.check_end()
    return comparing


def test_a_replay_makes_the_same_decisions(clockwork):
    """Through a blackout and a restart, every decision is made again alike."""
    store = recorded(clockwork)
    assert replayed(clockwork, store).digest.hexdigest() == store.digest.hexdigest()


def test_one_changed_reading_is_found(clockwork):
    """A reading changed by the least amount gives another decision, and its instant is named."""
    store = recorded(clockwork)
    readings = list(store.readings)
    now_ms, batch = readings[30]
    value = batch.value.copy()
    value[0] = np.nextafter(value[0], np.inf) + 1e-9
    readings[30] = (now_ms, dataclasses.replace(batch, value=value))
    with pytest.raises(StoreError, match=r"31 s, junction 'toy', field proposal\.cost"):
        replayed(clockwork, store, readings)


def test_a_lost_step_is_found(clockwork):
    """A step that the recording lacks is not passed over."""
    store = recorded(clockwork)
    readings = store.readings[:30] + store.readings[31:]
    with pytest.raises(CityError, match="stands still at 30 s"):
        replayed(clockwork, store, readings)


def test_a_cut_recording_is_found(clockwork):
    """A recording that ends early leaves decisions that were not made again."""
    store = recorded(clockwork)
    with pytest.raises(StoreError, match="not decided again"):
        replayed(clockwork, store, store.readings[:100])


# The wired application


@pytest.fixture(scope="module")
def brain_run(tmp_path_factory):
    """A minute and a half of the toy under the real brain, with a blackout."""
    out = tmp_path_factory.mktemp("run") / "brain"
    spec = app.RunSpec(city="toy", out=out, control="brain", end_s=90, blackouts=(Blackout(30, 45),))
    return app.run(spec)


def test_a_run_replays_from_its_folder(brain_run):
    """The folder alone is enough to make every decision again."""
    result = app.replay(brain_run.run_dir)
    assert (result.decisions, result.decisions_digest) == (75, brain_run.decisions_digest)
    assert result.other_versions == ()


@pytest.mark.parametrize("control", app.LEASED_ARMS)
def test_same_inputs_same_digest(tmp_path, control):
    """Each arm decides once a second, alike on the same inputs, and replays."""
    digests = set()
    for name in ("a", "b"):
        made = app.run(app.RunSpec(city="toy", out=tmp_path / name, control=control, end_s=60))
        assert made.decisions == 60
        digests.add(made.decisions_digest)
    assert len(digests) == 1
    assert app.replay(tmp_path / "a").decisions_digest in digests


def test_an_arm_without_leases_decides_nothing(tmp_path):
    """The own plan runs, the readings are kept, and there is nothing to replay but that."""
    result = app.run(app.RunSpec(city="toy", out=tmp_path / "run", control="shipped", end_s=60))
    assert (result.decisions, result.steps) == (0, 6)
    assert app.replay(tmp_path / "run").decisions == 0


def test_the_command_exits_1_naming_the_difference(brain_run, tmp_path, capsys):
    """`cityloop replay` says in one line which decision differs first; 0 and the digest when none does."""
    with pytest.raises(SystemExit, match="0"):
        main(["replay", str(brain_run.run_dir), "--json"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(line)["decisions_digest"] == brain_run.decisions_digest

    # The same readings decided by another control.
    reader = RunReader(brain_run.run_dir)
    write_run_toml(brain_run.run_dir, msgspec.structs.replace(reader.run, control="max-pressure"))
    try:
        with pytest.raises(SystemExit, match="1"):
            main(["replay", str(brain_run.run_dir)])
    finally:
        write_run_toml(brain_run.run_dir, reader.run)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "First decision that differs: 1 s, junction 'toy', field policy" in error


def test_an_incomplete_run_is_told(brain_run, capsys):
    """A run that was cut short is not replayed as if it were whole."""
    reader = RunReader(brain_run.run_dir)
    write_run_toml(brain_run.run_dir, msgspec.structs.replace(reader.run, state="incomplete", result=None))
    try:
        with pytest.raises(SystemExit, match="1"):
            main(["replay", str(brain_run.run_dir)])
    finally:
        write_run_toml(brain_run.run_dir, reader.run)
    assert "the run is incomplete (75 decisions and 90 steps of readings are intact)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"control": "fixed-tuned"}, "no fixed-tuned plan"),
        ({"sensing": "area:far"}, "sensing 'area:far'"),
        ({"faults": "faults.toml"}, "no sensor faults"),
        ({"end_s": 0.0}, "not after begin_s"),
    ],
)
def test_a_run_that_cannot_be_leaves_nothing(tmp_path, wrong, message):
    """What is wrong is said before the folder is made."""
    with pytest.raises(ConfigError, match=message):
        app.run(app.RunSpec(city="toy", out=tmp_path / "run", **wrong))
    assert not (tmp_path / "run").exists()


def test_run_prints_one_json_line(tmp_path, capsys):
    """`cityloop run --json` ends its output with one compact object."""
    with pytest.raises(SystemExit, match="0"):
        main(["run", "toy", "--end", "70", "--out", str(tmp_path / "run"), "--json"])
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert fields["decisions"] == 70
    assert fields["cpu_us_per_junction_decision"] > 0
    assert fields["run_dir"] == str(tmp_path / "run")


def test_a_used_folder_is_refused(brain_run, capsys):
    """`cityloop run` never writes over a run."""
    with pytest.raises(SystemExit, match="1"):
        main(["run", "toy", "--out", str(brain_run.run_dir)])
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["900", "60-30", "a-b"])
def test_a_wrong_blackout_is_wrong_usage(tmp_path, text, capsys):
    """A span that is none exits 2 or says in one line what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "toy", "--blackout", text, "--out", str(tmp_path / "run")])
    assert ended.value.code in (1, 2)
    assert "lackout" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
