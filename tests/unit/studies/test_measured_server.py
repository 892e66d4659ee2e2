"""How the memory of a server under measurement is looked at."""

from __future__ import annotations

import os
import time

from cityloop.studies.measured_server import TOKEN, MemoryWatch, Server, served
from cityloop.studies.sensing_rows import RowSpec
from cityloop.studies.sensor_fleet import FleetParams
from cityloop.studies.sensor_load import LoadParams
from cityloop.studies.simulate import simulate


def test_the_least_and_the_most_of_a_stretch_are_told():
    """What a process held for a while counts as the most, though it gave it back before anybody asked."""
    with MemoryWatch(Server(os.getpid(), "", "")) as watch:
        before_mb = watch.last(60.0)[1]
        held = b"x" * (96 << 20)
        deadline_s = time.monotonic() + 60.0
        while watch.last(60.0)[1] < before_mb + 80 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        del held
        least_mb, most_mb = watch.last(600.0)
    assert most_mb - least_mb >= 80
    assert watch.last(0.0)[1] <= most_mb


def test_a_greater_fleet_over_the_same_folder_is_known_whole(tmp_path):
    """A second server over a folder registers what the first did not need, so that refusals are never what is timed."""
    spec = RowSpec(folder=tmp_path)
    for streams in (20, 40):
        with served(spec, streams) as server:
            load = LoadParams(url=server.http, token=TOKEN, pack=10, rate_hz=10, duration_s=0.2, connections=1)
            assert simulate(FleetParams(count=streams, seed=1), load).acknowledged > 0
            assert server.strangers() == 0
