"""A city by its name: a built-in, a city folder, or a `.sumocfg`, all resolved to one typed case.

A city folder holds `city.toml` and the files that it names. The demand that a calibration fitted is named in
its own `[calibration]` table and stands in for `routes`; removing the table undoes the calibration.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cityloop.cities.sumo.case_facts import check_routes, read_net_facts
from cityloop.cities.sumo.sumo_tools import sumo_home
from cityloop.cities.sumo.sumocfg import read_sumocfg
from cityloop.kernel.errors import ConfigError, InputError

__all__ = [
    "ACCEPTED_SHARE_GEH_BELOW_5",
    "CalibrationRecord",
    "CityCase",
    "CityToml",
    "builtin_cities",
    "encode_city_toml",
    "files_digest",
    "resolve_city",
    "write_atomically",
    "write_calibration",
]

ACCEPTED_SHARE_GEH_BELOW_5 = 0.85
"""Share of links that must lie under a GEH of 5 (DfT, TAG unit M3.1, table 2; formerly DMRB 12.2.1)."""

CITY_FILE = "city.toml"
_BUILTIN_DIR = Path(__file__).parent.parent / "builtin"
_SUMO_PREFIX = "sumo:"
_WALKING_SPEEDS_MPS = (0.8, 1.0)


class CalibrationRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a demand was fitted to counts, and how well it held on links that the fit did not see."""

    demand: str
    """The fitted routes, beside `city.toml`; they stand in for `routes`."""

    method: str
    seed: int
    share_geh_below_5: float
    """Share of held-out link hours with a GEH under 5, measured in the twin."""

    median_geh: float
    """Median GEH of the held-out link hours."""

    share_geh_below_5_fitted: float
    held_out_links: tuple[str, ...]
    sumo_version: str
    counts_digest: str
    """SHA-256 of the counts file."""

    inputs_digest: str
    """The case's digest when it was measured; another one means that network or demand changed since."""


class CityToml(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `city.toml`."""

    name: str
    network: str
    begin_s: float
    end_s: float
    routes: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    zone: str = "UTC"
    synthetic: bool = False
    walking_speed_mps: float = 1.0
    plans: str | None = None
    assets: dict[str, str] = {}
    calibration: CalibrationRecord | None = None


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
        raise ConfigError(
            f"{city_file}: not there; make a city with cityloop init NAME --net FILE --out {folder}"
        )
    toml = decode_city_toml(city_file)
    record = toml.calibration
    routes = (record.demand,) if record else toml.routes
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


def decode_city_toml(city_file: Path) -> CityToml:
    """Decode and check `city.toml`."""
    try:
        raw = tomllib.loads(city_file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{city_file}: not valid TOML ({error}); correct that line") from error
    _refuse_unknown_keys(city_file, raw, CityToml, "")
    _refuse_unknown_keys(city_file, raw.get("calibration"), CalibrationRecord, "calibration.")
    try:
        toml = msgspec.convert(raw, CityToml)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{city_file}: {_reworded(str(error))}") from error
    _check_values(city_file, toml)
    return toml


def encode_city_toml(toml: CityToml) -> str:
    """Encode `city.toml` without its `[calibration]` and with every key that differs from its default."""
    lines = ["# A city for cityloop. Files are relative to this one; sumo: means SUMO's own home."]
    keys = ("name", "zone", "network", "routes", "additional", "begin_s", "end_s", "synthetic")
    lines += [f"{key} = {_toml(getattr(toml, key))}" for key in keys]
    lines.append(f"walking_speed_mps = {_toml(toml.walking_speed_mps)}")
    if toml.plans is not None:
        lines.append(f"plans = {_toml(toml.plans)}")
    if toml.assets:
        lines += ["", "[assets]", *(f"{_toml(kind)} = {_toml(name)}" for kind, name in toml.assets.items())]
    return "\n".join(lines) + "\n"


def write_calibration(city_file: Path, record: CalibrationRecord) -> None:
    """Put `record` into `city.toml` in place of an older one; every other line stays."""
    text = city_file.read_text(encoding="utf-8")
    kept = re.sub(r"(?ms)^\[calibration\].*?(?=^\[[A-Za-z\"]|\Z)", "", text).rstrip()
    table = [f"{key} = {_toml(value)}" for key, value in msgspec.structs.asdict(record).items()]
    write_atomically(city_file, "\n".join([kept, "", "[calibration]", *table]) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing: to a sibling first, synced, then renamed."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


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

    A network whose own programs show conflicting greens is refused by the reader of signals, which knows the
    right of way; this is the place to call it, with `case.net_file`.
    """
    net = read_net_facts(case.net_file)
    if not net.signals:
        raise InputError(
            f"{case.net_file}: no <tlLogic>, so there is no signal to run; "
            "add signals, for example with netconvert --tls.guess"
        )
    for route_file in case.route_files:
        check_routes(route_file, net, case.net_file)


def _located(folder: Path, name: str, city_file: Path, key: str) -> Path:
    home = name.startswith(_SUMO_PREFIX)
    path = sumo_home() / name.removeprefix(_SUMO_PREFIX) if home else folder / name
    if not path.is_file():
        raise ConfigError(f"{city_file}: {key} names {name!r}, but there is no file {path}; correct the name")
    return path


def _check_values(city_file: Path, toml: CityToml) -> None:
    if toml.begin_s < 0:
        raise ConfigError(f"{city_file}: begin_s is {toml.begin_s:g}; give seconds since midnight, 0 or more")
    if toml.end_s <= toml.begin_s:
        raise ConfigError(
            f"{city_file}: end_s is {toml.end_s:g}, not after begin_s {toml.begin_s:g}; give a later end_s"
        )
    if toml.walking_speed_mps not in _WALKING_SPEEDS_MPS:
        raise ConfigError(f"{city_file}: walking_speed_mps is {toml.walking_speed_mps:g}; give 1.0 or 0.8")
    try:
        ZoneInfo(toml.zone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"{city_file}: zone {toml.zone!r} is not an IANA time zone; give one such as 'Europe/Berlin'"
        ) from error


def _refuse_unknown_keys(city_file: Path, raw: Any, shape: type[msgspec.Struct], prefix: str) -> None:
    known = [field.name for field in msgspec.structs.fields(shape)]
    for key in raw if isinstance(raw, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {prefix + near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{city_file}: unknown key {prefix + key!r}; {hint}")


def _reworded(message: str) -> str:
    """Turn msgspec's 'Expected `int`, got `str` - at `$.begin_s`' into the house's order: key, value, fix."""
    if match := re.fullmatch(r"Object missing required field `(\w+)`(?: - at `\$\.(\w+)`)?", message):
        key = f"{match[2]}.{match[1]}" if match[2] else match[1]
        return f"key {key!r} is missing; add it"
    if match := re.fullmatch(r"Expected `(.+)`, got `(.+)` - at `\$\.(.+)`", message):
        return f"key {match[3]!r} is of type {match[2]}; give {match[1]}"
    return message


def _toml(value: object) -> str:
    """Encode a scalar or a list; a JSON string is a TOML basic string."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return json.dumps(value)
