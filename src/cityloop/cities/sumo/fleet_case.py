"""A city's ambulances, calls, refuse trucks and containers as its own files name them.

``emergency.toml`` and ``refuse.toml`` stand beside ``city.toml``, which names them under ``[assets]``. Places are an
edge of the network and metres along it. What is made up says so in its ``synthetic`` key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from cityloop.cities.sumo.folder import CityCase
from cityloop.kernel.errors import ConfigError
from cityloop.methods.hospital_choice import Capability

__all__ = [
    "QUIET", "REFUSE", "SIREN", "TREATS", "VEHICLE_TYPES", "Breakdown", "CallsCase", "EmergencyFile", "FleetCase",
    "NoticeCase", "OnEdge", "RefuseFile", "SiteCase", "TruckCase", "UnitCase", "read_fleet",
]  # fmt: skip

QUIET, SIREN, REFUSE = "cityloop.quiet", "cityloop.siren", "cityloop.refuse"

VEHICLE_TYPES = f"""<vType id="{QUIET}" vClass="emergency" guiShape="emergency" length="6.5" speedFactor="1.0"/>
<vType id="{SIREN}" vClass="emergency" guiShape="emergency" length="6.5" speedFactor="1.3" lcStrategic="5"
 lcSpeedGain="10" lcKeepRight="0" jmDriveAfterRedTime="600" jmDriveRedSpeed="5.5" jmCrossingGap="4"/>
<vType id="{REFUSE}" vClass="truck" guiShape="delivery" length="9.5" accel="1.1" decel="3.5" speedFactor="0.85"/>
"""
"""With lights and siren a driver passes a red, slowed to 20 km/h and giving way to whoever is on the junction. SUMO's
own device for blue light is left out: it crashes on some networks."""

TREATS = {capability.name.lower().replace("_", " "): int(capability) for capability in Capability if capability.name}
"""What a hospital may say that it treats besides the ordinary, and a patient may need."""

_MOST_BAYS = 1000
_DAY_S = 86_400.0

_File = TypeVar("_File", bound=msgspec.Struct)


class OnEdge(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place at a kerb."""

    edge: str
    at_m: float


class SiteCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station, a hospital or a street post."""

    name: str
    kind: str
    """``station``, ``hospital`` or ``kerb``."""
    place: OnEdge
    treats: tuple[str, ...] = ()
    """What a hospital treats besides the ordinary: ``stroke``, ``cath lab``, ``trauma``, ``paediatric``."""
    bays: int | None = None
    """Handovers at once at a hospital; no bound where it is left out."""


class UnitCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ambulance and the station where its crews change."""

    name: str
    station: str


class NoticeCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a hospital declares, so many seconds after the run's begin; it holds until it declares something else."""

    after_s: float
    hospital: str
    is_open: bool = True
    """False closes it to new patients; who is on the way is turned round."""
    diverting: bool = False
    """True asks those who set out from then on to go where else the patient can be treated."""


class CallsCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How calls come about: Poisson in time, by road length in space."""

    per_h: float
    priority_share: tuple[float, ...]
    """Of priorities 1, 2, 3, ...; sums to 1."""
    determinants: tuple[str, ...]
    """What the triage outside may say, one a priority."""
    call_taking_s: float
    on_scene_min: tuple[float, float]
    """Mean and standard deviation."""
    transport_share: float
    handover_min: tuple[float, float]
    upgraded_share: float = 0.0
    """Of calls below the highest priority: triaged again, higher, while somebody is on the way."""
    cancelled_share: float = 0.0
    needs_share: dict[str, float] = {}
    """Of patients who are taken to a hospital, those who need each of what hospitals may treat."""


class EmergencyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``emergency.toml``."""

    synthetic: bool
    begins_at_h: int
    """Hour of the day, on the crews' clock, that the begin of a run stands for."""
    turnout_s: float
    sites: tuple[SiteCase, ...]
    units: tuple[UnitCase, ...]
    calls: CallsCase
    notices: tuple[NoticeCase, ...] = ()

    @property
    def hospitals_tell(self) -> bool:
        """Whether any hospital tells of its doors."""
        return bool(self.notices) or any(site.bays is not None for site in self.sites)


class TruckCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refuse truck."""

    name: str
    payload_kg: float


class Breakdown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A truck that stops for good, so many seconds after the run's begin."""

    truck: str
    after_s: float


class RefuseFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``refuse.toml``. Columns of containers are lists of equal length."""

    synthetic: bool
    depot: OnEdge
    tip: OnEdge
    trucks: tuple[TruckCase, ...]
    stop_s: float
    """To empty a container. [s]"""
    tip_s: float
    """From weighbridge to weighbridge. [s]"""
    container: tuple[str, ...]
    edge: tuple[str, ...]
    at_m: tuple[float, ...]
    capacity_kg: tuple[float, ...]
    rate_per_day: tuple[float, ...]
    """Share of capacity thrown in a day, in the mean."""
    sensed: tuple[bool, ...]
    breakdown: Breakdown | None = None


class FleetCase(msgspec.Struct, frozen=True, kw_only=True):
    """What a city has of both."""

    emergency: EmergencyFile | None
    refuse: RefuseFile | None


def read_fleet(case: CityCase) -> FleetCase | None:
    """Read a city's services; None where it has none."""
    emergency, refuse = case.asset_files.get("emergency"), case.asset_files.get("refuse")
    if emergency is None and refuse is None:
        return None
    found = FleetCase(
        emergency=None if emergency is None else _decoded(emergency, EmergencyFile),
        refuse=None if refuse is None else _decoded(refuse, RefuseFile),
    )
    if found.emergency is not None and emergency is not None:
        _check_emergency(emergency, found.emergency)
    if found.refuse is not None and refuse is not None:
        _check_refuse(refuse, found.refuse)
    return found


