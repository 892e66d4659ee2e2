"""Tests of how lateness and memory are summed up."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.studies.dashboard_room import CLIENTS, growth_of, lateness_of


def test_late_is_more_than_a_tenth_of_a_second():
    """Of 200 ticks two began late; the worst is named."""
    found = lateness_of([1.0] * 198 + [150.0, 400.0])
    assert (found.ticks, found.late, found.worst_ms) == (200, 2, 400.0)
    assert found.median_ms == 1.0


def test_a_known_growth_is_within_its_interval():
    """Half a megabyte a minute under noise of 2 MB over half an hour."""
    rng = np.random.default_rng(5)
    at_s = np.arange(0, 1800, 5.0)
    found = growth_of(at_s, 300 + 0.5 * at_s / 60 + rng.normal(0, 2, len(at_s)))
    assert found.low_kb_min < 512 < found.high_kb_min
    assert found.high_kb_min - found.low_kb_min < 200


def test_samples_that_resemble_one_another_widen_the_interval():
    """A random walk has no trend to be sure of: its interval is far wider than that of independent noise."""
    rng = np.random.default_rng(6)
    at_s = np.arange(0, 1800, 5.0)
    noise = rng.normal(0, 1, len(at_s))
    walk, loose = growth_of(at_s, 300 + np.cumsum(noise)), growth_of(at_s, 300 + noise)
    assert walk.high_kb_min - walk.low_kb_min > 5 * (loose.high_kb_min - loose.low_kb_min)


def test_a_flat_line_has_no_slope():
    """Nothing grows, nothing is made up."""
    found = growth_of([0.0, 5.0, 10.0, 15.0, 20.0], [100.0] * 5)
    assert found.slope_kb_min == pytest.approx(0.0, abs=1e-6)


def test_ten_watch():
    """Readers, slow ones, sleepers, a storm and one that asks."""
    assert len(CLIENTS) == 10
    assert set(CLIENTS) == {"reads", "slow", "asleep", "storm", "asks"}
