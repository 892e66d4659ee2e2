"""What it is worth to send units to sites, in hand-checked numbers on one straight road."""

import numpy as np
import pytest

from cityloop.domains.emergency.placing import Plan

PLACES = np.array([0.0, 6.0, 12.0])
"""Minutes along the road; each is a zone and a site."""


def plan(at, mix=0.0):
    """Units that stand along the road, all there when needed."""
    here = np.abs(np.array(at)[:, None] - PLACES[None, :])
    n, drive = len(at), here.copy()
    apart = np.abs(PLACES[:, None] - PLACES[None, :])
    return Plan(
        weight=np.full(3, 1 / 3),
        zone_site=apart,
        there=np.ones(n),
        here=here,
        eta=here.copy(),
        drive=drive,
        mix=np.full((n, 3), mix),
        bound=np.full(n, -1, np.int64),
        stay=np.zeros(n),
    )


def test_a_site_is_worth_the_next_calls_response():
    """One unit at the end: 6 min in the mean where it is, 4 from the middle."""
    assert plan([0.0]).values()[0].tolist() == pytest.approx([6.0, 4.0, 6.0])


def test_a_drive_counts_for_its_share():
    """With half of the horizon on the way the middle is worth the mean of both."""
    assert plan([0.0], mix=0.5).values()[0].tolist() == pytest.approx([6.0, 5.0, 6.0])


def test_who_is_on_the_way_counts_as_between():
    """Sent to the middle with half of the horizon on the way: 3 min from either, in the mean."""
    sent = plan([0.0], mix=0.5)
    sent.send(0, 1)
    assert sent.eta[0].tolist() == pytest.approx([3.0, 3.0, 9.0])
    assert sent.now(sent.values()) == pytest.approx([5.0])
