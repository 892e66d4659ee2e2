"""Sensing as it is opened: what is ready from the first moment on."""

from __future__ import annotations

import threading

import numpy as np

from cityloop.app.sensing import open_sensing
from cityloop.kernel.batch import Batch
from cityloop.kernel.readings import DataKind
from cityloop.storage.streams import Registration


def append(readings, rows, observed_ms):
    done, told = threading.Event(), []
    count = len(rows)
    observed = np.full(count, observed_ms, np.int64)
    batch = Batch(np.asarray(rows, np.int32), observed, observed, np.ones(count), np.zeros(count, np.uint8))
    readings.append(batch, lambda error: (told.append(error), done.set()))
    assert done.wait(30)
    assert told == [None]


def test_what_a_restart_finds_in_the_log_is_sealed_by_its_kind(tmp_path):
    """Positions of people lie in a file of their own, also when they were in the log as the server was started."""
    with open_sensing(tmp_path) as opened:
        rows = opened.streams.register_many(
            [Registration(name="bin", unit="1"), Registration(name="guest", unit="deg", kind=DataKind.PERSON_POSITION)]
        )
        append(opened.readings, rows, 1_767_225_600_000)
    with open_sensing(tmp_path) as again:
        again.readings.seal()
        segments = again.readings.catalogue.view.segments
        assert {segment.kind: segment.rows for segment in segments} == {
            DataKind.MEASUREMENT: 1,
            DataKind.PERSON_POSITION: 1,
        }


def test_streams_registered_by_name_take_readings_at_once(tmp_path):
    """Their spans are settled with them: a city's first second is no dearer than the next, and a restart knows them."""
    with open_sensing(tmp_path) as opened:
        rows = opened.streams.register_many([Registration(name=f"s{n}", unit="1") for n in range(50)])
        assert opened.streams.spans_are_known(rows)
        assert not opened.streams.spans_are_known(np.array([*rows.tolist(), 10**6], np.int32))
    with open_sensing(tmp_path) as again:
        assert again.streams.spans_are_known(rows)
