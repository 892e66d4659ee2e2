"""The run folder: everything a run leaves behind, readable after any kind of end.

    run.toml                 what the run was made of; state = "incomplete" until sealed
    layout.msgpack           the city's assets as the brain saw them
    journal/decisions-*.mp   decisions, written before anything acts on them
    journal/receipts-*.mp    what the city answered
    readings/readings.arrows what was sensed, step by step

A written folder is sealed by ``complete``; whoever dies before leaves a folder that says so.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.emergency.schema import HOSPITALS, EmergencyTable, HospitalTable
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.domains.refuse.schema import RoundsTable
from cityloop.domains.signals.schema import DOMAIN as SIGNALS
from cityloop.domains.signals.schema import SignalAssets
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.kernel.journal import DecisionDigest
from cityloop.kernel.layout import Layout, Passages, Units
from cityloop.kernel.messages import Decision, Receipt
from cityloop.storage.journal_log import LogWriter, sync_folder
from cityloop.storage.readings_log import CHUNK_S, ReadingsReader, ReadingsWriter
from cityloop.storage.records import Frames, decision_from, frame_of, receipt_from
from cityloop.storage.run_toml import RUN_FILE, Result, RunToml, read_run_toml, write_run_toml
from cityloop.wire.layout import decode_layout, encode_layout

__all__ = ["RunFolder", "RunReader", "claim_folder", "file_sha256"]

_LAYOUT_FILE = "layout.msgpack"
_READINGS_FILE = "readings/readings.arrows"
_TABLES = {
    SIGNALS: SignalAssets,
    EMERGENCY: EmergencyTable,
    HOSPITALS: HospitalTable,
    REFUSE: RoundsTable,
    "units": Units,
    "passages": Passages,
}
_SYNC_EVERY_S = 1.0


def claim_folder(folder: Path) -> None:
    """Make a run folder, or refuse one that holds anything."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: a file, not a folder; give --out a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: not empty, and a run never overwrites; give --out a new folder")
    folder.mkdir(parents=True, exist_ok=True)


