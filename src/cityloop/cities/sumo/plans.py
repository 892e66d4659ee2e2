"""Tuned plans of a city as a file: what was tuned on what, and what it gave."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cityloop.cities.sumo.city_toml import write_atomically
from cityloop.domains.signals.schema import Plan
from cityloop.kernel.errors import ConfigError

__all__ = ["TUNER_VERSION", "FootWait", "TunedPlans", "read_plans", "write_plans"]

TUNER_VERSION = 1
"""Raised whenever the tuner would find other plans; older files are tuned anew."""


class FootWait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long people waited at one crossing."""

    junction: str
    link: int
    """Its index in the junction's lamps."""
    wait_s: float
    """Mean of all who crossed, those included who did not have to wait. [s]"""


class TunedPlans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plans of one city, tuned on training seeds that no score is taken on."""

    city: str
    case_digest: str
    """Digest of the network, routes and additional files they were tuned with."""
    begin_s: float
    end_s: float
    walking_speed_mps: float
    tuner: int
    """A ``TUNER_VERSION``."""
    sumo_version: str
    seeds: tuple[int, ...]
    """SUMO seeds of the training runs."""
    budget: int
    """Training runs allowed to each arm."""
    evaluations: dict[str, int]
    """Training runs made, by arm."""
    delay_s: dict[str, float]
    """Mean delay of all vehicles over the training seeds, by arm, those before tuning included. [s]"""
    fixed_tuned: tuple[Plan, ...] = msgspec.field(name="fixed-tuned")
    actuated_tuned: tuple[Plan, ...] = msgspec.field(name="actuated-tuned")
    foot_waits: tuple[FootWait, ...] = ()
    """Of people on foot under ``fixed-tuned``, as told from their calls in the training runs; none were measured."""

    def of_arm(self, arm: str) -> tuple[Plan, ...]:
        """Return the plans of ``fixed-tuned`` or ``actuated-tuned``."""
        match arm:
            case "fixed-tuned":
                return self.fixed_tuned
            case "actuated-tuned":
                return self.actuated_tuned
            case _:
                raise ConfigError(f"arm {arm!r} has no tuned plans; only 'fixed-tuned' and 'actuated-tuned' have")


def read_plans(path: Path) -> TunedPlans:
    """Read a file of tuned plans.

    Raises
    ------
    ConfigError
        When it is missing or is no such file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=TunedPlans)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); make it with cityloop tune") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a file of tuned plans ({error}); make it anew with cityloop tune") from None


def write_plans(path: Path, plans: TunedPlans) -> None:
    """Write a file of tuned plans, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(plans), indent=1).decode() + "\n")
