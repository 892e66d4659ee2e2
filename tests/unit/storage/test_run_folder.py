"""The run folder: what it says of itself after every kind of end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.cities.toy.city import ToyCity
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.kernel.journal import DecisionDigest
from cityloop.storage.memory import MemoryStore
from cityloop.storage.run_folder import RunFolder, RunReader, claim_folder
from cityloop.storage.run_toml import InputFile, RunToml, Span, read_run_toml, write_run_toml

RUN = RunToml(
    city="toy",
    case="toy",
    control="clockwork",
    sensing="area:150",
    seed=1,
    scale=1.0,
    begin_s=0.0,
    end_s=90.0,
    leased=True,
    own_plan="shipped",
    case_digest="00",
    layout_digest="",
    versions={"cityloop": "0"},
    blackouts=(Span(begin_s=10, end_s=20.5),),
    inputs=(InputFile(role="network", path='/a "quoted" net.xml', sha256="ab"),),
)
PARAMS = LoopParams(begin_ms=0, end_ms=90_000)


def record(folder, brain, **options):
    """Run ninety seconds of the toy into a folder and return the open store."""
    claim_folder(folder)
    city = ToyCity(ToyParams(end_s=90))
    store = RunFolder(folder, RUN, city.layout(), **options)
    InlineEngine(city, brain, store, PARAMS).run()
    return store


def test_a_sealed_folder_gives_everything_back(tmp_path, clockwork):
    """Decisions, receipts, readings and layout read back as a store in memory keeps them."""
    record(tmp_path / "run", clockwork).complete()
    memory = MemoryStore()
    InlineEngine(ToyCity(ToyParams(end_s=90)), clockwork, memory, PARAMS).run()
    reader = RunReader(tmp_path / "run")
    reader.require_complete()
    assert list(reader.decisions()) == memory.decisions
    assert list(reader.receipts()) == memory.receipts
    assert [now_ms for now_ms, _ in reader.readings()] == [now_ms for now_ms, _ in memory.readings]
    assert reader.layout().names["junctions"] == ("toy",)
    assert reader.run.result.decisions_digest == memory.digest.hexdigest()


def test_digest_is_that_of_the_journalled_bytes(tmp_path, clockwork):
    """The digest in run.toml is the SHA-256 over the records in the journal."""
    sealed = record(tmp_path / "run", clockwork).complete()
    digest = DecisionDigest()
    digest.add(RunReader(tmp_path / "run").decision_records())
    assert (digest.hexdigest(), digest.count) == (sealed.result.decisions_digest, sealed.result.decisions)


def test_equal_runs_leave_equal_bytes(tmp_path, clockwork):
    """No wall time enters the folder: two equal runs have the same files, byte for byte."""
    for name in ("a", "b"):
        record(tmp_path / name, clockwork).complete()
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_closing_is_not_completing(tmp_path, clockwork):
    """A run that ends in an error closes its store; the folder stays incomplete and says so in one line."""
    record(tmp_path / "run", clockwork).close()
    reader = RunReader(tmp_path / "run")
    with pytest.raises(StoreError, match=r"incomplete .90 decisions and 90 steps"):
        reader.require_complete()


def test_nothing_is_appended_after_the_end(tmp_path, clockwork):
    """A closed store refuses rather than forget."""
    store = record(tmp_path / "run", clockwork)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append_decisions(())


def test_a_folder_in_use_is_refused(tmp_path):
    """A run never overwrites: a folder that holds anything is refused, an empty one taken."""
    (tmp_path / "empty").mkdir()
    claim_folder(tmp_path / "empty")
    (tmp_path / "empty" / "something").touch()
    with pytest.raises(ConfigError, match="not empty"):
        claim_folder(tmp_path / "empty")
    with pytest.raises(ConfigError, match="a file, not a folder"):
        claim_folder(tmp_path / "empty" / "something")


def test_changed_recording_is_told(tmp_path, clockwork):
    """A sealed file that was changed afterwards is named."""
    record(tmp_path / "run", clockwork).complete()
    path = tmp_path / "run" / "readings" / "readings.arrows"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"readings\.arrows: not as it was sealed"):
        RunReader(tmp_path / "run").require_complete()


def test_missing_recording_is_told(tmp_path, clockwork):
    """A sealed file that is gone is named."""
    record(tmp_path / "run", clockwork).complete()
    (tmp_path / "run" / "journal" / "receipts-000000.mp").unlink()
    with pytest.raises(StoreError, match=r"receipts-000000\.mp: missing"):
        RunReader(tmp_path / "run").require_complete()


def test_run_toml_comes_back(tmp_path):
    """Every key survives the file, quotes and nested tables included."""
    write_run_toml(tmp_path, RUN)
    assert read_run_toml(tmp_path) == RUN
    assert not list(tmp_path.glob(".*"))


def test_another_format_is_refused(tmp_path):
    """A folder of another release is refused, not half understood."""
    write_run_toml(tmp_path, msgspec.structs.replace(RUN, format=2))
    with pytest.raises(StoreError, match="format is 2, must be 1"):
        read_run_toml(tmp_path)


def test_no_run_folder_is_told(tmp_path):
    """A folder without run.toml is named as such."""
    with pytest.raises(StoreError, match="not a run folder"):
        RunReader(tmp_path)


def test_durable_syncs_before_it_returns(tmp_path, clockwork, monkeypatch):
    """A durable store has synced readings, receipts and decisions whenever a journal call returns."""
    synced: list[Path] = []
    real = os.fdatasync
    monkeypatch.setattr("os.fdatasync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink()), real(fd))[1])
    store = record(tmp_path / "run", clockwork, durable=True)
    before = len(synced)
    store.close()
    for name in ("decisions", "readings"):
        assert sum(name in path.name for path in synced[:before]) == 90


def test_a_twin_syncs_once_a_second(tmp_path, clockwork):
    """A store that need not survive a power cut at once syncs by the clock, not by the step."""
    clock = iter(range(10**6))
    ticks: list[int] = []

    def clock_s():
        ticks.append(next(clock))
        return ticks[-1] / 10

    claim_folder(tmp_path / "run")
    store = RunFolder(tmp_path / "run", RUN, toy_layout(ToyParams()), clock_s=clock_s)
    synced = []
    store._sync = lambda: (synced.append(ticks[-1]), setattr(store, "_synced_s", ticks[-1] / 10))[1]
    for _ in range(100):
        store.append_decisions(())
    store.close()
    assert synced == list(range(10, 101, 10))


_WRITER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import msgspec
    from cityloop.cities.toy.assets import ToyParams, toy_layout
    from cityloop.domains.signals.schema import ShowStage
    from cityloop.kernel.batch import empty_batch
    from cityloop.kernel.messages import Allowed, Decision, Proposal
    from cityloop.storage.run_folder import RunFolder
    from cityloop.storage.run_toml import RunToml

    run = msgspec.json.decode(sys.argv[2], type=RunToml)
    store = RunFolder(Path(sys.argv[1]), run, toy_layout(ToyParams()))
    for second in range(1, 10**6):
        now_ms = second * 1000
        store.append_readings(now_ms, empty_batch())
        action = ShowStage(0)
        proposal = Proposal(target=0, action=action, reason=1, cost=0.0, gain=0.0)
        store.append_decisions([Decision(decided_at_ms=now_ms, domain="signals", policy="x", proposal=proposal,
                                         verdict=Allowed(action), sequence=second, not_after_ms=now_ms)])
        print(second, flush=True)
        time.sleep(0.002)
    """
)


