"""How long people on foot are kept by the plan that runs without a brain."""

from __future__ import annotations

import pytest

from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.own_reds import with_own_reds
from cityloop.cities.sumo.programs import fixed_plan, program_phases
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import LinkKind


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
