"""What the emergency domain publishes: to other domains, the API and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cityloop.kernel.columns import BOOL, F64, I32, I64, Column

__all__ = ["CallsView", "CityView", "EmergencyView", "RankedView", "SitesView", "TurnsView", "UnitsView", "ZonesView"]


@dataclass(frozen=True, slots=True)
class UnitsView:
    """Units as last heard, one row a unit."""

    x_m: Annotated[F64, Column("m", missing=True)]
    y_m: Annotated[F64, Column("m", missing=True)]
    speed_mps: Annotated[F64, Column("m/s", low=0, missing=True)]
    heading_deg: Annotated[F64, Column("deg", low=0, high=360, missing=True)]
    """Clockwise from north."""
    status: Annotated[I32, Column("1", low=0, high=8)]
    """A ``UnitStatus``."""
    site: Annotated[I32, Column("1", low=-1)]
    call: Annotated[I64, Column("1", low=-1)]
    since_ms: Annotated[I64, Column("ms")]
    seen_at_ms: Annotated[I64, Column("ms")]
    home: Annotated[I32, Column("1", low=0)]
    shift_end_ms: Annotated[I64, Column("ms")]
    kerb_used_s: Annotated[F64, Column("s", low=0)]


@dataclass(frozen=True, slots=True)
class CallsView:
    """Calls that are not closed, one row a call. Place, time and priority of a call are health data."""

    number: Annotated[I64, Column("1", low=0)]
    priority: Annotated[I32, Column("1", low=0)]
    determinant: Annotated[I32, Column("1", low=-1)]
    x_m: Annotated[F64, Column("m", missing=True)]
    y_m: Annotated[F64, Column("m", missing=True)]
    received_ms: Annotated[I64, Column("ms")]
    status: Annotated[I32, Column("1", low=1, high=4)]
    """A ``CallStatus``."""
    unit: Annotated[I32, Column("1", low=-1)]
    eta_ms: Annotated[I64, Column("ms", low=-1)]
    """When the unit is expected on scene, -1 without one."""
    fault: Annotated[I32, Column("1", low=0)]
    """A ``CallFault``: why a person has to look at it before anybody is sent."""


@dataclass(frozen=True, slots=True)
class RankedView:
    """Units for each call without one on scene, the soonest first."""

    call: Annotated[I64, Column("1", low=0)]
    unit: Annotated[I32, Column("1", low=0)]
    eta_s: Annotated[F64, Column("s", low=0)]
    low_s: Annotated[F64, Column("s", low=0, missing=True)]
    """Lower end of the 90 % band, missing until enough arrivals have been seen."""
    high_s: Annotated[F64, Column("s", low=0, missing=True)]
    uncovered_s: Annotated[F64, Column("s", low=0)]
    """By how much the expected response to the next call grows while this unit is away."""


@dataclass(frozen=True, slots=True)
class SitesView:
    """Where units may stand."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    kind: Annotated[I32, Column("1", low=0, high=2)]
    is_open: Annotated[BOOL, Column("1")]
    """A hospital that has declared itself closed takes no new patients."""
    diverting: Annotated[BOOL, Column("1")]
    """A hospital asks to be passed by where another can treat the patient as well."""
    bays: Annotated[I32, Column("1", low=0)]
    """Handovers at once at a hospital; 0 where there is no bound, or none is told."""
    at_door: Annotated[I32, Column("1", low=0)]
    """Units at a hospital that hand over or wait for a bay."""
    free_units: Annotated[I32, Column("1", low=0)]


@dataclass(frozen=True, slots=True)
class TurnsView:
    """The latest units that went to another hospital with a patient aboard, the oldest first."""

    at_ms: Annotated[I64, Column("ms")]
    unit: Annotated[I32, Column("1", low=0)]
    call: Annotated[I64, Column("1", low=-1)]
    from_site: Annotated[I32, Column("1", low=0)]
    to_site: Annotated[I32, Column("1", low=0)]


@dataclass(frozen=True, slots=True)
class ZonesView:
    """Demand zones and how soon the nearest free unit would be there."""

    x_m: Annotated[F64, Column("m")]
    y_m: Annotated[F64, Column("m")]
    weight: Annotated[F64, Column("1", low=0, high=1)]
    reach_s: Annotated[F64, Column("s", low=0, missing=True)]


@dataclass(frozen=True, slots=True)
class CityView:
    """The whole service in one row."""

    free_units: Annotated[I32, Column("1", low=0)]
    open_calls: Annotated[I32, Column("1", low=0)]
    """Calls without a unit."""
    expected_response_s: Annotated[F64, Column("s", low=0, missing=True)]
    """Of the next call of high priority, if it came now."""
    uncovered_frac: Annotated[F64, Column("1", low=0, high=1, missing=True)]
    """Share of expected calls of high priority that no free unit reaches within the target."""
    calls_closed: Annotated[I64, Column("1", low=0)]
    calls_set_aside: Annotated[I64, Column("1", low=0)]
    """Calls that a person has to look at before anybody is sent."""


@dataclass(frozen=True, slots=True)
class EmergencyView:
    """What the domain publishes, a table each."""

    units: UnitsView
    calls: CallsView
    ranked: RankedView
    sites: SitesView
    turns: TurnsView
    zones: ZonesView
    city: CityView
