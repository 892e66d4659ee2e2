"""The durable readings store: wires the log, memory, sealed segments and their upkeep together."""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.kernel.columns import I32, U8
from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.readings import DataKind, Done, RollUps
from cityloop.storage.readings import lookup
from cityloop.storage.readings.catalogue import Catalogue
from cityloop.storage.readings.disk import Disk, RealDisk
from cityloop.storage.readings.frames import read_log
from cityloop.storage.readings.heap import give_back
from cityloop.storage.readings.latest import Latest
from cityloop.storage.readings.log import Log, log_path
from cityloop.storage.readings.manifest import check_format, write_format
from cityloop.storage.readings.order import clip_instants
from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.recent import Recent, StreamSet, recent_of
from cityloop.storage.readings.retention import Keep
from cityloop.storage.readings.upkeep import Kinds, Upkeep

__all__ = ["ReadingsStore"]

_LOGGER = logging.getLogger(__name__)

_EXPIRE_EVERY_MS = 3_600_000

_RETRY_S = 2.0
"""How long upkeep waits after the disk refused something. [s]"""


def _no_kinds() -> U8:
    return np.empty(0, np.uint8)


class ReadingsStore:
    """Keeps readings in a directory that it alone holds; see ``cityloop.kernel.readings.Readings``.

    Parameters
    ----------
    root
        The directory; made when it is not there.
    kinds
        Returns what each stream tells about, so that readings of different kinds can expire differently.
    retention
        How long each kind is kept, looked after once an hour; everything for ever when None.
    """

    def __init__(
        self,
        root: Path,
        *,
        params: StoreParams | None = None,
        kinds: Kinds = _no_kinds,
        retention: Mapping[DataKind, Keep] | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.root = root
        self._retention = retention
        self.params = params or StoreParams()
        self._disk = disk or RealDisk()
        self._lock_file = _take(root, self._disk)
        try:
            self.catalogue = Catalogue(root, self._disk, self.params)
            self.catalogue.remove_strays()
            self._latest = Latest()
            # Compiled before anybody waits for it.
            self._latest.fold(empty_batch())
            self.upkeep = Upkeep(root, self._disk, self.params, self.catalogue, self._latest, kinds)
            self._to_seal: queue.SimpleQueue[Recent | None] = queue.SimpleQueue()
            self._sealing = threading.Condition()
            self._waiting_seals = 0
            last_number = self._recover()
        except BaseException:
            os.close(self._lock_file)
            raise
        self._recent = self._new_recent(last_number + 1)
        self._merge_now = threading.Event()
        self._log = Log(
            root / "log",
            last_number + 1,
            self._disk,
            self.params,
            keep=self._keep,
            rolled=self._rolled,
            room=lambda: self.params.unsealed_rows - self.catalogue.unsealed_rows(),
        )
        self._threads = []
        if self.params.background:
            self._threads = [
                threading.Thread(target=self._seal_forever, name="readings-seal", daemon=True),
                threading.Thread(target=self._merge_forever, name="readings-merge", daemon=True),
            ]
        for thread in self._threads:
            thread.start()
        self._log.start()
        self._closed = False

    def append(self, batch: Batch, done: Done) -> None:
        """Queue rows; see ``Readings.append``."""
        lengths = {len(batch.stream), len(batch.observed_at_ms), len(batch.received_at_ms), len(batch.value)}
        if lengths != {len(batch.quality)}:
            raise InputError(f"A batch whose columns have {sorted(lengths)} rows: all must have the same number.")
        if len(batch) and int(batch.stream.min()) < 0:
            raise InputError(f"A batch with stream row {int(batch.stream.min())}: rows are 0 and more.")
        self._log.append(batch, done)

    def history(
        self, streams: I32, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return stored rows; see ``Readings.history``."""
        return lookup.history(self.catalogue, streams, begin_ms, end_ms, limit=limit, newest_first=newest_first)

    def rollups(self, streams: I32, begin_ms: int, end_ms: int) -> RollUps:
        """Return 5-minute bins; see ``Readings.rollups``."""
        return lookup.rollups(self.catalogue, streams, begin_ms, end_ms)

    def latest(self) -> Batch:
        """Return the row observed last of every stream."""
        return self._latest.batch()

    def forget(self, streams: I32, begin_ms: int, end_ms: int) -> int:
        """Delete rows for good, those in memory and in the log included; return how many."""
        begin_ms, end_ms = clip_instants(begin_ms, end_ms)
        chosen = StreamSet(streams)
        if not len(chosen) or begin_ms >= end_ms:
            return 0
        self.seal()
        rows = self.upkeep.forget(chosen, begin_ms, end_ms)
        last = [self.history(chosen.rows[at : at + 1], *_EVER, limit=1, newest_first=True) for at in range(len(chosen))]
        self._latest.replace(chosen.rows, concat(last))
        self.catalogue.commit((), (), latest=self.catalogue.write_latest(self._latest.batch()))
        return rows

    def seal(self) -> None:
        """Seal everything acknowledged so far; returns when it is sealed."""
        self._log.roll()
        if not self.params.background:
            self._seal_waiting()
            return
        with self._sealing:
            self._sealing.wait_for(lambda: self._waiting_seals == 0 or self._closed)

    def merge(self, now_ms: int) -> int:
        """Merge until nothing is due; return the number of merges."""
        merges = 0
        while self.upkeep.merge_once(now_ms):
            merges += 1
        return merges

    def expire(self, policy: Mapping[DataKind, Keep], now_ms: int) -> int:
        """Delete what is older than its kind is kept; return how many readings."""
        self.seal()
        rows = self.upkeep.expire(policy, now_ms)
        if rows:
            self._forget_expired_latest(policy, now_ms)
        return rows

    def _forget_expired_latest(self, policy: Mapping[DataKind, Keep], now_ms: int) -> None:
        latest = self.latest()
        kinds = self.upkeep.kinds_of(latest.stream)
        oldest = np.full(len(latest), np.iinfo(np.int64).min)
        for kind, keep in policy.items():
            oldest[kinds == kind] = keep.readings_from_ms(now_ms)
        self._latest.replace(latest.stream[latest.observed_at_ms < oldest], empty_batch())
        self.catalogue.commit((), (), latest=self.catalogue.write_latest(self._latest.batch()))

    def close(self) -> None:
        """Sync what waits and release the directory. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._log.close()
        self.upkeep.stopping.set()
        self._merge_now.set()
        self._to_seal.put(None)
        with self._sealing:
            self._sealing.notify_all()
        for thread in self._threads:
            thread.join()
        os.close(self._lock_file)

    @property
    def unsealed_rows(self) -> int:
        """Readings in memory that are in the log and not yet sealed."""
        return self.catalogue.unsealed_rows()

    @property
    def queued_rows(self) -> int:
        """Readings that wait for the disk."""
        return self._log.queued_rows

    def _recover(self) -> int:
        """Read what the log holds behind the sealed part; return the number of its last file."""
        folder = self.root / "log"
        sealed_through = self.catalogue.manifest.sealed_through
        numbers = sorted(int(path.stem) for path in folder.glob("*.log"))
        snapshot = self.catalogue.read_latest()
        if snapshot is None and self.catalogue.view.segments:
            self._latest_from_segments()
        elif snapshot is not None:
            self._latest.fold(snapshot)
        for number in numbers:
            path = log_path(folder, number)
            if number <= sealed_through:
                self._disk.unlink(path)
                continue
            held = read_log(path)
            if held.damaged_byte is not None:
                raise StoreError(
                    f"{path}: acknowledged readings at byte {held.damaged_byte} are damaged, and whole ones follow; "
                    "restore the directory from a backup, or keep what can be read: 'cityloop data check --salvage'."
                )
            if held.torn_bytes:
                _LOGGER.warning("%s: cut %d bytes that were never acknowledged", path, held.torn_bytes)
            if not held.batches:
                self._disk.unlink(path)
                continue
            self._cut(path, held.end_byte)
            recent = recent_of(number, held.batches)
            self._latest.fold(recent.batch())
            self.catalogue.begin_recent(recent)
            self._hand_over(recent)
        return max([sealed_through, *numbers])

    def _cut(self, path: Path, end_byte: int) -> None:
        if path.stat().st_size > end_byte:
            file = self._disk.open(path)
            try:
                file.truncate(end_byte)
                file.sync()
            finally:
                file.close()

    def _latest_from_segments(self) -> None:
        """Find the latest readings in the sealed part: once, when the file that remembers them is lost."""
        _LOGGER.warning("%s: the file of latest readings is lost; reading all segments", self.root)
        for segment in self.catalogue.view.segments:
            if segment.bytes:
                reader = self.catalogue.readers.readings(segment)
                for group in range(len(reader.group_rows)):
                    for batch in reader.groups([group]):
                        self._latest.fold(batch)

    def _new_recent(self, log_number: int) -> Recent:
        recent = Recent(log_number, self.params.roll_rows + self.params.group_rows)
        self.catalogue.begin_recent(recent)
        return recent

    def _keep(self, batch: Batch) -> None:
        self._recent.add(batch)
        self._latest.fold(batch)

    def _rolled(self, number: int) -> None:
        full = self._recent
        full.log_number = number
        self._recent = self._new_recent(number + 1)
        self._hand_over(full)

    def _hand_over(self, recent: Recent) -> None:
        with self._sealing:
            self._waiting_seals += 1
        self._to_seal.put(recent)

    def _seal_waiting(self) -> None:
        while self._waiting_seals:
            recent = self._to_seal.get()
            assert recent is not None
            self.upkeep.seal(recent)
            self._waiting_seals -= 1

    def _seal_forever(self) -> None:
        while (recent := self._to_seal.get()) is not None:
            while not self._try("sealing", partial(self.upkeep.seal, recent)):
                if self.upkeep.stopping.wait(_RETRY_S):
                    return
            # It would stay in memory until the next one is full.
            del recent
            give_back()
            with self._sealing:
                self._waiting_seals -= 1
                self._sealing.notify_all()
            self._merge_now.set()
            if self.upkeep.stopping.is_set():
                return

    def _merge_forever(self) -> None:
        expire_at_ms = 0
        while not self.upkeep.stopping.is_set():
            self._merge_now.wait(60.0)
            self._merge_now.clear()
            now_ms = time.time_ns() // 1_000_000
            if not self._try("merging", partial(self.merge, now_ms)):
                self.upkeep.stopping.wait(_RETRY_S)
            give_back()
            if self._retention is not None and now_ms >= expire_at_ms:
                self._try("expiring", partial(self.expire, self._retention, now_ms))
                expire_at_ms = now_ms + _EXPIRE_EVERY_MS

    def _try(self, what: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:
            # The readings are safe in the log, whatever went wrong; a full disk may have room again later.
            known = isinstance(error, OSError)
            _LOGGER.warning("%s: %s failed, tried again soon: %s", self.root, what, error, exc_info=not known)
            return False
        return True


_EVER = clip_instants(-(2**63), 2**63)


def _take(root: Path, disk: Disk) -> int:
    """Make the directory where it is new, check its format, and hold it against other processes."""
    root.mkdir(parents=True, exist_ok=True)
    present = False
    if (root / "FORMAT").exists():
        present = check_format(root)
    elif strange := sorted({path.name for path in root.iterdir()} - {"LOCK", "FORMAT.new", "log", "sealed"}):
        raise StoreError(f"{root}: is no store of readings, yet holds {strange[0]!r}; name an empty or a new folder.")
    descriptor = os.open(root / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in ("log", "sealed"):
            (root / name).mkdir(exist_ok=True)
        disk.sync_folder(root)
        if not present:
            write_format(disk, root)
            disk.sync_folder(root.parent)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(f"{root}: another process holds these readings; stop it, or ask it instead.") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
