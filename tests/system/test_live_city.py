"""A brain and a field in two processes that know one another by public protocols alone, and their deaths."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cityloop import app
from cityloop.app.sensing import open_sensing
from cityloop.cities.live.folder import read_live_case
from cityloop.kernel.layout import StreamKind
from cityloop.storage.run_folder import RunReader
from cityloop.studies.lamps import check_lamps

PACE = 4.0
OWN, LEASED = 0.0, 1.0
_PATIENCE_S = 600.0
_WAITS = re.compile(r"mqtt://127\.0\.0\.1:(\d+) and http://127\.0\.0\.1:(\d+)")


class Pair:
    """A live city's folder, and the processes that were started over it."""

    def __init__(self, folder: Path, city: Path) -> None:
        self.folder, self.city, self.live = folder, city, folder / "live"
        self.data, self.record = folder / "data", folder / "acknowledged.jsonl"
        self.processes: list[subprocess.Popen[str]] = []
        done = self._start("twin", "layout", str(city), "--pace", str(PACE), "--out", str(self.live))
        assert done.wait(_PATIENCE_S) == 0, done.communicate()

    def brain(self, name: str, *more: str) -> tuple[subprocess.Popen[str], dict[str, int]]:
        """Start a brain; return it with its ports once it waits for its field."""
        started = self._start("run", str(self.live), "--out", str(self.folder / name), "--data", str(self.data), *more)
        assert started.stderr is not None
        said = ""
        for line in started.stderr:
            said += line
            if found := _WAITS.search(line):
                threading.Thread(target=started.stderr.read, daemon=True).start()
                return started, {"mqtt": int(found[1]), "http": int(found[2])}
        raise AssertionError(said)

    def field(self, name: str, url: str, *more: str) -> subprocess.Popen[str]:
        """Start a field."""
        token = ["--token-file", str(self.data / "field.token"), "--clock", str(self.live)]
        record = ["--record", str(self.record), "--patience", "120", "--json"]
        out = ["--out", str(self.folder / name)]
        return self._start("twin", "serve", str(self.city), "--url", url, *token, *record, *out, *more)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-m", "cityloop", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(started)
        return started

    def acknowledged(self) -> dict[int, int]:
        """What the field was told is safe: readings by instant, from its own record."""
        notes = [json.loads(line) for line in self.record.read_text().splitlines() if line.endswith("}")]
        return {note["observed_at_ms"]: note["readings"] for note in notes}

    def stored(self) -> Counter[int]:
        """What is in the brain's store: readings by instant."""
        with open_sensing(self.data) as opened:
            rows = np.arange(len(opened.streams), dtype=np.int32)
            return Counter(opened.readings.history(rows, 0, 2**62).observed_at_ms.tolist())

    def modes(self) -> dict[int, set[float]]:
        """Who led the junctions, by instant, as the stored reports of their controllers tell."""
        document = read_live_case(str(self.live)).document
        kinds = document.layout.streams.kind
        names = [document.streams[row] for row in np.flatnonzero(kinds == StreamKind.CONTROL_MODE)]
        with open_sensing(self.data) as opened:
            found = opened.readings.history(opened.streams.rows_of(names), 0, 2**62)
        by_instant: dict[int, set[float]] = {}
        for at_ms, mode in zip(found.observed_at_ms.tolist(), found.value.tolist(), strict=True):
            by_instant.setdefault(at_ms, set()).add(mode)
        return by_instant


@pytest.fixture
def pair(tmp_path: Path, grid_city: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, grid_city)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, errors
    return out


