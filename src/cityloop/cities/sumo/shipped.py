"""What a shipped program shows, and whether it may be shown as it is."""

from __future__ import annotations

from cityloop.cities.sumo.netfile import Phase
from cityloop.cities.sumo.network import Network
from cityloop.domains.signals.schema import LinkKind

__all__ = ["faults", "is_sound", "shipped_stages"]

_LEAST_YELLOW_S = 3.0
_LEAST_GREEN_S = 5.0
_TOLERANCE_S = 1e-6


def shipped_stages(network: Network, row: int) -> list[tuple[Phase, int]]:
    """Return the shipped phases that show a stage, in shipped order, with the stage's local number."""
    number = {state: k for k, state in enumerate(network.stage_states[row])}
    return [(phase, number[phase.state]) for phase in network.programs[row].phases if phase.state in number]


def is_sound(network: Network, row: int) -> bool:
    """Return whether a junction's shipped program is static and needs no mending."""
    return not faults(network, row)


def faults(network: Network, row: int) -> tuple[str, ...]:
    """Name what keeps a shipped program from being shown as it is, the seam of its cycle included."""
    program, links = network.programs[row], network.assets.links
    found = [] if program.kind == "static" else [f"type is {program.kind}, not static"]
    begin = int(network.assets.controllers.link_begin[row])
    phases = program.phases
    cycle_s = sum(phase.duration_s for phase in phases)
    for link in range(int(network.assets.controllers.link_end[row]) - begin):
        lamps = [phase.state[link] for phase in phases]
        crossing = links.kind[begin + link] == LinkKind.CROSSING
        for kind, first in _changes(lamps):
            lasts_s = _lasts_s(phases, lamps, kind, first)
            after = lamps[(first + _count(lamps, kind, first)) % len(lamps)]
            if kind == "green" and lasts_s < _LEAST_GREEN_S - _TOLERANCE_S:
                found.append(f"link {link} is green {lasts_s:g} s")
            if kind == "green" and not crossing and _kind(after) == "red":
                found.append(f"link {link} loses green without yellow")
            if kind == "yellow" and not crossing and lasts_s < _LEAST_YELLOW_S - _TOLERANCE_S:
                found.append(f"link {link} has {lasts_s:g} s of yellow")
            if kind == "green" and crossing:
                ends = (first + _count(lamps, kind, first)) % len(lamps)
                clear_s = _until_foe_s(network, row, link, ends)
                needed_s = float(links.clearance_s[begin + link])
                if clear_s < min(needed_s, cycle_s) - _TOLERANCE_S:
                    found.append(f"crossing {link} has {clear_s:g} s to clear, needs {needed_s:g} s")
    return tuple(found)


def _kind(lamp: str) -> str:
    return "green" if lamp in "gG" else "yellow" if lamp in "yY" else "red"


def _changes(lamps: list[str]) -> list[tuple[str, int]]:
    """Return the kind and first phase of every run of one colour that begins within the cycle."""
    kinds = [_kind(lamp) for lamp in lamps]
    return [(kind, k) for k, kind in enumerate(kinds) if kinds[k - 1] != kind]


def _count(lamps: list[str], kind: str, first: int) -> int:
    count = 0
    while count < len(lamps) and _kind(lamps[(first + count) % len(lamps)]) == kind:
        count += 1
    return count


def _lasts_s(phases: tuple[Phase, ...], lamps: list[str], kind: str, first: int) -> float:
    return sum(phases[(first + k) % len(phases)].duration_s for k in range(_count(lamps, kind, first)))


def _until_foe_s(network: Network, row: int, link: int, ends: int) -> float:
    """Return the time from a Walk's end to the first protected green of a stream across it. [s]."""
    controllers, phases = network.assets.controllers, network.programs[row].phases
    n_links = int(controllers.link_end[row] - controllers.link_begin[row])
    first = int(controllers.matrix_begin[row]) + link * n_links
    foes = [k for k in range(n_links) if network.assets.matrices.foe[first + k]]
    waited_s = 0.0
    for k in range(len(phases)):
        phase = phases[(ends + k) % len(phases)]
        if any(phase.state[foe] == "G" for foe in foes):
            return waited_s
        waited_s += phase.duration_s
    return waited_s
