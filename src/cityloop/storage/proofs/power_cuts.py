"""Cut the power under a store at random moments, draw what the disk would hold, open that and have it checked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cityloop.kernel.errors import CityloopError
from cityloop.storage.powercut import CutDisk, Volatile
from cityloop.storage.proofs.kills import run_checker
from cityloop.storage.proofs.sender import Sender, numbered_batch
from cityloop.storage.readings import ReadingsStore, StoreParams
from cityloop.storage.readings.disk import Disk

__all__ = ["Cuts", "cut_often"]

_STREAMS = 50
_TOGETHER = 50
"""Drawn folders that one run of the checker looks at."""

_PARAMS = StoreParams(
    interval_s=0.0005,
    roll_rows=1_500,
    unsealed_rows=1_000_000,
    row_group_rows=256,
    slice_rows=2_000,
    fan_in=3,
    log_file_bytes=1 << 16,
)

# What a cut left is opened, its log sealed by hand, and closed: no thread need run.
_AFTERWARDS = StoreParams(roll_rows=1_500, unsealed_rows=1_000_000, background=False)


@dataclass(frozen=True, slots=True)
class Cuts:
    """What became of a store whose power was cut often."""

    cuts: int
    changes: int
    """Writes, syncs, renames and removals that the run made; a cut may fall before any of them."""
    acknowledged_batches: int
    """At the end of the run; each cut is held to those acknowledged before it."""
    faults: int
    """Batches lost, altered, halved or doubled, and folders that could not be opened, over all cuts."""


def cut_often(
    folder: Path,
    cuts: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    disk_of: Callable[[Volatile], Disk] = CutDisk,
) -> Cuts:
    """Run one store and cut its power ``cuts`` times.

    Parameters
    ----------
    disk_of
        Makes the store's disk; another than the default shows that the proof finds a disk that does not sync.
    """
    live, record = folder / "live", folder / "record.txt"
    live.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    drawn: list[tuple[Path, Path]] = []
    faults = made = 0

    def before(_: int) -> None:
        # About one change in fifteen, so that neighbouring moments of one commit are met in different runs of it.
        if made + len(drawn) < cuts and rng.random() < 1 / 15:
            place = folder / f"cut-{made + len(drawn)}"
            volatile.cut(place / "readings", rng)
            shutil.copy(record, place / "record.txt")
            drawn.append((place / "readings", place / "record.txt"))

    volatile = Volatile(live)
    sender = Sender(record)
    store = ReadingsStore(live, params=_PARAMS, disk=disk_of(volatile))
    volatile.before = before
    number = 0
    while made + len(drawn) < cuts:
        batch = numbered_batch(number, rng, _STREAMS, 1_700_000_000_000 + number * 60_000)
        sender.offer(number, batch)
        store.append(batch, partial(_note, sender, number))
        number += 1
        if number % 4 == 0:
            time.sleep(0.002)
        if len(drawn) >= _TOGETHER:
            ready, drawn[:] = list(drawn), []
            made += len(ready)
            faults += _check(ready)
            say(f"{made} of {cuts} cuts, {sender.acknowledged} batches acknowledged, {faults} faults")
    volatile.before = None
    store.close()
    sender.close()
    made += len(drawn)
    faults += _check(drawn)
    shutil.rmtree(live)
    return Cuts(made, volatile.changes, sender.acknowledged, faults)


def _note(sender: Sender, number: int, error: Exception | None) -> None:
    if error is None:
        sender.acknowledge(number)


def _check(drawn: list[tuple[Path, Path]]) -> int:
    faults = 0
    whole = []
    for readings, record in drawn:
        try:
            store = ReadingsStore(readings, params=_AFTERWARDS)
            store.seal()
            store.close()
            whole.append((readings, record))
        except (CityloopError, OSError):
            faults += 1
    if whole:
        faults += run_checker(*whole)[0]
    for readings, _ in drawn:
        shutil.rmtree(readings.parent)
    return faults
