"""How long people on foot are kept by the plan that runs without a brain."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.own_reds import with_own_reds
from cityloop.cities.sumo.plans import FootWait
from cityloop.cities.sumo.programs import fixed_plan, program_phases
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import LinkKind
from cityloop.kernel.errors import ConfigError


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Network:
    """Four junctions with crossings."""
    net = tmp_path_factory.mktemp("own") / "town.net.xml"
    run_binary(
        "netgenerate",
        ["--spider", "--spider.arm-number", "4", "--spider.circle-number", "1", "--spider.space-radius", "120",
         "--default-junction-type", "traffic_light", "--sidewalks.guess", "--crossings.guess", "--no-turnarounds",
         "true", "-o", str(net)],
    )  # fmt: skip
    return read_network(net)


def test_a_crossings_red_is_the_round_less_its_walk(network):
    """Where it walks once a round; vehicles are told nothing."""
    plans = fixed_plan(network)
    told = with_own_reds(network, plans)
    assert told.layout.tables["signals"] is told.assets
    checked = 0
    links, controllers = told.assets.links, told.assets.controllers
    crossings = links.kind == LinkKind.CROSSING
    assert crossings.any()
    assert (links.own_red_s[~crossings] == 0).all()
    for row, plan in enumerate(plans):
        begin, end = int(controllers.link_begin[row]), int(controllers.link_end[row])
        phases = program_phases(network, row, plan)
        for link in range(begin, end):
            lit = [phase.state[link - begin] in "gG" for phase in phases]
            walks = sum(now and not before for before, now in zip([*lit[-1:], *lit[:-1]], lit, strict=True))
            if crossings[link] and walks == 1:
                walk_s = sum(phase.duration_s for phase, on in zip(phases, lit, strict=True) if on)
                round_s = sum(phase.duration_s for phase in phases)
                assert links.own_red_s[link] == round_s - walk_s
                assert links.own_wait_s[link] == (round_s - walk_s) ** 2 / (2 * round_s)
                checked += 1
    assert checked > 0


def test_no_plans_no_promise(network):
    """Without plans nothing is promised."""
    assert (with_own_reds(network, ()).assets.links.own_red_s == 0).all()


def test_what_was_measured_goes_before_what_the_reds_say(network):
    """Only at its own crossing; how long the red is stays the plan's."""
    plans = fixed_plan(network)
    told = with_own_reds(network, plans).assets.links
    first = int(np.flatnonzero(told.own_red_s > 0)[0])
    junction = network.tls_ids[told.junction[first]]
    link = first - int(network.assets.controllers.link_begin[told.junction[first]])
    measured = with_own_reds(network, plans, [FootWait(junction=junction, link=link, wait_s=7.5)]).assets.links
    assert measured.own_wait_s[first] == 7.5
    others = np.arange(len(told.own_wait_s)) != first
    assert (measured.own_wait_s[others] == told.own_wait_s[others]).all()
    assert (measured.own_red_s == told.own_red_s).all()


@pytest.mark.parametrize(
    ("junction", "link", "said"),
    [("nowhere", 0, "no junction 'nowhere'"), (None, 0, "is no crossing"), (None, 999, "999")],
)
def test_waits_of_another_network_are_refused(network, junction, link, said):
    """By the name of what is not there, and what to do."""
    wait = FootWait(junction=junction or network.tls_ids[0], link=link, wait_s=1.0)
    with pytest.raises(ConfigError, match=said) as caught:
        with_own_reds(network, fixed_plan(network), [wait])
    assert "tune the plans of this city anew" in str(caught.value)