@pytest.mark.timeout(900)  # on a machine that others load too, two starts take their time
@pytest.mark.parametrize(
    ("transport", "faults"),
    [
        ("http", ["--pack", "senml"]),
        ("mqtt", ["--loss", "0.1", "--delay", "0.1", "--jitter", "0.5"]),
    ],
)
def test_a_field_is_led_live_and_the_run_can_be_made_again(pair: Pair, transport: str, faults: list[str]) -> None:
    """Leases reach the field, receipts the journal, every acknowledged pack the store; the recording replays."""
    brain, ports = pair.brain("brain")
    url = f"{transport}://127.0.0.1:{ports[transport]}"
    told = json.loads(_finish(pair.field("field", url, "--end", "60", *faults)).splitlines()[-1])
    _finish(brain)
    assert told["steps"] == told["packs"] == told["acknowledged"] == 60
    assert told["leases"] > 0
    assert told["receipts"] > 0
    reader = RunReader(pair.folder / "brain")
    reader.require_complete()
    statuses = Counter(receipt.status.name for _, receipt in reader.receipts())
    assert statuses["ACCEPTED"] > 0
    assert app.replay(pair.folder / "brain").decisions > 0
    stored = pair.stored()
    assert all(stored[at_ms] >= readings for at_ms, readings in pair.acknowledged().items())
    lamps = check_lamps(pair.city.with_name("grid.net.xml"), pair.folder / "field" / "sumo" / "tls_states.xml")
    assert lamps.unsafe == 0
    if faults[0] == "--loss":
        assert told["lost"] > 0
        assert told["sent_again"] > 0


@pytest.mark.timeout(900)
def test_a_killed_brain_is_missed_by_nobody_and_leads_again(pair: Pair) -> None:
    """Without leases the field runs its own plan within seconds; a new brain leads it; nothing acknowledged is lost."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    brain, _ = pair.brain("first", "--mqtt-port", port)
    field = pair.field("field", f"mqtt://127.0.0.1:{port}", "--end", "3600")
    _until(lambda: pair.record.exists() and len(pair.acknowledged()) > 25)
    brain.send_signal(signal.SIGKILL)
    brain.communicate()
    died_ms = max(pair.acknowledged())
    before = pair.stored()
    assert all(before[at_ms] >= readings for at_ms, readings in pair.acknowledged().items())
    # The field is given a minute of its own time to end its leases and to find back to its plan.
    time.sleep(60.0 / PACE)
    led_again, _ = pair.brain("second", "--mqtt-port", port)
    back_ms = read_live_case(str(pair.live)).clock().now_ms()
    _until(lambda: max(pair.acknowledged()) > back_ms + 60_000)
    field.send_signal(signal.SIGTERM)
    told = json.loads(_finish(field).splitlines()[-1])
    _finish(led_again)
    stored, acknowledged = pair.stored(), pair.acknowledged()
    assert told["acknowledged"] == told["packs"] == len(acknowledged)
    assert all(stored[at_ms] >= readings for at_ms, readings in acknowledged.items())
    modes = pair.modes()
    assert any(LEASED in led for at_ms, led in modes.items() if at_ms <= died_ms)
    # A lease holds four seconds, given up to a second before and looked at once a second.
    unled = [at_ms for at_ms in modes if died_ms + 6000 < at_ms < back_ms - 1000]
    assert unled
    assert not any(LEASED in modes[at_ms] for at_ms in unled)
    assert any(OWN in modes[at_ms] for at_ms in unled)
    assert any(LEASED in led for at_ms, led in modes.items() if at_ms > back_ms)


@pytest.mark.timeout(900)
def test_a_killed_field_is_waited_for_and_led_again(pair: Pair) -> None:
    """The brain goes on without it, decides on nothing it does not hear, and leads the field that comes back."""
    brain, ports = pair.brain("brain")
    url = f"mqtt://127.0.0.1:{ports['mqtt']}"
    field = pair.field("first", url, "--end", "600")
    _until(lambda: pair.record.exists() and len(pair.acknowledged()) > 20)
    field.send_signal(signal.SIGKILL)
    field.communicate()
    first = pair.acknowledged()
    told = json.loads(_finish(pair.field("second", url, "--end", "40")).splitlines()[-1])
    _finish(brain)
    assert told["leases"] > 0
    stored = pair.stored()
    both = {**first, **pair.acknowledged()}
    assert all(stored[at_ms] >= readings for at_ms, readings in both.items())
    # While nothing was heard nothing was decided.
    reader = RunReader(pair.folder / "brain")
    silent_ms = (max(first) + 5000, min(pair.acknowledged()) - 1)
    assert not [d for d in reader.decisions() if silent_ms[0] < d.decided_at_ms < silent_ms[1]]


def _until(holds, patience_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
