"""The guard, for every stage asked in every state."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityloop.domains.signals.bounds import forced_stage
from cityloop.domains.signals.corridors import DEFAULT, Claim, Corridors, Recovery, Way
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.guard import check
from cityloop.domains.signals.schema import Reason, Rule, ShowStage
from cityloop.domains.signals.state import LEAD_MS
from cityloop.kernel.messages import Action, Allowed, PassJunction, Proposal, Refused, Trimmed

NOW_MS = 1_000_000
# Stage 2 is passed through; stage 3 shows two protected greens across one another.
STATES = ("GrrG", "rGrr", "grrr", "GGrr", "rrGr")


class Other(Action, frozen=True):
    """An action of another domain."""


@st.composite
def states(draw):
    """Draw what a junction shows: stage, target, greens and reds of any length, living or dead."""
    shown = draw(st.integers(-1, 4))
    seconds = st.integers(0, 200)
    return {
        "stage": np.array([shown], np.int32),
        "last_stage": np.array([shown if shown >= 0 else draw(st.integers(-1, 4))], np.int32),
        "target": np.array([draw(st.sampled_from([-1, 0, 1, 4]))], np.int32),
        "green_since_ms": np.array([NOW_MS - 1000 * draw(seconds)]),
        "waits_since_ms": np.array([NOW_MS - 1000 * draw(seconds) for _ in range(4)]),
        "dead": np.array([draw(st.integers(0, 9)) == 0]),
    }


def judged(crossroads, asked, columns):
    """Return the junction's state and the verdict on a stage asked for."""
    made = crossroads(STATES, ((0,), (1,), (2,), (3,)), foes=((0, 1),), passed=(2,))
    oldest_ms = columns["waits_since_ms"].min(keepdims=True)
    state = msgspec.structs.replace(signals.start(made.layout, 0), oldest_wait_ms=oldest_ms, **columns)
    ask = Proposal(target=0, action=ShowStage(asked), reason=1, cost=0.0, gain=0.0)
    return state, check(ask, state, NOW_MS)


asking = given(asked=st.integers(-3, 9), columns=states())


@asking
def test_only_service_stages_without_conflict_pass(crossroads, asked, columns):
    """No unknown, clearance or conflicting stage passes, neither as asked nor trimmed."""
    _, verdict = judged(crossroads, asked, columns)
    if asked not in (0, 1, 4):
        assert isinstance(verdict, Refused)
        expected = {2: Rule.NOT_SERVICE, 3: Rule.CONFLICT}.get(asked, Rule.UNKNOWN_STAGE)
        assert verdict.rule == expected
    elif not isinstance(verdict, Refused):
        assert verdict.action.stage in (0, 1, 4) or verdict.action.stage == columns["stage"][0]


@asking
def test_nothing_passes_without_sensing(crossroads, asked, columns):
    """A junction without trustworthy sensing is left to its own plan, and only such a one is refused a good stage."""
    _, verdict = judged(crossroads, asked, columns)
    if asked in (0, 1, 4):
        assert isinstance(verdict, Refused) == bool(columns["dead"][0])
        assert not isinstance(verdict, Refused) or verdict.rule == Rule.SENSING_DEAD


@asking
def test_minimum_green_is_never_shortened(crossroads, asked, columns):
    """In the first 5 s of a stage that serves, to the second a command shows, whatever passes is that stage."""
    _, verdict = judged(crossroads, asked, columns)
    shown = int(columns["stage"][0])
    young = NOW_MS + LEAD_MS - columns["green_since_ms"][0] < 5000
    if shown >= 0 and shown != 2 and young and not isinstance(verdict, Refused):
        assert verdict.action.stage == shown


@asking
def test_a_change_under_way_is_finished(crossroads, asked, columns):
    """While nothing is shown, the target of the change is all that passes."""
    _, verdict = judged(crossroads, asked, columns)
    target = int(columns["target"][0])
    if columns["stage"][0] < 0 and target >= 0 and not isinstance(verdict, Refused):
        assert verdict.action.stage == target
        assert isinstance(verdict, Allowed) == (asked == target)


