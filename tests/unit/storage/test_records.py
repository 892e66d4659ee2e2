"""Journal records: typed back, and told apart by field."""

from __future__ import annotations

import msgspec
import pytest

from cityloop.domains.emergency.schema import Advise
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.errors import StoreError
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Allowed, Alternative, Decision, Proposal, Refused, Trimmed
from cityloop.storage.comparing import ComparingStore
from cityloop.storage.records import decision_from, first_difference, frame_of

ADVICE = Advise(site=3, door=1)


def decision(verdict=None, cost=1.0, at_ms=7_000, target=0):
    return Decision(
        decided_at_ms=at_ms,
        domain="signals",
        policy="brain",
        proposal=Proposal(
            target=target,
            action=ShowStage(1),
            reason=2,
            cost=cost,
            gain=0.5,
            alternatives=(Alternative(0, 3.0), Alternative(2, float("inf"))),
        ),
        verdict=verdict or Allowed(ShowStage(1)),
        sequence=4,
        not_after_ms=at_ms + 4_000,
    )


@pytest.mark.parametrize("verdict", [Allowed(ShowStage(1)), Trimmed(ShowStage(0), 4), Refused(5), Allowed(ADVICE)])
def test_a_decision_comes_back_typed(verdict):
    """Every verdict and the action within read back as what they were."""
    assert decision_from(decision_bytes(decision(verdict))) == decision(verdict)


@pytest.mark.parametrize(
    ("other", "field", "values"),
    [
        (decision(cost=2.0), "proposal.cost", (1.0, 2.0)),
        (decision(Refused(5)), "verdict", None),
        (decision(Allowed(ShowStage(0))), "verdict.action[1]", (1, 0)),
        (decision(at_ms=8_000), "decided_at_ms", (7_000, 8_000)),
    ],
)
def test_the_first_differing_field_is_named(other, field, values):
    """The path leads to the value, through actions too."""
    found = first_difference(decision_bytes(decision()), decision_bytes(other))
    assert found[0] == field
    assert values is None or found[1:] == values


def test_nan_is_no_difference_in_itself():
    """Two records whose only oddity is the same NaN differ where they differ, not there."""
    one, other = decision(cost=float("nan")), decision(cost=float("nan"), at_ms=8_000)
    assert first_difference(decision_bytes(one), decision_bytes(other))[0] == "decided_at_ms"


def recorded(*decisions):
    return [decision_bytes(one) for one in decisions]


def test_comparing_passes_what_is_alike():
    """Equal decisions pass, and have the digest of the recorded ones."""
    store = ComparingStore(recorded(decision(), decision(cost=9.0)), ["a"])
    store.append_decisions([decision(), decision(cost=9.0)])
    store.check_end()
    assert store.digest.count == 2


def test_comparing_names_time_junction_and_field():
    """The first difference is told in one line that can be acted on."""
    store = ComparingStore(recorded(decision(), decision(target=1)), ["north", "south"])
    with pytest.raises(StoreError, match=r"7 s, junction 'south', field proposal\.cost: .* 1\.0, .* 2\.0"):
        store.append_decisions([decision(), decision(target=1, cost=2.0)])


def test_comparing_tells_a_journal_that_ends_early():
    """A decision that the journal lacks is a difference."""
    store = ComparingStore(recorded(), ["a"])
    with pytest.raises(StoreError, match="the journal ends before it"):
        store.append_decisions([decision()])


def test_comparing_tells_a_decision_not_made_again():
    """A decision that only the journal has is a difference."""
    store = ComparingStore(recorded(decision()), ["a"])
    with pytest.raises(StoreError, match="not decided again"):
        store.check_end()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300, 65_535, 65_536])
def test_a_frame_holds_the_canonical_bytes(count):
    """Records encoded all at once are those encoded one by one, however many there are."""
    one = decision()
    frame, records = frame_of(1000, (one,) * count)
    assert records == decision_bytes(one) * count
    assert frame == msgspec.msgpack.encode((1000, [msgspec.Raw(decision_bytes(one))] * count))
