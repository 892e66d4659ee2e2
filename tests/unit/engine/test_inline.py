"""The loop: order, blackouts, observing only, cost."""

from __future__ import annotations

import dataclasses

import pytest

from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.engine.inline import Blackout, InlineEngine, LoopParams
from cityloop.kernel.errors import CityError, ConfigError, StoreError
from cityloop.storage.memory import MemoryStore

SPAN = LoopParams(begin_ms=0, end_ms=60_000, warm_up_ticks=10)


def run(brain, params=SPAN, city=None, store=None):
    """Run the loop over the toy city and return city, store and report."""
    city = city or ToyCity(ToyParams(end_s=params.end_ms / 1000))
    store = store or MemoryStore()
    return city, store, InlineEngine(city, brain, store, params).run()


class Tracing(ToyCity):
    """A toy city that notes each command at the moment it is told."""

    def __init__(self, params, trace):
        super().__init__(params)
        self.trace = trace

    def apply(self, commands):
        self.trace += [("act", command.sequence) for command in commands]
        super().apply(commands)


class TracingStore(MemoryStore):
    """A store that notes each decision at the moment it is kept."""

    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def append_decisions(self, decisions):
        super().append_decisions(decisions)
        self.trace += [("journal", decision.sequence) for decision in decisions if decision.sequence >= 0]


class FullStore(MemoryStore):
    """A store that fails at the third step's decisions, as a full disk does."""

    def append_decisions(self, decisions):
        if len(self.decisions) >= 2:
            raise StoreError("No space left on device.")
        super().append_decisions(decisions)


def test_a_tick_a_second(clockwork):
    """Sixty seconds are sixty steps, ticks and decisions of one junction."""
    _, store, report = run(clockwork)
    assert (report.steps, report.ticks, report.decisions) == (60, 60, 60)
    assert [now_ms for now_ms, _ in store.readings] == list(range(1_000, 61_000, 1_000))


def test_journal_comes_before_the_act(clockwork):
    """Every command is in the journal before the city hears of it."""
    trace: list[tuple[str, int]] = []
    run(clockwork, city=Tracing(ToyParams(end_s=60), trace), store=TracingStore(trace))
    sequences = sorted({sequence for _, sequence in trace})
    assert trace == [(verb, sequence) for sequence in sequences for verb in ("journal", "act")]


def test_what_cannot_be_journalled_is_not_done(clockwork):
    """A store that fails stops the loop before the city is told anything of that step."""
    trace: list[tuple[str, int]] = []
    with pytest.raises(StoreError, match="No space left"):
        run(clockwork, city=Tracing(ToyParams(end_s=60), trace), store=FullStore())
    assert trace == [("act", 0), ("act", 1)]


def test_refused_proposals_are_journalled_and_not_sent(clockwork):
    """A refused proposal leaves a decision without a command."""
    _, store, report = run(clockwork)
    refused = [d for d in store.decisions if d.sequence == -1]
    assert len(refused) == 60 // 7
    assert report.commands == report.decisions - len(refused)


def test_receipts_are_kept_with_the_step_that_brought_them(clockwork):
    """A command of one tick is answered in the readings of the next."""
    _, store, _ = run(clockwork)
    assert [now_ms for now_ms, _ in store.receipts[:3]] == [2_000, 3_000, 4_000]
    assert all(receipt.at_ms == now_ms - 1_000 for now_ms, receipt in store.receipts)


def test_blackout_is_silent_but_heard(clockwork):
    """Without the brain nothing is decided and everything is still recorded."""
    params = dataclasses.replace(SPAN, blackouts=(Blackout(20, 40),))
    _, store, report = run(clockwork, params)
    assert report.ticks == 40
    assert not [d for d in store.decisions if 20_000 <= d.decided_at_ms < 40_000]
    assert len(store.readings) == 60


def test_brain_comes_back_afresh(clockwork):
    """After a blackout the epoch is greater, the count of commands starts again and nothing is remembered."""
    params = dataclasses.replace(SPAN, blackouts=(Blackout(20, 40),))
    _, store, report = run(clockwork, params)
    first = next(d for d in store.decisions if d.decided_at_ms == 40_000)
    assert report.epoch == clockwork.epoch + 1
    assert first.sequence == 0
    heard = next(batch for now_ms, batch in store.readings if now_ms == 40_000)
    assert first.proposal.cost == heard.value.sum()


def test_restarted_brain_is_obeyed(clockwork):
    """The field takes the greater epoch's commands though their count began again."""
    params = dataclasses.replace(SPAN, blackouts=(Blackout(20, 40),))
    _, store, _ = run(clockwork, params)
    assert {receipt.status.name for _, receipt in store.receipts} <= {"ACCEPTED", "PENDING"}


def test_field_runs_its_own_plan_in_a_blackout(clockwork):
    """Four seconds after the last command the lease is over and the field says so."""
    params = dataclasses.replace(SPAN, blackouts=(Blackout(20, 60),))
    city, store, _ = run(clockwork, params)
    mode_stream = int((city.layout().streams.kind == 9).nonzero()[0][0])
    mode = {now_ms: float(b.value[b.stream == mode_stream][0]) for now_ms, b in store.readings}
    # The last command, of 19 s, holds to 23 s.
    assert (mode[23_000], mode[60_000]) == (1.0, 0.0)
    assert mode[24_000] != 1.0


def test_a_brain_without_arms_only_observes(clockwork):
    """Where no lease is sent the loop takes ten seconds a step and decides nothing."""
    _, store, report = run(dataclasses.replace(clockwork, arms={}))
    assert (report.steps, report.ticks, report.decisions) == (6, 0, 0)
    assert sum(len(batch) for _, batch in store.readings) > 60 * 5


def test_same_inputs_same_digest(clockwork):
    """Two runs decide alike, to the byte; another demand decides otherwise."""
    digests = [run(clockwork)[1].digest.hexdigest() for _ in range(2)]
    other = ToyCity(ToyParams(end_s=60, headway_s=(5.0, 8.0)))
    assert digests[0] == digests[1] != run(clockwork, city=other)[1].digest.hexdigest()


def test_the_city_may_end_first(clockwork):
    """The loop ends with the city's time."""
    _, _, report = run(clockwork, city=ToyCity(ToyParams(end_s=30)))
    assert (report.steps, report.ended_ms) == (30, 30_000)


def test_a_city_that_stands_still_is_an_error(clockwork):
    """A city that gives no time and does not end would loop for ever."""

    class Stuck(ToyCity):
        def observe(self, until_ms):
            return dataclasses.replace(super().observe(0), ended=False)

    with pytest.raises(CityError, match="stands still at 0 s"):
        run(clockwork, city=Stuck(ToyParams(end_s=60)))


def test_cost_leaves_the_warm_up_out(clockwork):
    """Of sixty ticks, ten warm up; the parts add up to the whole."""
    _, _, report = run(clockwork)
    cost = report.cost
    assert (cost.ticks, cost.decisions, cost.warm_up_ticks) == (50, 50, 10)
    assert cost.us_per_decision == pytest.approx(sum(cost.parts_us_per_decision.values()))
    assert cost.total_s == pytest.approx(cost.us_per_decision * cost.decisions / 1e6)
    assert cost.parts_us_per_decision["update"] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Blackout(20, 20),
        lambda: LoopParams(begin_ms=0, end_ms=0),
        lambda: LoopParams(begin_ms=0, end_ms=1, period_s=0),
    ],
)
def test_nonsense_is_refused(wrong):
    """Spans that go nowhere are refused where they are made."""
    with pytest.raises(ConfigError):
        wrong()
