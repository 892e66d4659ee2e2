"""A city by its name: a built-in, a city folder, or a `.sumocfg`, all resolved to one typed case.

A city folder holds `city.toml` and the files that it names. Whatever is wrong with them is said here, before
SUMO is started.
"""

from __future__ import annotations

import difflib
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cityloop.cities.sumo.case_facts import NetFacts, check_routes, read_net_facts
from cityloop.cities.sumo.city_toml import (
    CITY_FILE,
    CalibrationRecord,
    CityToml,
    decode_city_toml,
    encode_city_toml,
    write_atomically,
)
from cityloop.cities.sumo.sumo_tools import sumo_home
from cityloop.cities.sumo.sumocfg import read_sumocfg
from cityloop.kernel.errors import ConfigError, InputError

__all__ = [
    "ACCEPTED_SHARE_GEH_BELOW_5",
    "CalibrationRecord",
    "CityCase",
    "builtin_cities",
    "case_files",
    "copy_case",
    "files_digest",
    "observed_routes",
    "original_demand",
    "require_signals",
    "resolve_city",
]

ACCEPTED_SHARE_GEH_BELOW_5 = 0.85
"""Share of links that must lie under a GEH of 5 (DfT, TAG unit M3.1, table 2; formerly DMRB 12.2.1)."""

_BUILTIN_DIR = Path(__file__).parent.parent / "builtin"
_SUMO_PREFIX = "sumo:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CityCase:
    """Everything that starts a twin of one city: its files, hours and how far to trust its demand."""

    name: str
    net_file: Path
    route_files: tuple[Path, ...]
    additional_files: tuple[Path, ...]
    begin_s: float
    end_s: float
    sumocfg: Path | None
    zone: str
    """IANA time zone of the city's clock."""

    synthetic: bool
    """Whether the demand was made up rather than observed."""

    walking_speed_mps: float
    """Speed that crossing times are computed with: 1.0, or 0.8 where many people are slow."""

    calibration: CalibrationRecord | None
    plans_dir: Path | None
    """Where tuned plans of this city lie."""

    asset_files: Mapping[str, Path]
    """Asset tables by kind, as named in `city.toml`."""

    digest: str
    """SHA-256 over the bytes of network, routes and additional files."""

    folder: Path | None
    """The city folder, or None for a `.sumocfg`."""

    def between(self, begin_s: float | None, end_s: float | None) -> CityCase:
        """Return the case over other hours; None keeps its own.

        Raises
        ------
        ConfigError
            If the end is not after the begin.
        """
        begin = self.begin_s if begin_s is None else begin_s
        end = self.end_s if end_s is None else end_s
        if end <= begin:
            raise ConfigError(f"end {end:g} s is not after begin {begin:g} s; give a later --end")
        return replace(self, begin_s=begin, end_s=end)

    def calibration_label(self) -> str:
        """Say in one word whether the demand has been proved against counts."""
        if self.synthetic:
            return "SYNTHETIC DEMAND, UNCALIBRATED"
        record = self.calibration
        proved = (
            record is not None
            and bool(record.held_out_links)
            and record.inputs_digest == self.digest
            and record.share_geh_below_5 >= ACCEPTED_SHARE_GEH_BELOW_5
        )
        return "CALIBRATED" if proved else "UNCALIBRATED"


def builtin_cities() -> tuple[str, ...]:
    """Return the names of the cities that ship with cityloop."""
    return tuple(sorted(path.parent.name for path in _BUILTIN_DIR.glob(f"*/{CITY_FILE}")))


def resolve_city(text: str) -> CityCase:
    """Resolve a built-in name, a city folder or a `.sumocfg` to a checked case."""
    case = _find(text)
    _check_files(case)
    return case


