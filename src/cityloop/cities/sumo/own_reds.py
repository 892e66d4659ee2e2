"""The longest red of every crossing in the plans that run without a brain: what the city promises people on foot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.programs import Phase, program_phases
from cityloop.cities.sumo.transitions import GREEN
from cityloop.domains.signals.schema import LinkKind, Plan

__all__ = ["with_own_reds"]


def with_own_reds(network: Network, plans: Sequence[Plan]) -> Network:
    """Return the network whose links say how long a crossing is red at most under the junctions' own plans.

    Parameters
    ----------
    network
        The network, as read.
    plans
        The own plan of every junction.

    Raises
    ------
    ConfigError
        When a plan names stages that its junction has not, or greens below its least.
    """
    links, controllers = network.assets.links, network.assets.controllers
    own_red_s = np.zeros(len(links.junction))
    for row, plan in enumerate(plans):
        begin, end = int(controllers.link_begin[row]), int(controllers.link_end[row])
        phases = program_phases(network, row, plan)
        for link in range(begin, end):
            if links.kind[link] == LinkKind.CROSSING:
                own_red_s[link] = _longest_red_s(phases, link - begin)
    assets = dataclasses.replace(network.assets, links=dataclasses.replace(links, own_red_s=own_red_s))
    layout = dataclasses.replace(network.layout, tables=dict(network.layout.tables) | {"signals": assets})
    return dataclasses.replace(network, assets=assets, layout=layout)


def _longest_red_s(phases: Sequence[Phase], index: int) -> float:
    """Return the longest time without green in two rounds; 0 for a link that is never green. [s]."""
    if not any(phase.state[index] in GREEN for phase in phases):
        return 0.0
    longest_s = red_s = 0.0
    for phase in (*phases, *phases):
        red_s = 0.0 if phase.state[index] in GREEN else red_s + phase.duration_s
        longest_s = max(longest_s, red_s)
    return longest_s
