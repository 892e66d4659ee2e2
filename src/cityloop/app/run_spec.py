"""What a run is asked to be: a city, its control, its sensing and its seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cityloop.engine.inline import Blackout
from cityloop.kernel.errors import ConfigError

__all__ = ["ARMS", "LEASED_ARMS", "RunSpec"]

LEASED_ARMS = ("max-pressure", "brain")
"""Arms that command the field by leases."""

ARMS = ("shipped", "fixed", "fixed-tuned", "actuated", "actuated-tuned", *LEASED_ARMS)
"""All arms of signals; those that send no leases are modes of the twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One run: a city under one control, sensed at one level, from one seed."""

    city: str
    """``toy``, a built-in name, a city folder or a ``.sumocfg``."""

    out: Path
    control: str = "brain"
    sensing: str = "area:150"
    seed: int = 1
    scale: float = 1.0
    """Demand as a multiple of the case's."""

    plans: Path | None = None
    """A plans file; None looks in the city's own plans and in the cache."""

    faults: str = ""
    """File of sensor faults (TOML); empty for none."""

    blackouts: tuple[Blackout, ...] = ()
    """In seconds since the begin of the run."""

    begin_s: float | None = None
    """None: the case's."""

    end_s: float | None = None
    durable: bool = False
    """Whether nothing is acted on before it would survive a power cut."""

    picture: bool = False
    """Whether the twin tells where everybody is, for a map alone: no decision sees it."""

    def __post_init__(self) -> None:
        if self.control not in ARMS:
            raise ConfigError(f"control {self.control!r} is not one of {', '.join(ARMS)}")
        if not self.scale > 0:
            raise ConfigError(f"scale is {self.scale:g}; give a value above 0")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; give 0 or more")

    start: Path | None = None
    """Folder in which lies what the run begins from, as a what-if makes it; None: an empty city."""

    snapshot: bool = False
    """Whether what is on the road at the end is written down, for others to begin from."""

    acts: Path | None = None
    """File of what people have set and of the ladder, on the run's own clock; None: nothing."""

    @property
    def leased(self) -> bool:
        """Whether the field takes leases: the control sends some, or people act."""
        return self.control in LEASED_ARMS or self.acts is not None