def test_kill_9_leaves_a_folder_that_reads(tmp_path):
    """A killed writer leaves "incomplete", and every decision it was told is kept."""
    folder = tmp_path / "run"
    claim_folder(folder)
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), msgspec.json.encode(RUN).decode()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    acknowledged = 0
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged == 120:
            break
    child.send_signal(signal.SIGKILL)
    acknowledged = int(([str(acknowledged)] + [x for x in child.stdout.read().split("\n") if x])[-1])
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()

    reader = RunReader(folder)
    assert not reader.run.complete
    decisions, steps, torn = reader.intact()
    assert decisions >= acknowledged
    assert steps >= 90
    assert [d.sequence for d in reader.decisions()][:acknowledged] == list(range(1, acknowledged + 1))
    assert len(torn) <= 1
    with pytest.raises(StoreError, match="incomplete"):
        reader.require_complete()


def test_a_torn_journal_is_never_silently_short(tmp_path, clockwork):
    """Reading the decisions of a torn journal ends in an error that names the place."""
    record(tmp_path / "run", clockwork).close()
    path = tmp_path / "run" / "journal" / "decisions-000000.mp"
    path.write_bytes(path.read_bytes()[:-1])
    reader = RunReader(tmp_path / "run")
    with pytest.raises(StoreError, match="torn frame at byte"):
        list(reader.decisions())
    assert reader.intact()[0] == 89
