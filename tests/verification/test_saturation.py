"""The saturation headway that traffic learns from scans is the one that SUMO's own detector measures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop.app import brain_of
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.kernel.tick import start, tick

pytestmark = pytest.mark.twin

CYCLE_S = 60


@pytest.mark.parametrize("tau_s", [1.0, 1.5])
def test_the_learned_headway_is_the_streets(plain_city: Callable[..., Path], tmp_path: Path, tau_s: float) -> None:
    """After forty minutes of full queues the learned headway lies within 10 % of the detector's.

    The detector's is taken from each green's fourth vehicle on. Scans are a second apart, so that the learned one is a
    mean over some twenty vehicles with its own noise; and drivers of another reaction time have another headway.
    """
    flow = '<flow id="{0}" type="t" begin="0" end="2400" period="1.4" from="{1}" to="{2}" departSpeed="max"/>'
    config = plain_city(
        {"C": (0, 0), "W": (-500, 0), "E": (300, 0), "N": (0, 500), "S": (0, -300)},
        "WC CE NC CS",
        "WC>CE NC>CS",
        f'<vType id="t" tau="{tau_s}"/>' + flow.format("west", "WC", "CE") + flow.format("north", "NC", "CS"),
        end_s=2400,
        phases=(({"WC>CE": "G"}, 27), ({"WC>CE": "y"}, 3), ({"NC>CS": "G"}, 27), ({"NC>CS": "y"}, 3)),
        detectors='<instantInductionLoop id="line" lane="WC_0" pos="-1" file="{folder}/line.xml"/>',
    )
    # Max-pressure's domains without its commands: the city takes no leases.
    city = SumoCity(TwinSetup(case=resolve_city(str(config)), out=tmp_path, leased=False))
    brain, layout = brain_of("max-pressure"), city.layout()
    state = start(brain, layout, 0)
    for second in range(1, 2401):
        state = tick(brain, state, city.observe(second * 1000).batch, (), second * 1000).state
    city.close()
    lanes = [layout.names["lanes"][lane] for lane in layout.approaches.lane]
    learned_s = float(state.views["traffic"].headway_s[lanes.index("WC_0")])

    cycles: dict[int, list[float]] = {}
    for event in ET.parse(config.parent / "line.xml").getroot():
        if event.attrib["state"] == "leave":
            at_s = float(event.attrib["time"])
            cycles.setdefault(int(at_s // CYCLE_S), []).append(at_s)
    street_s = float(np.mean(np.concatenate([np.diff(cycles[k])[3:] for k in sorted(cycles) if 3 <= k < 39])))
    print(f"learned {learned_s:.2f} s, street {street_s:.2f} s")
    assert learned_s == pytest.approx(street_s, rel=0.1)
