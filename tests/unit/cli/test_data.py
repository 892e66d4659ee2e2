"""``cityloop data``: what a server keeps can be asked for, exported, checked, backed up while it runs, and restored."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cityloop.app.sensing import open_sensing
from cityloop.cli.data import command
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityloopError
from cityloop.kernel.readings import DataKind
from cityloop.storage.streams import Registration

DAY_MS = 86_400_000
BEGIN_MS = 1_767_225_600_000  # 2026-01-01


def run(*arguments, code=0):
    ran = CliRunner().invoke(command, [str(one) for one in arguments])
    assert ran.exit_code == code, (ran.output, ran.exception)
    return ran


def batch(stream, observed, value):
    count = len(stream)
    observed = np.asarray(observed, np.int64)
    quality = np.zeros(count, np.uint8)
    return Batch(np.asarray(stream, np.int32), observed, observed + 5, np.asarray(value, float), quality)


def append(readings, rows):
    done, told = threading.Event(), []
    readings.append(rows, lambda error: (told.append(error), done.set()))
    assert done.wait(30)
    assert told == [None]


@pytest.fixture(params=["", "sensing"])
def data(request, tmp_path):
    """A closed folder of three streams: as the sensing server keeps it, and as a served room does."""
    folder = tmp_path / "room" / request.param
    with open_sensing(folder) as opened:
        rows = opened.streams.register_many(
            [
                Registration(name="bin-17/fill", unit="1", lon_deg=13.54, lat_deg=52.43),
                Registration(name="bus-7/lon_deg", unit="deg", kind=DataKind.VEHICLE_POSITION),
                Registration(name="watch/lon_deg", unit="deg", kind=DataKind.PERSON_POSITION),
            ]
        )
        hours = BEGIN_MS + np.arange(24) * 3_600_000
        for place, row in enumerate(rows.tolist()):
            append(opened.readings, batch([row] * 24, hours, np.arange(24) + 100 * place))
    return tmp_path / "room"


def test_query_tells_the_newest_of_a_stream(data):
    """Five rows at most, the newest first, with name, unit and instant."""
    lines = run("query", data, "--stream", "bin-17/fill", "--newest", "--limit", 2).output.splitlines()
    assert len(lines) == 3
    assert "23" in lines[1]
    assert "bin-17/fill" in lines[1]


def test_query_by_sql_joins_readings_and_streams(data):
    """Any statement over the two tables; one that is wrong is one line."""
    statement = "select name, count(*) as n from readings join streams using (stream) group by all order by name"
    lines = [line.replace('"', "") for line in run("query", data, "--sql", statement).output.splitlines()]
    assert lines == ["name,n", "bin-17/fill,24", "bus-7/lon_deg,24", "watch/lon_deg,24"]
    ran = run("query", data, "--sql", "select nothing from nowhere", code=1)
    assert isinstance(ran.exception, CityloopError)


def test_query_refuses_what_it_does_not_know(data):
    """An unknown stream and an instant that is none name the option and the value."""
    assert "--stream nobody" in str(run("query", data, "--stream", "nobody", code=1).exception)
    assert "--begin yesterday" in str(run("query", data, "--begin", "yesterday", code=1).exception)


def test_export_by_the_ending_of_its_file(data, tmp_path):
    """Parquet and CSV of a span hold the same rows; another ending is refused and nothing is written."""
    span = ("--begin", "2026-01-01T06:00", "--end", "2026-01-01T08:00:00Z")
    run("export", data, tmp_path / "a.parquet", *span)
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 6
    run("export", data, tmp_path / "a.csv", *span)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7
    run("export", data, tmp_path / "bins.csv", "--rollups", "--stream", "bin-17/fill")
    assert len((tmp_path / "bins.csv").read_text().splitlines()) == 25
    run("export", data, tmp_path / "a.xlsx", code=1)
    assert not (tmp_path / "a.xlsx").exists()


def test_check_finds_a_flipped_bit(data):
    """A whole folder passes; one with a changed byte in its log fails, and JSON tells it too."""
    assert json.loads(run("check", data, "--json").output.splitlines()[-1])["faults"] == []
    log = next(path for path in sorted(data.rglob("*.log")) if path.stat().st_size > 200)
    spoilt = bytearray(log.read_bytes())
    spoilt[120] ^= 1
    log.write_bytes(spoilt)
    assert "faults" in run("check", data, code=1).output


def test_retention_removes_positions_of_people_first(data):
    """A year later positions of people and vehicles are gone, the bin's readings are not."""
    assert "person_position: readings 1 days" in run("retention", data, "--show").output
    assert "48 readings deleted" in run("retention", data, "--keep", "measurement=100y/100y").output
    left = run("query", data, "--sql", "select distinct name from readings join streams using (stream)").output
    assert "bin-17/fill" in left
    assert "watch" not in left
    assert "bus-7" not in left


def test_a_backup_of_a_running_system_holds_what_was_acknowledged_before(tmp_path):
    """Readings go on coming while the folder is copied; restored, every reading acknowledged before is there."""
    room, saved, again = tmp_path / "room", tmp_path / "saved", tmp_path / "again"
    stop, acknowledged = threading.Event(), []
    with open_sensing(room / "sensing") as opened:
        row = int(opened.streams.register_many([Registration(name="bin-17/fill", unit="1")])[0])
        (room / "token").write_text("secret")
        (room / "token").chmod(0o600)
        (room / "serve.lock").write_text("")

        def send():
            at = 0
            while not stop.is_set():
                append(opened.readings, batch([row], [BEGIN_MS + at], [at]))
                acknowledged.append(at)
                at += 1

        sender = threading.Thread(target=send)
        sender.start()
        while len(acknowledged) < 20:
            time.sleep(0.005)
        before = len(acknowledged)
        assert "whole" in run("backup", room, saved).output
        stop.set()
        sender.join()
    assert "whole" in run("restore", saved, again).output
    run("export", again, tmp_path / "all.parquet")
    values = pq.read_table(tmp_path / "all.parquet").column("value").to_pylist()
    assert len(values) >= before
    assert values[:before] == [float(at) for at in range(before)]
    assert (again / "token").read_text() == "secret"
    assert (again / "token").stat().st_mode & 0o777 == 0o600
    assert not (again / "serve.lock").exists()
    with open_sensing(again / "sensing") as restored:
        assert restored.streams.row_of("bin-17/fill") == row
        assert len(restored.readings.latest()) == 1


def test_backup_and_restore_never_write_over_what_is_there(data, tmp_path):
    """A target that is not empty, a folder that is no backup and a damaged backup are refused."""
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    run("backup", data, full, code=1)
    assert [path.name for path in full.iterdir()] == ["mine"]
    run("restore", full, tmp_path / "new", code=1)
    assert not (tmp_path / "new").exists()
    run("backup", data, tmp_path / "saved")
    log = next(path for path in sorted((tmp_path / "saved").rglob("*.log")) if path.stat().st_size > 200)
    spoilt = bytearray(log.read_bytes())
    spoilt[120] ^= 1
    log.write_bytes(spoilt)
    run("restore", tmp_path / "saved", tmp_path / "new", code=1)
    assert not (tmp_path / "new").exists()