class RunFolder:
    """Writes a run; the ``Store`` of a run that is kept.

    Parameters
    ----------
    folder
        Claimed with ``claim_folder``.
    run
        What the run is made of.
    layout
        The assets that the decisions' targets are rows of.
    durable
        True: nothing is acted on before readings and decisions would survive a power cut. False, for a
        twin: they survive the death of the process at once, and a power cut after at most ``sync_every_s``
        of wall time.
    """

    def __init__(
        self,
        folder: Path,
        run: RunToml,
        layout: Layout,
        *,
        durable: bool = False,
        sync_every_s: float = _SYNC_EVERY_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = folder
        self.digest = DecisionDigest()
        self.steps = 0
        self._durable = durable
        self._sync_every_s = 0.0 if durable else sync_every_s
        self._clock_s = clock_s
        assets = encode_layout(layout)
        (folder / _LAYOUT_FILE).write_bytes(assets)
        self.run = msgspec.structs.replace(run, layout_digest=_sha256(assets))
        write_run_toml(folder, self.run)
        (folder / "journal").mkdir()
        (folder / "readings").mkdir()
        self._decisions = LogWriter(folder / "journal", "decisions")
        self._receipts = LogWriter(folder / "journal", "receipts")
        self._answers: list[tuple[int, Sequence[Receipt]]] = []
        """Of steps whose readings wait to be written, too."""
        chunk_s = 0.0 if durable else CHUNK_S
        self._readings = ReadingsWriter(folder / _READINGS_FILE, chunk_s=chunk_s)
        sync_folder(folder)
        self._now_ms = 0
        self._synced_s = clock_s()
        self._closed = False

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        """Journal decisions; a frame a call."""
        self._refuse_if_closed()
        if decisions:
            payload, records = frame_of(decisions[0].decided_at_ms, decisions)
            self._decisions.append(payload)
            self.digest.add_joined(records, len(decisions))
        if self._clock_s() - self._synced_s >= self._sync_every_s:
            self._sync()

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Keep a step's readings; written chunk by chunk, each step at once where the store is durable."""
        self._refuse_if_closed()
        self._now_ms = now_ms
        self.steps += 1
        if self._readings.append(now_ms, batch):
            self._write_receipts()

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep the city's answers under the step last appended; written with the readings' chunks."""
        self._refuse_if_closed()
        if receipts:
            self._answers.append((self._now_ms, receipts))

    def close(self) -> None:
        """Write and sync everything that waits. The folder stays incomplete. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._write_receipts()
            self._readings.close()
            self._decisions.close()
            self._receipts.close()

    def complete(self) -> RunToml:
        """Close, and mark the folder complete, with the digests of what was recorded."""
        self.close()
        names = [
            _LAYOUT_FILE,
            _READINGS_FILE,
            *sorted(f"journal/{p.name}" for p in (self.path / "journal").iterdir()),
        ]
        result = Result(
            decisions=self.digest.count,
            decisions_digest=self.digest.hexdigest(),
            steps=self.steps,
            ended_ms=self._now_ms,
            files={name: file_sha256(self.path / name) for name in names},
        )
        self.run = msgspec.structs.replace(self.run, state="complete", result=result)
        write_run_toml(self.path, self.run)
        return self.run

    def _sync(self) -> None:
        if self._durable:
            self._write_receipts()
            self._readings.sync()
            self._receipts.sync()
        self._decisions.sync()
        self._synced_s = self._clock_s()

    def _write_receipts(self) -> None:
        if self._answers:
            self._receipts.append(*(frame_of(now_ms, answers)[0] for now_ms, answers in self._answers))
            self._answers.clear()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreError(f"{self.path}: the run folder is closed; nothing more can be appended")


class RunReader:
    """Reads a run folder, complete or not; never changes it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.run = read_run_toml(folder)

    def require_complete(self) -> None:
        """Refuse a run that did not come to its end, or whose files changed since, in one line."""
        result = self.run.result
        if not self.run.complete or result is None:
            raise StoreError(f"{self.path}: the run is incomplete ({self._reached()}); run it again into a new folder")
        for name, digest in result.files.items():
            path = self.path / name
            if not path.is_file():
                raise StoreError(f"{path}: missing, though {RUN_FILE} lists it; restore the folder")
            if file_sha256(path) != digest:
                raise StoreError(f"{path}: not as it was sealed (its SHA-256 differs); restore the folder")

    def layout(self) -> Layout:
        """Return the assets that the run was decided on."""
        path = self.path / _LAYOUT_FILE
        data = path.read_bytes() if path.is_file() else b""
        if _sha256(data) != self.run.layout_digest:
            raise StoreError(f"{path}: missing, or not the layout that {RUN_FILE} names; restore the folder")
        return decode_layout(data, _TABLES)

    def decision_records(self) -> Iterator[bytes]:
        """Yield the canonical bytes of every decision; stop silently only at a clean end."""
        for _, records in self._frames("decisions"):
            yield from records

    def decisions(self) -> Iterator[Decision]:
        """Yield every decision."""
        return map(decision_from, self.decision_records())

    def receipts(self) -> Iterator[tuple[int, Receipt]]:
        """Yield every receipt with the end of the step that brought it."""
        for now_ms, records in self._frames("receipts"):
            for record in records:
                yield now_ms, receipt_from(record)

    def readings(self) -> Iterator[tuple[int, Batch]]:
        """Yield ``(now_ms, batch)`` a step."""
        reader = ReadingsReader(self.path / _READINGS_FILE)
        yield from reader
        if reader.torn is not None:
            raise StoreError(str(reader.torn))

    def intact(self) -> tuple[int, int, tuple[str, ...]]:
        """Return how many decisions and steps of readings can be read, and what could not be."""
        frames = Frames(self.path / "journal", "decisions")
        decisions = sum(len(records) for _, records in frames)
        readings_file = self.path / _READINGS_FILE
        steps, torn = 0, [frames.torn]
        if readings_file.is_file():
            reader = ReadingsReader(readings_file)
            steps = sum(1 for _ in reader)
            torn.append(reader.torn)
        return decisions, steps, tuple(str(one) for one in torn if one is not None)

    def _frames(self, stem: str) -> Iterator[tuple[int, list[bytes]]]:
        frames = Frames(self.path / "journal", stem)
        yield from frames
        if frames.torn is not None:
            raise StoreError(str(frames.torn))

    def _reached(self) -> str:
        decisions, steps, torn = self.intact()
        tail = f", {len(torn)} torn" if torn else ""
        return f"{decisions} decisions and {steps} steps of readings are intact{tail}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
