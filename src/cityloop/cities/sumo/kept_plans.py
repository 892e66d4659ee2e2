"""Where a city's tuned plans lie, and whether they were tuned for this very city."""

from __future__ import annotations

import os
from pathlib import Path

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.plans import TUNER_VERSION, TunedPlans, read_plans
from cityloop.kernel.errors import ConfigError

__all__ = ["find_plans", "kept_plans_file", "plans_fit"]

PLANS_FILE = "plans.json"


def find_plans(
    case: CityCase, given: Path | None = None, *, cache: Path | None = None
) -> tuple[Path, TunedPlans] | None:
    """Return a city's tuned plans with their file, or None where none are at hand.

    A file that is given is taken or refused; else the city's own are taken, then the cache's, where they fit.
    """
    if given is not None:
        plans = read_plans(given)
        if plans.case_digest != case.digest:
            raise ConfigError(
                f"{given}: tuned for {plans.city!r} with digest {plans.case_digest[:12]}, but network and "
                f"demand of {case.name!r} have {case.digest[:12]}; make plans for it with cityloop tune"
            )
        return given, plans
    at_city = [case.plans_dir / PLANS_FILE] if case.plans_dir is not None else []
    for path in (*at_city, kept_plans_file(case, cache)):
        if path.is_file():
            plans = read_plans(path)
            if plans_fit(case, plans):
                return path, plans
    return None


def kept_plans_file(case: CityCase, cache: Path | None = None) -> Path:
    """Return where plans are kept: under ``cache``, CITYLOOP_CACHE or the user's cache folder."""
    if cache is None:
        own = os.environ.get("CITYLOOP_CACHE")
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        cache = Path(own) if own else Path(home) / "cityloop"
    return cache / "plans" / f"{case.name}-{case.digest[:16]}.json"


def plans_fit(case: CityCase, plans: TunedPlans) -> bool:
    """Return whether plans were tuned by this tuner for this very case and its hours."""
    hours = (plans.begin_s, plans.end_s) == (case.begin_s, case.end_s)
    same = plans.case_digest == case.digest and plans.walking_speed_mps == case.walking_speed_mps
    return hours and same and plans.tuner == TUNER_VERSION
