"""Bounds and rhythms of the readings store."""

from __future__ import annotations

from dataclasses import dataclass

from cityloop.kernel.errors import ConfigError

__all__ = ["StoreParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParams:
    """Bounds and rhythms. The defaults hold 120,000 readings a second in about 0.5 GB of memory."""

    interval_s: float = 0.02
    """Least time between the begins of two group commits: what a sender waits at most, beside the sync. [s]"""

    group_rows: int = 262_144
    """Readings in one group commit at most."""

    queue_rows: int = 2_000_000
    """Readings that may wait for the disk; more are refused as overload."""

    log_file_bytes: int = 64 << 20
    """Room set aside for a log file. [B]"""

    roll_rows: int = 2_000_000
    """Readings in one log file, and so in one newly sealed segment."""

    roll_s: float = 900.0
    """Age at which a log file is sealed even when it is not full. [s]"""

    unsealed_rows: int = 12_000_000
    """Readings in memory that are in the log but not yet sealed; more are refused as overload."""

    row_group_rows: int = 65_536
    """Readings in one row group of a sealed segment: what a look-up reads at least."""

    fan_in: int = 8
    """Sealed runs of one day and level that are merged into one of the next level."""

    slice_rows: int = 524_288
    """Readings that sealing and a merge hold in memory at a time, where no single stream has more."""

    file_rows: int = 64_000_000
    """Readings in one sealed file at most, where no single stream has more."""

    background: bool = True
    """Whether sealing and merging run by themselves; otherwise they run when they are called."""

    def __post_init__(self) -> None:
        sizes = ("group_rows", "queue_rows", "log_file_bytes", "roll_rows", "row_group_rows", "slice_rows", "file_rows")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ConfigError(f"StoreParams.{name}: {getattr(self, name)}, must be at least 1.")
        if self.interval_s < 0 or self.interval_s > 1:
            raise ConfigError(f"StoreParams.interval_s: {self.interval_s} s, must be 0 to 1 s.")
        if self.fan_in < 2:
            raise ConfigError(f"StoreParams.fan_in: {self.fan_in}, must be at least 2.")
        if self.unsealed_rows < 2 * self.roll_rows:
            raise ConfigError(
                f"StoreParams.unsealed_rows: {self.unsealed_rows}, must be at least twice roll_rows ({self.roll_rows})."
            )
