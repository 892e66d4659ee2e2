"""`city.toml`: its keys, how it is read, and how it is written without losing a line of its owner's.

The demand that a calibration fitted is named in its own `[calibration]` table and stands in for `routes`;
removing the table undoes the calibration.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cityloop.kernel.errors import ConfigError

__all__ = [
    "CITY_FILE",
    "CalibrationRecord",
    "CityToml",
    "check_city_toml",
    "decode_city_toml",
    "encode_city_toml",
    "new_folder",
    "write_atomically",
    "write_calibration",
]

CITY_FILE = "city.toml"
_WALKING_SPEEDS_MPS = (0.8, 1.0)


class CalibrationRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a demand was fitted to counts, and how well it held on links that the fit did not see."""

    demand: tuple[str, ...]
    """The fitted cars, and people and public transport as they were; these files stand in for `routes`."""

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
    check_city_toml(city_file, toml)
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


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a fresh folder that becomes `target` when the block ends well, and vanishes when it does not."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target}: already there and not an empty folder; give another --out or remove it")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"{target}: no folder {target.absolute().parent} to make it in; make that first")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        yield part
        if target.exists():
            target.rmdir()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def check_city_toml(city_file: Path, toml: CityToml) -> None:
    """Refuse values that are of the right type and still make no sense."""
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
