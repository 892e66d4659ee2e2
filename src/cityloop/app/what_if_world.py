"""What a what-if may change of a city, and the changed city: a street closed, an ambulance more, another plan."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cityloop.kernel.errors import CityloopError, InputError

if TYPE_CHECKING:
    from cityloop.cities.sumo.closure import ClosedCity
    from cityloop.cities.sumo.fleet_case import EmergencyFile
    from cityloop.cities.sumo.folder import CityCase
    from cityloop.cities.sumo.network import Network
    from cityloop.domains.signals.schema import Plan

__all__ = ["ARMS", "LED_NOW", "PLAN_ARM", "Change", "Choices", "PlanChange", "World", "changed_world"]

LED_NOW = "now"
"""The control that leads as the city is led at this moment, junction by junction."""
ARMS = (LED_NOW, "shipped", "fixed", "fixed-tuned", "actuated", "actuated-tuned", "max-pressure", "brain")
PLAN_ARM = "fixed-tuned"
"""The control that runs the plan that stands at the junctions."""
_LONGEST_CYCLE_S = 240.0


class PlanChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another plan at one junction."""

    junction: int
    greens_s: tuple[float, ...]
    """One for each stage of the plan that stands, in its order."""
    offset_s: float | None = None
    """None: as it stands."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What would be otherwise."""

    close_edge: str | None = None
    demand: float = 1.0
    add_unit: str | None = None
    """The station at which one more ambulance stands."""
    plan: PlanChange | None = None
    control: str = "brain"
    baseline: str = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A city to run, as it is or as it would be."""

    city: str
    plans: Path | None = None
    """None: whatever the city has at hand."""
    closure: ClosedCity | None = None


class Choices:
    """What may be changed of a city; its network is read when somebody asks first."""

    def __init__(self, city: str) -> None:
        self._city = city
        self._lock = threading.Lock()
        self._read: tuple[CityCase, Network, tuple[Plan, ...], EmergencyFile | None] | None = None

    def _all(self) -> tuple[CityCase, Network, tuple[Plan, ...], EmergencyFile | None]:
        from cityloop.cities.sumo.fleet_assets import with_fleet
        from cityloop.cities.sumo.fleet_case import read_fleet
        from cityloop.cities.sumo.folder import resolve_city
        from cityloop.cities.sumo.kept_plans import find_plans
        from cityloop.cities.sumo.network import read_network
        from cityloop.cities.sumo.programs import fixed_plan

        with self._lock:
            if self._read is None:
                case = resolve_city(self._city)
                network = read_network(case.net_file, walking_speed_mps=case.walking_speed_mps)
                network = with_fleet(network, case)
                found = find_plans(case)
                plans = (found[1].of_arm(PLAN_ARM) if found is not None else ()) or fixed_plan(network)
                fleet = read_fleet(case)
                self._read = case, network, plans, None if fleet is None else fleet.emergency
            return self._read

    def as_dict(self) -> dict[str, Any]:
        """Return what a form needs: controls, stations with their ambulances, and each junction's plan."""
        _, network, plans, emergency = self._all()
        at = {name: row for row, name in enumerate(network.tls_ids)}
        units = [] if emergency is None else [unit.station for unit in emergency.units]
        sites = () if emergency is None else emergency.sites
        return {
            "arms": list(ARMS),
            "stations": [{"name": one.name, "units": units.count(one.name)} for one in sites if one.kind == "station"],
            "plans": {
                str(at[plan.junction]): {
                    "offset_s": plan.offset_s,
                    "stages": [[one.stage, one.green_s, one.min_green_s] for one in plan.stages],
                }
                for plan in plans
                if plan.junction in at
            },
        }

    def places(self, change: Change) -> list[list[float]]:
        """Return where on the map a change stands that no edge tells: the ambulance's station, the plan's junction."""
        layout, found = self._all()[1].layout, []
        if change.add_unit is not None:
            row, sites = layout.names["sites"].index(change.add_unit), layout.tables["emergency"].sites
            found.append([float(sites.x_m[row]), float(sites.y_m[row])])
        if change.plan is not None:
            row = change.plan.junction
            found.append([float(layout.junctions.x_m[row]), float(layout.junctions.y_m[row])])
        return found

    def check(self, change: Change) -> None:
        """Refuse a change that this city cannot have, before anything is started."""
        if change.add_unit is not None:
            emergency = self._all()[3]
            stations = [] if emergency is None else [one.name for one in emergency.sites if one.kind == "station"]
            if not stations:
                raise InputError("change.add_unit: this city has no emergency service to add an ambulance to")
            if change.add_unit not in stations:
                raise InputError(f"change.add_unit: {change.add_unit[:60]!r} is not one of {', '.join(stations)}")
        if change.plan is not None:
            if (change.control, change.baseline) != (PLAN_ARM, PLAN_ARM):
                raise InputError(
                    f"change.plan: a plan shows only where plans lead; give control and baseline {PLAN_ARM!r}"
                )
            self.plans_with(change.plan)

    def plans_with(self, change: PlanChange | None) -> tuple[Plan, ...]:
        """Return the plans that stand, one of them changed.

        Raises
        ------
        InputError
            Naming the junction, the stage and the bound, where no such plan can be run.
        """
        from cityloop.cities.sumo.programs import cycle_s, program_phases

        _, network, plans, _ = self._all()
        if change is None:
            return plans
        names = network.tls_ids
        row = change.junction
        if not 0 <= row < len(names):
            raise InputError(f"change.plan.junction: {row}; there are rows 0 to {len(names) - 1}")
        standing = next((plan for plan in plans if plan.junction == names[row]), None)
        if standing is None:
            raise InputError(f"change.plan.junction: {names[row]} has no plan that could be changed")
        if len(change.greens_s) != len(standing.stages):
            raise InputError(
                f"change.plan.greens_s: {len(change.greens_s)} greens, but the plan of {names[row]} has "
                f"{len(standing.stages)} stages; give one for each"
            )
        stages = tuple(
            msgspec.structs.replace(one, green_s=float(green_s))
            for one, green_s in zip(standing.stages, change.greens_s, strict=True)
        )
        for one in stages:
            if not one.min_green_s <= one.green_s <= _LONGEST_CYCLE_S:
                raise InputError(
                    f"change.plan.greens_s: stage {one.stage + 1} green {one.green_s:g} s; give "
                    f"{one.min_green_s:g} to {_LONGEST_CYCLE_S:g}"
                )
        offset_s = standing.offset_s if change.offset_s is None else change.offset_s
        if not 0 <= offset_s <= _LONGEST_CYCLE_S:
            raise InputError(f"change.plan.offset_s: {offset_s:g}; give 0 to {_LONGEST_CYCLE_S:g}")
        changed = msgspec.structs.replace(standing, stages=stages, offset_s=offset_s)
        whole_s = cycle_s(network, row, changed)
        if whole_s > _LONGEST_CYCLE_S:
            raise InputError(
                f"change.plan.greens_s: with what lies between the greens a cycle lasts {whole_s:g} s; "
                f"at most {_LONGEST_CYCLE_S:g}"
            )
        try:
            program_phases(network, row, changed)
        except CityloopError as error:
            raise InputError(f"change.plan: {error}") from error
        return tuple(changed if plan is standing else plan for plan in plans)

    def write_plans(self, path: Path, change: PlanChange | None, digest: str) -> Path | None:
        """Write the plans for a city of that digest; None where nothing was tuned and nothing is changed."""
        from cityloop.cities.sumo.kept_plans import find_plans
        from cityloop.cities.sumo.plans import TUNER_VERSION, TunedPlans, write_plans

        case, plans = self._all()[0], self.plans_with(change)
        found = find_plans(case)
        if found is None and change is None:
            return None
        if found is not None:
            file = msgspec.structs.replace(found[1], case_digest=digest, fixed_tuned=plans)
        else:
            file = TunedPlans(
                city=case.name,
                case_digest=digest,
                begin_s=case.begin_s,
                end_s=case.end_s,
                walking_speed_mps=case.walking_speed_mps,
                tuner=TUNER_VERSION,
                sumo_version="",
                seeds=(),
                budget=0,
                evaluations={},
                delay_s={},
                fixed_tuned=plans,
                actuated_tuned=(),
            )
        write_plans(path, file)
        return path


