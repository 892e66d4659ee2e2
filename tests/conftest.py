"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch
from cityloop.kernel.domain import Domain, Views
from cityloop.kernel.messages import Allowed, Alternative, Proposal, Refused, Request, Verdict
from cityloop.kernel.tick import Brain

# Several workers share the cores, so a slow example says nothing; CI draws the same examples every time.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of evaluation data, or a skip that says how to name it."""
    named = os.environ.get("CITYLOOP_EVAL_DATA")
    if not named:
        pytest.skip("CITYLOOP_EVAL_DATA does not name the evaluation data")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"CITYLOOP_EVAL_DATA={named}: no such folder; unset it or name the evaluation data")
    return folder


@dataclass(frozen=True, slots=True)
class Clockwork:
    """State of the smallest domain that still depends on every reading."""

    heard: float
    """Sum of all values heard."""
    ticks: int


def _clockwork_domain() -> Domain[Clockwork, float]:
    def update(state: Clockwork, batch: Batch, views: Views, now_ms: int) -> Clockwork:
        return Clockwork(state.heard + float(batch.value.sum()), state.ticks + 1)

    def propose(
        state: Clockwork, forecast: float, requests: Sequence[Request], now_ms: int
    ) -> tuple[Proposal, ...]:
        stage = now_ms // 20_000 % 2
        # Every seventh tick asks for a stage that is not there, so that the guard has something to refuse.
        asked = ShowStage(9 if state.ticks % 7 == 0 else stage)
        weighed = (Alternative(1 - stage, forecast),)
        return (Proposal(target=0, action=asked, reason=1, cost=state.heard, gain=0.0, alternatives=weighed),)

    def check(proposal: Proposal, state: Clockwork, now_ms: int) -> Verdict:
        asked = proposal.action
        return Allowed(asked) if isinstance(asked, ShowStage) and asked.stage < 2 else Refused(rule=1)

    return Domain(
        name="signals",
        start=lambda layout, now_ms: Clockwork(0.0, 0),
        update=update,
        predict=lambda state, views, now_ms: state.heard / 2,
        policies={"clockwork": propose},
        check=check,
        accept=lambda state, verdicts, now_ms: state,
        view=lambda state: state,
    )


@pytest.fixture(scope="session")
def clockwork() -> Brain:
    """A brain whose one domain changes the toy's stage every 20 s and decides from everything it heard."""
    return Brain(domains=(_clockwork_domain(),), arms={"signals": "clockwork"})
