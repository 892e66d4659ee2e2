"""`plans.json`: tuned signal plans of one city, with the digest of the case they were tuned for."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cityloop.domains.signals.schema import Plan
from cityloop.kernel.errors import ConfigError

__all__ = ["PLANS_FILE", "PlansFile", "cache_folder", "find_plans", "read_plans", "write_plans"]

PLANS_FILE = "plans.json"


class PlansFile(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The keys of `plans.json`."""

    case_digest: str
    """``CityCase.digest`` of the city they were tuned for."""

    fixed_tuned: tuple[Plan, ...] = ()
    actuated_tuned: tuple[Plan, ...] = ()

    def of(self, arm: str) -> tuple[Plan, ...]:
        """Return the plans of ``fixed-tuned`` or ``actuated-tuned``; empty where none were tuned."""
        return {"fixed-tuned": self.fixed_tuned, "actuated-tuned": self.actuated_tuned}[arm]


def read_plans(path: Path, case_digest: str) -> PlansFile:
    """Read plans, and refuse those of another network or demand."""
    try:
        plans = msgspec.json.decode(path.read_bytes(), type=PlansFile)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give one of cityloop tune") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: not a plans file ({error}); make one with cityloop tune") from error
    if plans.case_digest != case_digest:
        raise ConfigError(
            f"{path}: case-digest is {plans.case_digest[:12]}, but the city's network and demand have "
            f"{case_digest[:12]}; tune again with cityloop tune"
        )
    return plans


def write_plans(path: Path, plans: PlansFile) -> None:
    """Write plans whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(plans), indent=1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def find_plans(case_digest: str, given: Path | None, plans_dir: Path | None) -> tuple[Path, PlansFile] | None:
    """Return a city's tuned plans: the file given, else the city's own, else the cache's."""
    if given is not None:
        return given, read_plans(given, case_digest)
    folders = [plans_dir] if plans_dir is not None else []
    folders.append(cache_folder() / "plans" / case_digest)
    for folder in folders:
        path = folder / PLANS_FILE
        if path.is_file():
            return path, read_plans(path, case_digest)
    return None


def cache_folder() -> Path:
    """Return where cityloop keeps what can be made again."""
    named = os.environ.get("CITYLOOP_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cityloop"
