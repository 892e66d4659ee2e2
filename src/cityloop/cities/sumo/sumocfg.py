"""The few options of a `.sumocfg` that make a city case."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cityloop.cities.sumo.case_facts import scan_xml
from cityloop.kernel.errors import ConfigError

__all__ = ["SumoConfig", "read_sumocfg", "to_seconds"]

_NAMES = {
    "net-file": "net-file",
    "net": "net-file",
    "n": "net-file",
    "route-files": "route-files",
    "routes": "route-files",
    "r": "route-files",
    "additional-files": "additional-files",
    "additional": "additional-files",
    "a": "additional-files",
    "begin": "begin",
    "b": "begin",
    "end": "end",
    "e": "end",
}
"""SUMO's synonyms of the options read here."""

_SECONDS_BY_PART = (86_400, 3_600, 60, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SumoConfig:
    """What a configuration names, with its paths made whole."""

    net_file: Path
    route_files: tuple[Path, ...]
    additional_files: tuple[Path, ...]
    begin_s: float
    end_s: float


def read_sumocfg(path: Path) -> SumoConfig:
    """Read a `.sumocfg`; its file names are relative to it, in lists apart by commas or blanks."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give an existing .sumocfg")
    options: dict[str, str] = {}

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        if tag in _NAMES:
            options[_NAMES[tag]] = attributes.get("value", attributes.get("v", "")).strip()

    scan_xml(path, on_start)
    nets = _files(path, options, "net-file")
    if not nets:
        raise ConfigError(f'{path}: no <net-file>; add <net-file value="..."/> under <input>')
    begin_s = _instant_s(path, options, "begin", 0.0)
    end_s = _instant_s(path, options, "end", math.inf)
    if not math.isfinite(end_s) or end_s < 0:
        raise ConfigError(f'{path}: no <end>; add <end value="SECONDS"/> under <time>')
    if begin_s < 0:
        raise ConfigError(f"{path}: <begin> is {begin_s:g}; give 0 or more")
    if end_s <= begin_s:
        raise ConfigError(f"{path}: <end> is {end_s:g}, not after <begin> {begin_s:g}; give a later <end>")
    return SumoConfig(
        net_file=nets[0],
        route_files=_files(path, options, "route-files"),
        additional_files=_files(path, options, "additional-files"),
        begin_s=begin_s,
        end_s=end_s,
    )


def to_seconds(text: str) -> float:
    """Return seconds for '25200', '7:00', '7:00:00' or SUMO's '0:07:00:00', or raise ValueError."""
    parts = text.split(":")
    if len(parts) == 1:
        return float(text)
    if len(parts) == 2:
        parts.append("0")
    if len(parts) > 4 or not all(part.isdecimal() for part in parts):
        raise ValueError(text)
    units = _SECONDS_BY_PART[-len(parts) :]
    return float(sum(int(part) * unit for part, unit in zip(parts, units, strict=True)))


def _files(path: Path, options: dict[str, str], option: str) -> tuple[Path, ...]:
    files = tuple(path.parent / name for name in options.get(option, "").replace(",", " ").split())
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{path}: <{option}> names {file}, which does not exist; correct the name")
    return files


def _instant_s(path: Path, options: dict[str, str], option: str, default_s: float) -> float:
    if option not in options:
        return default_s
    try:
        return to_seconds(options[option])
    except ValueError as error:
        text = options[option]
        raise ConfigError(f"{path}: <{option}> is {text!r}; give seconds or HH:MM:SS") from error
