"""Hospitals of a running city: what they have declared, who is at their doors, and advice to whoever must turn round.

With a patient aboard the brain only advises, and only where the hospital on the way has closed: the crew knows its
patient, and chose where to go by the same declarations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cityloop.domains.emergency.hearing import Heard
from cityloop.domains.emergency.schema import Advise, HospitalTable, Reason, UnitStatus
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.messages import Alternative, Proposal
from cityloop.methods.hospital_choice import Departments, advise

__all__ = ["Carried", "Turned", "advised", "at_doors", "carried", "turned_round"]

_KEPT = 50
"""So many turns are kept to be shown."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A unit with a patient aboard keyed another hospital."""

    at_ms: int
    unit: int
    call: int
    from_site: int
    to_site: int


@dataclass(frozen=True, slots=True)
class Carried:
    """Who was advised, and who turned round."""

    advised: dict[int, int] = field(default_factory=dict)
    """Site advised to each unit that is still on its way to a closed one."""
    turns: tuple[Turned, ...] = ()


def carried(known: Carried, before: Heard, after: Heard, now_ms: int) -> Carried:
    """Take in what crews keyed since: turns, and advice that is of no matter any more."""
    if before is after:
        return known
    aboard = (before.status == UnitStatus.TRANSPORTING) & (after.status == UnitStatus.TRANSPORTING)
    other = aboard & (before.site != after.site) & (before.site >= 0) & (after.site >= 0)
    turns = tuple(
        Turned(now_ms, u, int(after.call[u]), int(before.site[u]), int(after.site[u]))
        for u in np.flatnonzero(other).tolist()
    )
    open_now = {u: to for u, to in known.advised.items() if aboard[u] and not after.site_open[after.site[u]]}
    if not turns and len(open_now) == len(known.advised):
        return known
    return Carried(open_now, (*known.turns, *turns)[-_KEPT:])


def advised(known: Carried, unit: int, site: int) -> Carried:
    """Note that advice was given, so that it is not given again."""
    return Carried({**known.advised, unit: site}, known.turns)


def at_doors(picture: EmergencyState) -> I32:
    """Return how many units hand over or wait at each site."""
    units = picture.units
    here = (units.status == UnitStatus.AT_HOSPITAL) & (units.site >= 0)
    return np.bincount(units.site[here], minlength=len(picture.sites.kind)).astype(np.int32)


def turned_round(
    picture: EmergencyState, heard: Heard, known: Carried, hospitals: HospitalTable, handover_ms: float
) -> list[Proposal]:
    """Return advice to units whose hospital has closed on the way; nothing where the one on the way is still the best.

    Parameters
    ----------
    picture, heard
        What is known now.
    known
        Who has been advised already.
    hospitals
        What they can do.
    handover_ms
        What a handover takes in the mean. [ms]
    """
    units, sites = picture.units, picture.sites
    carrying = (units.status == UnitStatus.TRANSPORTING) & (units.site >= 0)
    bound = np.where(carrying, units.site, -1)
    doors, proposals = at_doors(picture), []
    for u in np.flatnonzero(carrying & np.isin(units.site, hospitals.site)).tolist():
        if sites.is_open[units.site[u]] or known.advised.get(u, -1) >= 0:
            continue
        bound[u] = -1
        departments = Departments(
            capability=hospitals.capability,
            is_open=sites.is_open[hospitals.site],
            diverting=heard.site_diverting[hospitals.site],
            bays=hospitals.bays,
            here=doors[hospitals.site],
            coming=np.bincount(bound[bound >= 0], minlength=len(doors))[hospitals.site].astype(np.int32),
            handover_ms=handover_ms,
        )
        road_ms: I64 = picture.times.ordinary.matrix_ms(units.node[u : u + 1], sites.node[hospitals.site])[0].astype(
            np.int64
        )
        advice = advise(departments, int(heard.needs[u]), road_ms + int(units.node_in_ms[u]))
        to = int(hospitals.site[advice.hospital])
        bound[u] = to
        if to == int(units.site[u]):
            continue
        proposals.append(
            Proposal(
                target=u,
                action=Advise(site=to, door=int(advice.door)),
                reason=Reason.HOSPITAL_CLOSED,
                cost=(advice.drive_ms + advice.wait_ms) / 1000.0,
                gain=0.0,
                alternatives=tuple(Alternative(int(hospitals.site[k]), ms / 1000.0) for k, ms in advice.others),
            )
        )
    return proposals