@asking
def test_a_due_stage_goes_first(crossroads, asked, columns):
    """Past least green, the stage that the bound forces is the one that passes, under the bound's name."""
    state, verdict = judged(crossroads, asked, columns)
    young = NOW_MS + LEAD_MS - columns["green_since_ms"][0] < 5000
    if asked not in (0, 1, 4) or columns["stage"][0] < 0 or columns["dead"][0] or young:
        return
    forced = forced_stage(state, 0, NOW_MS, asked)
    if forced >= 0:
        assert verdict == Trimmed(ShowStage(forced), Rule.MAXIMUM_RED)
    else:
        assert verdict == Allowed(ShowStage(asked))


def test_another_domains_action_is_refused(crossroads):
    """A junction shows stages and nothing else."""
    made = crossroads(STATES, ((0,), (1,), (2,), (3,)))
    ask = Proposal(target=0, action=Other(), reason=1, cost=0.0, gain=0.0)
    assert check(ask, signals.start(made.layout, 0), NOW_MS) == Refused(Rule.UNKNOWN_STAGE)


corridor_reasons = st.sampled_from([reason for reason in Reason if reason.name.startswith("CORRIDOR")])


@given(asked=st.integers(0, 4), columns=states(), reason=corridor_reasons, held_s=st.integers(-1, 80))
def test_a_corridor_gets_no_more_than_anybody_and_never_past_its_cap(crossroads, asked, columns, reason, held_s):
    """Whatever is claimed: no minimum green, change or bound on waits gives way, and no hold outlasts the cap."""
    made = crossroads(STATES, ((0,), (1,), (2,), (3,)), foes=((0, 1),), passed=(2,))
    oldest_ms = columns["waits_since_ms"].min(keepdims=True)
    claim = Claim(
        junction=0,
        sender="emergency",
        priority=300,
        action=PassJunction(0, 1, 0, 1, NOW_MS, NOW_MS),
        way=Way((1,), (1,), (1,), -1),
        upstream=frozenset(),
        expires_ms=NOW_MS + 1000,
        since_ms=0,
        stage=1,
        arrives_ms=NOW_MS,
        served_ms=-1 if held_s < 0 else NOW_MS - 1000 * held_s,
    )
    known = Corridors(claims=(claim,), recoveries=(Recovery(0, 4, NOW_MS + 5000),))
    state = msgspec.structs.replace(signals.start(made.layout, 0), oldest_wait_ms=oldest_ms, corridors=known, **columns)
    usual = check(Proposal(target=0, action=ShowStage(asked), reason=1, cost=0.0, gain=0.0), state, NOW_MS)
    verdict = check(Proposal(target=0, action=ShowStage(asked), reason=reason, cost=0.0, gain=0.0), state, NOW_MS)
    if not isinstance(verdict, Refused):
        assert verdict == usual
    elif not isinstance(usual, Refused):
        assert verdict.rule in (Rule.NO_REQUEST, Rule.HOLD_CAP)
    if held_s >= DEFAULT.hold_cap_s and reason != Reason.CORRIDOR_RECOVER:
        assert isinstance(verdict, Refused)


@given(asked=st.integers(0, 4), columns=states(), reason=corridor_reasons)
def test_nobody_gets_a_corridor_that_was_not_asked_for(crossroads, asked, columns, reason):
    """Without a claim a corridor's reason opens nothing."""
    made = crossroads(STATES, ((0,), (1,), (2,), (3,)), foes=((0, 1),), passed=(2,))
    oldest_ms = columns["waits_since_ms"].min(keepdims=True)
    state = msgspec.structs.replace(signals.start(made.layout, 0), oldest_wait_ms=oldest_ms, **columns)
    ask = Proposal(target=0, action=ShowStage(asked), reason=reason, cost=0.0, gain=0.0)
    assert isinstance(check(ask, state, NOW_MS), Refused)