def _decoded(path: Path, kind: type[_File]) -> _File:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), kind)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; see the keys in docs/your-own-city.md") from error


def _check_emergency(path: Path, file: EmergencyFile) -> None:
    names = [site.name for site in file.sites]
    stations = {site.name for site in file.sites if site.kind == "station"}
    _unique(path, "sites", names)
    _unique(path, "units", [unit.name for unit in file.units])
    _check_notices(path, file)
    for site in file.sites:
        if site.kind not in ("station", "hospital", "kerb"):
            raise ConfigError(f"{path}: sites: {site.name!r} is a {site.kind!r}; give station, hospital or kerb")
        for word in site.treats:
            if site.kind != "hospital" or word not in TREATS:
                raise ConfigError(f"{path}: sites: {site.name!r} treats {word!r}; hospitals treat {', '.join(TREATS)}")
        if site.bays is not None and (site.kind != "hospital" or not 1 <= site.bays <= _MOST_BAYS):
            raise ConfigError(
                f"{path}: sites: {site.name!r}, a {site.kind}, has bays = {site.bays}; "
                f"give hospitals 1 to {_MOST_BAYS}, or leave bays out where there is no bound"
            )
    if not any(site.kind == "hospital" for site in file.sites):
        raise ConfigError(f"{path}: sites: there is no hospital; give at least one")
    for unit in file.units:
        if unit.station not in stations:
            raise ConfigError(f"{path}: units: {unit.name!r} is at home at {unit.station!r}, which is no station")
    if not file.units:
        raise ConfigError(f"{path}: units: there are none; give at least one, or take the file out of city.toml")
    calls = file.calls
    if abs(sum(calls.priority_share) - 1.0) > 1e-6 or min(calls.priority_share, default=-1.0) < 0:
        raise ConfigError(f"{path}: calls.priority_share {calls.priority_share}: must be shares that sum to 1")
    if len(calls.determinants) != len(calls.priority_share):
        raise ConfigError(f"{path}: calls.determinants: {len(calls.determinants)}, must be one a priority")
    for name in ("transport_share", "upgraded_share", "cancelled_share"):
        if not 0 <= getattr(calls, name) <= 1:
            raise ConfigError(f"{path}: calls.{name} is {getattr(calls, name):g}; give 0 to 1")
    for word, share in calls.needs_share.items():
        if word not in TREATS or not 0 <= share <= 1:
            raise ConfigError(
                f"{path}: calls.needs_share: {word!r} {share:g}; give {', '.join(TREATS)} a share, 0 to 1"
            )
    if sum(calls.needs_share.values()) > 1:
        raise ConfigError(f"{path}: calls.needs_share: sums to more than 1; a patient here has one need at most")
    if calls.per_h < 0 or calls.call_taking_s < 0 or file.turnout_s < 0:
        raise ConfigError(f"{path}: calls.per_h, calls.call_taking_s and turnout_s must be 0 or more")
    if not 0 <= file.begins_at_h <= 23:
        raise ConfigError(f"{path}: begins_at_h is {file.begins_at_h}; give 0 to 23")


def _check_notices(path: Path, file: EmergencyFile) -> None:
    hospitals = [site.name for site in file.sites if site.kind == "hospital"]
    for row, notice in enumerate(file.notices, 1):
        if notice.hospital not in hospitals:
            raise ConfigError(
                f"{path}: notices: hospital {notice.hospital!r} in notice {row} is none; give {', '.join(hospitals)}"
            )
        if not 0 <= notice.after_s <= _DAY_S:
            raise ConfigError(
                f"{path}: notices: after_s of notice {row} ({notice.hospital!r}) is {notice.after_s:g}; "
                f"give 0 to {_DAY_S:g} s"
            )


def _check_refuse(path: Path, file: RefuseFile) -> None:
    _unique(path, "container", file.container)
    _unique(path, "trucks", [truck.name for truck in file.trucks])
    if not file.trucks or not file.container:
        raise ConfigError(f"{path}: give at least one truck and one container, or take the file out of city.toml")
    for name in ("edge", "at_m", "capacity_kg", "rate_per_day", "sensed"):
        if len(getattr(file, name)) != len(file.container):
            raise ConfigError(f"{path}: {name} has {len(getattr(file, name))} entries, must be {len(file.container)}")
    for row, name in enumerate(file.container):
        if not (file.capacity_kg[row] >= 1 and file.rate_per_day[row] >= 0):
            raise ConfigError(f"{path}: container {name!r}: capacity_kg must be 1 or more, rate_per_day 0 or more")
        heaviest = max(truck.payload_kg for truck in file.trucks)
        if file.capacity_kg[row] > heaviest:
            raise ConfigError(
                f"{path}: container {name!r} holds {file.capacity_kg[row]:g} kg, more than any truck's {heaviest:g} kg"
            )
    if file.breakdown is not None and file.breakdown.truck not in {truck.name for truck in file.trucks}:
        raise ConfigError(f"{path}: breakdown: there is no truck {file.breakdown.truck!r}")


def _unique(path: Path, key: str, names: list[str] | tuple[str, ...]) -> None:
    twice = next((name for name in names if not name or list(names).count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: {key}: {twice!r} is empty or there twice; give each a name of its own")
