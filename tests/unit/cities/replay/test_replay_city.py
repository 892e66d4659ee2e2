"""A recording plays its steps, no more and no less."""

from __future__ import annotations

import numpy as np

from cityloop.cities.replay.city import ReplayCity
from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.messages import Receipt, ReceiptStatus

LAYOUT = toy_layout(ToyParams())


def heard(value):
    at_ms = np.array([1], np.int64)
    return Batch(np.zeros(1, np.int32), at_ms, at_ms, np.array([value]), np.zeros(1, np.uint8))


def receipt(sequence):
    return Receipt(domain="signals", target=0, sequence=sequence, status=ReceiptStatus.ACCEPTED, at_ms=0)


def recording(begin_ms=0):
    steps = [(1_000, heard(1.0)), (2_000, empty_batch()), (3_000, heard(3.0))]
    receipts = [(2_000, receipt(0)), (2_000, receipt(1)), (3_000, receipt(2))]
    return ReplayCity(LAYOUT, steps, receipts, begin_ms)


def test_steps_play_one_by_one():
    """Each look brings the step recorded for it, silent ones too, and its receipts."""
    city = recording()
    seen = [city.observe(ms) for ms in (1_000, 2_000, 3_000)]
    assert [(o.now_ms, o.batch.value.tolist(), len(o.receipts), o.ended) for o in seen] == [
        (1_000, [1.0], 0, False),
        (2_000, [], 2, False),
        (3_000, [3.0], 1, True),
    ]


def test_a_longer_look_joins_steps():
    """Looking ahead brings all steps up to there."""
    seen = recording().observe(10_000)
    assert (seen.now_ms, seen.batch.value.tolist(), len(seen.receipts), seen.ended) == (
        3_000,
        [1.0, 3.0],
        3,
        True,
    )


def test_before_the_next_step_nothing_is_heard():
    """Time stands where the recording stands."""
    seen = recording(begin_ms=500).observe(900)
    assert (seen.now_ms, len(seen.batch), seen.ended) == (500, 0, False)


def test_commands_change_nothing():
    """What became of the commands is in the recording already."""
    city = recording()
    city.apply([])
    assert city.observe(1_000).batch.value.tolist() == [1.0]


def test_an_empty_recording_has_ended():
    """A recording without steps ends at its begin."""
    city = ReplayCity(LAYOUT, [], [], 7_000)
    seen = city.observe(8_000)
    assert (seen.now_ms, seen.ended) == (7_000, True)
    city.close()
    city.close()
