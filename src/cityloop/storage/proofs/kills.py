"""Kill the store's process with SIGKILL while it takes readings, again and again."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from cityloop.kernel.errors import InvariantError
from cityloop.storage.proofs.sender import Sender, numbered_batch
from cityloop.storage.readings import ReadingsStore, StoreParams

__all__ = ["Kills", "kill_often", "run_checker"]

_STREAMS = 500
_OPEN_S = 600.0
"""Far longer than a store takes to open, on a machine that others load too. [s]"""

# Small bounds, so that a store which lives for a moment rolls, seals and merges as one that lives for days.
_PARAMS = StoreParams(
    interval_s=0.002,
    roll_rows=4_000,
    unsealed_rows=1_000_000,
    row_group_rows=1_024,
    slice_rows=8_000,
    fan_in=4,
    log_file_bytes=1 << 20,
)


@dataclass(frozen=True, slots=True)
class Kills:
    """What became of a store that was killed often."""

    kills: int
    acknowledged_batches: int
    stored_readings: int
    faults: int


def kill_often(folder: Path, kills: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Kills:
    """Kill a store ``kills`` times while readings are sent to it, and have the separate program check the directory."""
    root, record = folder / "readings", folder / "record.txt"
    rng = np.random.default_rng(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cityloop.storage.proofs.warmed", "pyarrow.parquet"])
    sender = Sender(record)
    number = 0
    for kill in range(kills):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(root, there), daemon=True)
        process.start()
        there.close()
        if not here.poll(_OPEN_S) or here.recv() != "serving":
            raise InvariantError(f"{root}: the store did not open again within {_OPEN_S:g} s after kill {kill}.")
        number = _send_for(float(rng.uniform(0.0, 0.1)), here, sender, number, rng)
        os.kill(process.pid or 0, signal.SIGKILL)
        # What was acknowledged before the kill is still in the pipe.
        _hear(here, sender, wait_s=0.05)
        process.join()
        here.close()
        if (kill + 1) % 100 == 0:
            say(f"{kill + 1} of {kills} kills, {sender.acknowledged} batches acknowledged")
    sender.close()
    faults, rows = run_checker((root, record))
    return Kills(kills, sender.acknowledged, rows, faults)


def run_checker(*pairs: tuple[Path, Path]) -> tuple[int, int]:
    """Run the separate program over folders and records; return the faults and the number of readings it found."""
    command = [sys.executable, "-m", "cityloop.storage.proofs.checker", *(str(path) for pair in pairs for path in pair)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = done.stdout.strip().splitlines()[-1].split() if done.stdout.strip() else []
    if len(words) < 7 or done.returncode not in (0, 1):
        raise InvariantError(f"The checker failed: {done.stderr.strip() or done.stdout.strip()}")
    return int(words[0]), int(words[6])


def _serve(root: Path, pipe: Connection) -> None:
    """Serve one store over a pipe until killed."""
    store = ReadingsStore(root, params=_PARAMS)
    pipe.send("serving")
    while True:
        number, batch = pipe.recv()
        store.append(batch, partial(_tell, pipe, number))


def _tell(pipe: Connection, number: int, error: Exception | None) -> None:
    if error is None:
        pipe.send(number)


def _send_for(span_s: float, pipe: Connection, sender: Sender, number: int, rng: np.random.Generator) -> int:
    """Send until the store has acknowledged something and then for a span: a kill before that would prove nothing."""
    before, until_s = sender.acknowledged, math.inf
    while time.monotonic() < until_s:
        batch = numbered_batch(number, rng, _STREAMS, int(time.time() * 1000))
        sender.offer(number, batch)
        pipe.send((number, batch))
        number += 1
        _hear(pipe, sender, wait_s=0.0005)
        if until_s == math.inf and sender.acknowledged > before:
            until_s = time.monotonic() + span_s
    return number


def _hear(pipe: Connection, sender: Sender, wait_s: float) -> None:
    try:
        while pipe.poll(wait_s):
            sender.acknowledge(pipe.recv())
    except (EOFError, ConnectionResetError):
        return