def _find(text: str) -> CityCase:
    if text in builtin_cities():
        return _read_folder(_BUILTIN_DIR / text)
    path = Path(text).expanduser()
    if path.is_dir():
        return _read_folder(path)
    if path.name == CITY_FILE and path.is_file():
        return _read_folder(path.parent)
    if path.suffix == ".sumocfg":
        return _read_sumocfg_case(path)
    if path.is_file():
        hint = f"; make a city of it: cityloop init NAME --net {path}" if ".net.xml" in path.name else ""
        raise InputError(f"{path}: neither a city folder nor a .sumocfg{hint}")
    near = difflib.get_close_matches(text, builtin_cities(), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    names = ", ".join(builtin_cities()) or "none"
    raise InputError(f"{text}: no such built-in city ({names}), city folder or .sumocfg{hint}")


def _read_folder(folder: Path) -> CityCase:
    city_file = folder / CITY_FILE
    if not city_file.is_file():
        raise ConfigError(f"{city_file}: not there; make a city with cityloop init NAME --net FILE --out {folder}")
    toml = decode_city_toml(city_file)
    record = toml.calibration
    routes = record.demand if record else toml.routes
    net_file = _located(folder, toml.network, city_file, "network")
    route_files = tuple(_located(folder, name, city_file, "routes") for name in routes)
    additional = tuple(_located(folder, name, city_file, "additional") for name in toml.additional)
    plans = folder / (toml.plans or "plans")
    return CityCase(
        name=toml.name,
        net_file=net_file,
        route_files=route_files,
        additional_files=additional,
        begin_s=toml.begin_s,
        end_s=toml.end_s,
        sumocfg=None,
        zone=toml.zone,
        synthetic=toml.synthetic and record is None,
        walking_speed_mps=toml.walking_speed_mps,
        calibration=record,
        plans_dir=plans if plans.is_dir() else None,
        asset_files=MappingProxyType(
            {kind: _located(folder, name, city_file, f"assets.{kind}") for kind, name in toml.assets.items()}
        ),
        digest=files_digest((net_file, *route_files, *additional)),
        folder=folder,
    )


def _read_sumocfg_case(path: Path) -> CityCase:
    config = read_sumocfg(path)
    return CityCase(
        name=path.stem,
        net_file=config.net_file,
        route_files=config.route_files,
        additional_files=config.additional_files,
        begin_s=config.begin_s,
        end_s=config.end_s,
        sumocfg=path,
        zone="UTC",
        synthetic=False,
        walking_speed_mps=1.0,
        calibration=None,
        plans_dir=None,
        asset_files=MappingProxyType({}),
        digest=files_digest((config.net_file, *config.route_files, *config.additional_files)),
        folder=None,
    )


def case_files(case: CityCase) -> tuple[Path, ...]:
    """Return the files that a twin of the case reads, in the order of its digest."""
    return (case.net_file, *case.route_files, *case.additional_files)


def observed_routes(case: CityCase) -> tuple[Path, ...]:
    """Return the demand that the city came with, whatever a calibration made of it; none where made up."""
    routes, synthetic = original_demand(case)
    return () if synthetic else routes


def files_digest(files: tuple[Path, ...]) -> str:
    """Return the SHA-256 over the bytes of files, in order, each preceded by its length."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _check_files(case: CityCase) -> None:
    """Refuse files that do not belong together, before SUMO is started.

    A network whose own programs show conflicting greens passes: `cityloop init` refuses it for a new city, an audit
    lists it, and a run says so, but cities that are driven like that must still be there to be measured.
    """
    net = read_net_facts(case.net_file)
    require_signals(case.net_file, net)
    for route_file in case.route_files:
        check_routes(route_file, net, case.net_file)


def require_signals(net_file: Path, net: NetFacts) -> None:
    """Refuse a network without a signal program."""
    if not net.signals:
        raise InputError(
            f"{net_file}: no <tlLogic>, so there is no signal to run; "
            "add signals, for example with netconvert --tls.guess"
        )


def _located(folder: Path, name: str, city_file: Path, key: str) -> Path:
    home = name.startswith(_SUMO_PREFIX)
    path = sumo_home() / name.removeprefix(_SUMO_PREFIX) if home else folder / name
    if not path.is_file():
        raise ConfigError(f"{city_file}: {key} names {name!r}, but there is no file {path}; correct the name")
    return path


def original_demand(case: CityCase) -> tuple[tuple[Path, ...], bool]:
    """Return the demand from before any calibration, and whether it was made up."""
    if case.folder is None:
        return case.route_files, case.synthetic
    toml = decode_city_toml(case.folder / CITY_FILE)
    return tuple(_located(case.folder, name, case.folder / CITY_FILE, "routes") for name in toml.routes), toml.synthetic


def copy_case(case: CityCase, folder: Path, *, as_run: bool = False) -> None:
    """Write a city folder that holds a copy of everything the case names, the calibration left out.

    Parameters
    ----------
    as_run
        Whether the demand is what a calibration made of it, where there was one, rather than that from before.
    """
    routes, synthetic = (case.route_files, case.synthetic) if as_run else original_demand(case)
    taken: dict[str, Path] = {}

    def copied(path: Path) -> str:
        name = path.name
        while taken.setdefault(name, path) != path:
            name = f"other-{name}"
        shutil.copyfile(path, folder / name)
        return name

    if case.plans_dir is not None:
        shutil.copytree(case.plans_dir, folder / "plans")
    toml = CityToml(
        name=case.name,
        network=copied(case.net_file),
        begin_s=case.begin_s,
        end_s=case.end_s,
        routes=tuple(copied(path) for path in routes),
        additional=tuple(copied(path) for path in case.additional_files),
        zone=case.zone,
        synthetic=synthetic,
        walking_speed_mps=case.walking_speed_mps,
        assets={kind: copied(path) for kind, path in case.asset_files.items()},
    )
    write_atomically(folder / CITY_FILE, encode_city_toml(toml))
