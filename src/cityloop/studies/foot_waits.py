"""How long people on foot wait under the plans that run without a brain, told from their calls as the brain tells it.

The brain owes them no more than that. What a plan's reds alone would say is too long: who takes two crossings comes to
the second as the first one let him go, and how many do is not written in any plan. So the plans are run, on
the seeds they were tuned on, and the account that the brain keeps is kept of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.own_reds import with_own_reds
from cityloop.cities.sumo.plans import FootWait
from cityloop.cities.sumo.programs import write_programs
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.signals.domain import signals
from cityloop.domains.signals.schema import LinkKind, Plan
from cityloop.domains.signals.state import SignalState
from cityloop.domains.traffic.domain import traffic
from cityloop.kernel.columns import F64
from cityloop.kernel.tick import Brain, start, tick

__all__ = ["foot_waits"]

_STEP_MS = 1000


def foot_waits(case: CityCase, plans: Sequence[Plan], seeds: Sequence[int]) -> tuple[FootWait, ...]:
    """Run the plans and return the mean wait at every crossing that was called at often enough; none without crossings.

    Parameters
    ----------
    plans
        Of every junction.
    seeds
        Of the runs; none that scores are taken on.
    """
    network = read_network(case.net_file, walking_speed_mps=case.walking_speed_mps)
    links, controllers = network.assets.links, network.assets.controllers
    if not (links.kind == LinkKind.CROSSING).any():
        return ()
    network = with_own_reds(network, plans)
    waits_s = np.array([_waits_s(case, network, plans, seed) for seed in seeds])
    told = waits_s > 0.0
    return tuple(
        FootWait(
            junction=network.tls_ids[links.junction[link]],
            link=int(link - controllers.link_begin[links.junction[link]]),
            wait_s=round(float(waits_s[told[:, link], link].mean()), 2),
        )
        for link in np.flatnonzero(told.any(axis=0))
    )


def _waits_s(case: CityCase, network: Network, plans: Sequence[Plan], seed: int) -> F64:
    """Return the mean wait of one run, by link row; 0 where too few called. [s]."""
    brain = Brain(domains=(traffic, signals), arms={})
    with tempfile.TemporaryDirectory(prefix="cityloop-waits-") as folder:
        program = Path(folder) / "programs.add.xml"
        write_programs(network, plans, program, begin_s=case.begin_s)
        city = SumoCity(TwinSetup(case=case, program=program, leased=False, seed=seed, out=Path(folder)), network)
        try:
            now_ms, state = city.begin_ms, start(brain, network.layout, city.begin_ms)
            while True:
                seen = city.observe(now_ms + _STEP_MS)
                now_ms = seen.now_ms
                state = tick(brain, state, seen.batch, (), now_ms).state
                if seen.ended:
                    break
        finally:
            city.close()
    kept = state.domains[signals.name]
    assert isinstance(kept, SignalState)
    return kept.foot_wait_s