def changed_world(city: str, change: Change, folder: Path, choices: Choices) -> tuple[World, World]:
    """Return the city as it is and as it would be; what has to be written for them lies in the folder.

    Plans go along by name, so that a changed copy of the city falls back on the same ones as the city itself.
    """
    from cityloop.cities.sumo.closure import city_with_closure
    from cityloop.cities.sumo.folder import copy_case, resolve_city

    case, where, closure = resolve_city(city), city, None
    if change.close_edge is not None:
        closure = city_with_closure(city, change.close_edge, folder / "city")
        where = str(closure.folder)
    if change.add_unit is not None:
        if closure is None:
            (folder / "city").mkdir()
            copy_case(case, folder / "city", as_run=True)
        where = str(folder / "city")
        _add_unit(Path(where), change.add_unit)
    as_is = None if change.plan is None else choices.write_plans(folder / "plans-as-is.json", None, case.digest)
    if change.plan is not None and as_is is None:
        # Nothing was tuned: the plans that stand are written down all the same, so that both worlds run by plans.
        as_is = choices.write_plans(folder / "plans-as-is.json", _unchanged(choices, change.plan.junction), case.digest)
    would_be = None
    if change.plan is not None or where != city:
        would_be = choices.write_plans(folder / "plans-changed.json", change.plan, resolve_city(where).digest)
    return World(city=city, plans=as_is), World(city=where, plans=would_be, closure=closure)


def _unchanged(choices: Choices, junction: int) -> PlanChange:
    standing = choices.as_dict()["plans"][str(junction)]
    return PlanChange(junction, tuple(green_s for _, green_s, _ in standing["stages"]), standing["offset_s"])


def _add_unit(folder: Path, station: str) -> None:
    """Write one more ambulance into a city folder's own file of its emergency service."""
    from cityloop.cities.sumo.fleet_case import read_fleet
    from cityloop.cities.sumo.folder import resolve_city

    case = resolve_city(str(folder))
    path, fleet = case.asset_files["emergency"], read_fleet(case)
    assert fleet is not None
    assert fleet.emergency is not None
    taken = {unit.name for unit in fleet.emergency.units}
    number = len(taken) + 1
    while f"Ambulance {number}" in taken:
        number += 1
    # A JSON string is a TOML string: names of stations may hold quotes.
    entry = f'\n[[units]]\nname = "Ambulance {number}"\nstation = {json.dumps(station)}\n'
    path.write_text(path.read_text(encoding="utf-8") + entry, encoding="utf-8")
    try:
        read_fleet(resolve_city(str(folder)))
    except CityloopError as error:
        raise InputError(
            f"change.add_unit: {path.name} of this city takes no further entry; write each unit as [[units]] ({error})"
        ) from error
