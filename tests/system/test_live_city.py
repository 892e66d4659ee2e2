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
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cityloop import app
from cityloop.app.sensing import open_sensing
from cityloop.cities.live.folder import read_live_case
from cityloop.domains.emergency.schema import Send
from cityloop.domains.refuse.schema import PlanRound
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.readings import DataKind
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


def _at_six_in_the_morning() -> str:
    """Return a time zone in which it is six o'clock now: crews of a live city eat by the clock on the wall."""
    ahead_h = (6 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead_h:+d}" if ahead_h else "UTC"


@pytest.fixture
def services_city(tmp_path: Path, grid_city: Path) -> Path:
    """The square with a station, a hospital, two ambulances, a truck, three containers, a call every ten seconds."""
    folder = tmp_path / "square"
    folder.mkdir()
    for name in ("grid.net.xml", "grid.rou.xml"):
        (folder / name).write_bytes(grid_city.with_name(name).read_bytes())
    (folder / "city.toml").write_text(
        f"""name = "square"
network = "grid.net.xml"
routes = ["grid.rou.xml"]
begin_s = 0
end_s = 900
zone = "{_at_six_in_the_morning()}"
synthetic = true
[assets]
emergency = "emergency.toml"
refuse = "refuse.toml"
"""
    )
    (folder / "emergency.toml").write_text(
        """synthetic = true
begins_at_h = 10
turnout_s = 5.0
[[sites]]
name = "Station"
kind = "station"
place = ["A0B0", 80.0]
[[sites]]
name = "Hospital"
kind = "hospital"
place = ["B1A1", 80.0]
[[units]]
name = "Ambulance 1"
station = "Station"
[[units]]
name = "Ambulance 2"
station = "Station"
[calls]
per_h = 360.0
priority_share = [0.4, 0.4, 0.2]
determinants = ["made up 1", "made up 2", "made up 3"]
call_taking_s = 5.0
on_scene_min = [5.0, 1.5]
transport_share = 0.6
handover_min = [5.0, 1.5]
upgraded_share = 0.0
cancelled_share = 0.0
"""
    )
    (folder / "refuse.toml").write_text(
        """synthetic = true
depot = ["B0A0", 40.0]
tip = ["B1B0", 40.0]
stop_s = 40.0
tip_s = 60.0
container = ["C1", "C2", "C3"]
edge = ["A0A1", "A1B1", "B0B1"]
at_m = [50.0, 60.0, 70.0]
capacity_kg = [400.0, 400.0, 400.0]
rate_per_day = [0.3, 0.3, 0.3]
sensed = [true, true, false]
[[trucks]]
name = "Truck"
payload_kg = 6000.0
"""
    )
    return folder


@pytest.mark.timeout(900)  # two starts, and what is compiled for three services
def test_ambulances_and_trucks_are_led_across_processes(tmp_path: Path, services_city: Path) -> None:
    """Calls come as readings, ambulances go by leases and answer; a round is asked for; places expire first."""
    pair = Pair(tmp_path, services_city)
    try:
        brain, ports = pair.brain("brain")
        url = f"mqtt://127.0.0.1:{ports['mqtt']}"
        told = json.loads(_finish(pair.field("field", url, "--end", "120")).splitlines()[-1])
        _finish(brain)
        assert told["packs"] == told["acknowledged"]
        reader = RunReader(pair.folder / "brain")
        reader.require_complete()
        taken = {
            (r.target, r.sequence)
            for _, r in reader.receipts()
            if (r.domain, r.status.name) == ("emergency", "ACCEPTED")
        }
        actions = [(d.proposal.action, (d.proposal.target, d.sequence)) for d in reader.decisions()]
        assert any(isinstance(action, Send) and key in taken for action, key in actions)
        assert any(isinstance(action, PlanRound) for action, _ in actions)
        truth = json.loads((pair.folder / "field" / "sumo" / "services.json").read_text(encoding="utf-8"))
        assert any(call["by_brain"] for call in truth["emergency"]["calls"])
        assert app.replay(pair.folder / "brain").decisions > 0
        with open_sensing(pair.data) as opened:
            columns, name = opened.streams.columns(), "square/{}/0".format
            assert columns.kind[opened.streams.row_of(name("call_x_m"))] == DataKind.PERSON_POSITION
            assert columns.kind[opened.streams.row_of(name("unit_x_m"))] == DataKind.VEHICLE_POSITION
            assert opened.streams.row_of(name("plan_visit")) is None
    finally:
        for process in pair.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
