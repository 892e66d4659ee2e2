"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.stages import LAMP_OF, intergreens
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import (
    Approaches,
    Controllers,
    LinkKind,
    Links,
    Matrices,
    Movements,
    ShowStage,
    SignalAssets,
    Stages,
)
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import columns_of
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


@dataclass(frozen=True, slots=True)
class HandMade:
    """A junction written down in a test."""

    assets: SignalAssets
    stage_states: tuple[tuple[str, ...], ...]
    walks: frozenset[int]
    """Local links that are crossings."""


@pytest.fixture(scope="session")
def junction_of() -> Callable[..., HandMade]:
    """Write down one junction: its stages, crossings with their clearances, and pairs of links that cross."""

    def build(
        states: tuple[str, ...],
        *,
        clearance_s: dict[int, float],
        foes: tuple[tuple[int, int], ...],
        passed: tuple[int, ...] = (),
        all_red_s: float = 0.0,
        walk_s: float = 5.0,
        yellow_s: float = 3.0,
    ) -> HandMade:
        links, stages = len(states[0]), len(states)
        crossing = np.array([link in clearance_s for link in range(links)])
        clearing = np.array([clearance_s.get(link, 0.0) for link in range(links)])
        yellow = np.where(crossing, 0.0, yellow_s)
        foe = np.zeros((links, links), np.bool_)
        for one, other in foes:
            foe[one, other] = foe[other, one] = True
        walked = [any(state[link] == "G" for link in clearance_s) for state in states]
        zero = np.zeros(1, np.int32)
        unknown, nil = np.full(links, -1, np.int32), np.zeros(links)
        assets = SignalAssets(
            controllers=Controllers(
                link_begin=zero,
                link_end=zero + links,
                stage_begin=zero,
                stage_end=zero + stages,
                approach_begin=zero,
                approach_end=zero,
                matrix_begin=zero,
                lamps_begin=zero,
                intergreen_begin=zero,
                all_red_s=np.array([all_red_s]),
            ),
            links=Links(
                junction=np.zeros(links, np.int32),
                kind=np.where(crossing, LinkKind.CROSSING, LinkKind.VEHICLE).astype(np.int32),
                approach=unknown,
                turn=np.zeros(links, np.int32),
                yellow_s=yellow,
                length_m=nil,
                clearance_s=clearing,
                next_group=unknown,
                next_distance_m=nil,
            ),
            stages=Stages(
                junction=np.zeros(stages, np.int32),
                service=np.array([stage not in passed for stage in range(stages)]),
                min_green_s=np.where(walked, walk_s, 5.0),
            ),
            approaches=Approaches(
                **{column.name: np.zeros(0, column.dtype) for column in columns_of(Approaches)}
            ),
            movements=Movements(
                **{column.name: np.zeros(0, column.dtype) for column in columns_of(Movements)}
            ),
            matrices=Matrices(foe.ravel(), foe.ravel(), np.zeros(links * links, np.bool_)),
            lamps=np.array([[LAMP_OF[lamp] for lamp in state] for state in states], np.uint8).ravel(),
            intergreen_s=intergreens(states, yellow, all_red_s, clearing, crossing, foe).ravel(),
            sensing="area:150",
        )
        return HandMade(assets, (states,), frozenset(clearance_s))

    return build


_TOWN_ROUTES = """<routes>
    <flow id="eastward" from="left0A0" to="B0right0" begin="0" end="600" period="4"/>
    <flow id="westward" from="right0B0" to="A0left0" begin="0" end="600" period="6"/>
    <flow id="turning" from="bottom0A0" to="B0top1" begin="0" end="600" period="9"/>
    <flow id="southward" from="top1B0" to="B0bottom1" begin="0" end="600" period="8"/>
    <personFlow id="walking" begin="0" end="600" period="10">
        <walk from="bottom0A0" to="A0top0"/>
    </personFlow>
    <personFlow id="strolling" begin="0" end="600" period="15">
        <walk from="left0A0" to="B0right0"/>
    </personFlow>
</routes>
"""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> CityCase:
    """Two signals in a row, with footways and crossings, cars and people; ten minutes from midnight."""
    folder = tmp_path_factory.mktemp("town")
    run_binary(
        "netgenerate",
        [
            *("--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "160"),
            *("--grid.attach-length", "200", "--default.lanenumber", "1", "--tls.set", "A0,B0"),
            *("--sidewalks.guess", "true", "--crossings.guess", "true", "--no-warnings", "true"),
            *("--output-file", str(folder / "town.net.xml")),
        ],
    )
    (folder / "town.rou.xml").write_text(_TOWN_ROUTES, encoding="utf-8")
    (folder / "town.sumocfg").write_text(
        '<configuration><input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>'
        '<time><begin value="0"/><end value="600"/></time></configuration>',
        encoding="utf-8",
    )
    return resolve_city(str(folder / "town.sumocfg"))
