"""Cut the power under the metadata database while streams are registered, and have what is left checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cityloop.kernel.errors import InvariantError
from cityloop.storage.metadata import Metadata
from cityloop.storage.powercut import CutFiles, Volatile
from cityloop.storage.proofs.power_cuts import Cuts
from cityloop.storage.streams import Registration, StreamRegister

__all__ = ["cut_metadata"]

_ONE_RUN = 100
"""Cuts of one database, so that what is copied at each stays small."""


def cut_metadata(folder: Path, cuts: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Cuts:
    """Register streams in databases and cut the power ``cuts`` times, at moments drawn among all changes of files."""
    rng = np.random.default_rng(seed)
    made = changes = groups = faults = 0
    while made < cuts:
        here = min(_ONE_RUN, cuts - made)
        found = _one_run(folder / f"run-{made}", here, rng)
        changes, groups, faults = (
            changes + found.changes,
            groups + found.acknowledged_batches,
            faults + found.faults,
        )
        made += here
        say(f"{made} of {cuts} cuts, {groups} groups acknowledged, {faults} faults")
    return Cuts(made, changes, groups, faults)


def _one_run(folder: Path, cuts: int, rng: np.random.Generator) -> Cuts:
    live, record = folder / "live", folder / "record.txt"
    live.mkdir(parents=True)
    drawn: list[Path] = []

    def before(_: int) -> None:
        if len(drawn) < cuts and rng.random() < 1 / 8:
            place = folder / f"cut-{len(drawn)}"
            volatile.cut(place, rng)
            shutil.copy(record, place / "record.txt")
            drawn.append(place)

    volatile = Volatile(live)
    files = CutFiles(volatile)
    metadata = Metadata(live / "metadata.sqlite", vfs=files.name)
    streams = StreamRegister(metadata)
    volatile.before = before
    group = 0
    with record.open("a", encoding="ascii", buffering=1) as told:
        while len(drawn) < cuts:
            count = int(rng.integers(1, 20))
            told.write(f"offered {group} {count}\n")
            streams.register_many([Registration(name=f"{group}-{place}", unit="1") for place in range(count)])
            told.write(f"acknowledged {group}\n")
            group += 1
    volatile.before = None
    metadata.close()
    faults = _check(drawn)
    shutil.rmtree(folder)
    return Cuts(len(drawn), volatile.changes, group, faults)


def _check(drawn: list[Path]) -> int:
    pairs = [str(place / name) for place in drawn for name in ("metadata.sqlite", "record.txt")]
    command = [sys.executable, "-m", "cityloop.storage.proofs.metadata_checker", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = done.stdout.strip().splitlines()[-1].split() if done.stdout.strip() else []
    if len(words) < 3 or done.returncode not in (0, 1):
        raise InvariantError(f"The checker failed: {done.stderr.strip() or done.stdout.strip()}")
    return int(words[0])
