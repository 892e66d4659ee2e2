"""The lamp monitor on lamps sampled every 50 ms, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.methods.lamp_monitor import LATEST_MS, LampFaultKind, LampMonitor, MonitorRules

SAMPLE_MS = 50
# Links: 0 through, 1 the side street, 2 the crossing of the side street.
RULES = MonitorRules(
    conflicts=frozenset({(0, 1)}),
    yellow_ms=(3000, 3000, 0),
    clearance_ms={2: 8000},
    crossing_foes={2: frozenset({1})},
)
ROUND = (("GrG", 10_000), ("Grr", 8000), ("yrr", 3000), ("rrr", 2000), ("rGr", 9000), ("ryr", 3000), ("rrr", 2000))
"""A legal round of the junction."""


def latched(spans, rules=RULES, sample_ms=SAMPLE_MS):
    """Return what is latched and how long after the last span began."""
    monitor, at_ms, begin_ms = LampMonitor(rules), 0, 0
    for lamps, shown_ms in spans:
        begin_ms = at_ms
        while at_ms < begin_ms + shown_ms:
            if monitor.see(at_ms, lamps) is not None:
                return monitor.fault, at_ms - begin_ms
            at_ms += sample_ms
    return None, None


def test_legal_rounds_are_left_alone():
    """Three rounds, seen every 50 ms and every second alike."""
    assert latched(ROUND * 3) == (None, None)
    assert latched(ROUND * 3, sample_ms=1000) == (None, None)


@given(before_ms=st.integers(1, 60), shown_ms=st.integers(1, 40))
def test_a_conflict_is_latched_in_time_and_a_flicker_never(before_ms, shown_ms):
    """Never within 200 ms, always within 450 ms (NEMA TS 2)."""
    shown_ms *= SAMPLE_MS
    fault, after_ms = latched([("Grr", before_ms * SAMPLE_MS + 500), ("GGr", shown_ms), ("Grr", 1000)])
    if shown_ms <= 200:
        assert fault is None
    elif shown_ms >= LATEST_MS:
        assert fault.kind is LampFaultKind.CONFLICT
        assert fault.links == (0, 1)
        assert 200 <= after_ms <= LATEST_MS


@pytest.mark.parametrize(
    ("spans", "kind", "links"),
    [
        ([("Grr", 8000), ("yrr", 2500), ("rrr", 1000)], LampFaultKind.SHORT_YELLOW, (0,)),
        ([("Grr", 8000), ("rrr", 1000)], LampFaultKind.SHORT_YELLOW, (0,)),
        (
            [("GrG", 9000), ("Grr", 500), ("yrr", 3000), ("rrr", 1000), ("rGr", 2000)],
            LampFaultKind.CUT_CROSSING,
            (2, 1),
        ),
        ([("Grr", 500), ("GrrG", 500)], LampFaultKind.SHAPE, ()),
    ],
    ids=["short yellow", "no yellow", "crossing cut", "a lamp too many"],
)
def test_what_is_unsafe_is_latched_within_450_ms(spans, kind, links):
    """Each kind, from the moment that it is on the street."""
    fault, after_ms = latched(spans)
    assert (fault.kind, fault.links) == (kind, links)
    assert after_ms <= LATEST_MS


def test_a_yellow_that_flickers_is_one_yellow():
    """A red of 100 ms within the yellow is no end of it."""
    spans = [("Grr", 8000), ("yrr", 1500), ("rrr", 100), ("yrr", 1400), ("rrr", 1000)]
    assert latched(spans) == (None, None)


def test_a_crossing_may_begin_again_with_those_who_give_way_beside_it():
    """A crossing that is green once more is not being cleared."""
    spans = [("GrG", 9000), ("Grr", 1000), ("GgG", 3000)]
    assert latched(spans) == (None, None)


def test_it_stays_latched_until_somebody_resets_it():
    """Legal lamps afterwards do not release it."""
    monitor = LampMonitor(RULES)
    for at_ms, lamps in ((0, "GGr"), (500, "Grr"), (5000, "Grr")):
        monitor.see(at_ms, lamps)
    assert monitor.fault.at_ms == 500
    monitor.reset()
    assert monitor.see(6000, "Grr") is None
    assert monitor.see(7000, "Grr") is None
