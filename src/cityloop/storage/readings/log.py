"""The durable log: one thread, group commit, and callbacks only after the sync.

Batches queue up; the thread takes what waits, writes it as one frame, syncs, and then tells every sender of the group.
A group begins at once when the log is idle, and at the latest ``interval_s`` after the one before. A full disk refuses
the group and nothing else: the next group tries again, so that the log recovers by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.errors import InputError, StoreError
from cityloop.kernel.readings import Done, Overloaded
from cityloop.storage.readings.disk import Disk, DiskFile, failure
from cityloop.storage.readings.frames import FILE_HEAD_BYTES, file_head, frame
from cityloop.storage.readings.params import StoreParams

__all__ = ["Log", "log_path"]

_LOGGER = logging.getLogger(__name__)


def log_path(folder: Path, number: int) -> Path:
    """Return where the log file with this number lies."""
    return folder / f"{number:08d}.log"


class Log:
    """Owns the log's open file, its queue and its thread.

    Parameters
    ----------
    folder
        Where the log files lie.
    number
        Of the first file to make.
    keep
        Told of each group once it is synced, from the log's thread, before its senders are.
    rolled
        Told a file's number once nothing more comes to it, from the log's thread.
    room
        How many more rows may be taken now.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        disk: Disk,
        params: StoreParams,
        *,
        keep: Callable[[Batch], None],
        rolled: Callable[[int], None],
        room: Callable[[], int],
    ) -> None:
        self._folder, self._disk, self._params = folder, disk, params
        self._keep, self._rolled, self._room = keep, rolled, room
        self._number = number
        self._file: DiskFile | None = None
        self._at_byte = 0
        self._frames = 0
        self._rows = 0
        self._since_s = 0.0
        self._queue: deque[tuple[Batch, Done]] = deque()
        self._queued_rows = 0
        self._wake = threading.Condition()
        self._closing = False
        self._roll_asked: list[threading.Event] = []
        self._last_begin_s = -1e9
        self.groups = 0
        """Group commits since the start."""
        self._thread = threading.Thread(target=self._run, name="readings-log", daemon=True)

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def append(self, batch: Batch, done: Done) -> None:
        """Queue a batch; see ``Readings.append``."""
        rows = len(batch)
        if rows > self._params.queue_rows:
            raise InputError(f"A batch of {rows} readings: at most {self._params.queue_rows}; split it.")
        with self._wake:
            if self._closing:
                raise StoreError("The readings store is closed; nothing more can be appended.")
            if self._queued_rows + rows > min(self._params.queue_rows, self._room()):
                raise Overloaded(
                    f"{self._queued_rows} readings wait for the disk already; send again later.", retry_after_s=1.0
                )
            self._queue.append((batch, done))
            self._queued_rows += rows
            if len(self._queue) == 1:
                self._wake.notify()

    @property
    def queued_rows(self) -> int:
        """Readings that wait for the disk."""
        return self._queued_rows

    def roll(self) -> None:
        """End the current file, once what was queued before is in it; returns when ``rolled`` was told."""
        asked = threading.Event()
        with self._wake:
            if self._closing:
                return
            self._roll_asked.append(asked)
            self._wake.notify()
        asked.wait()

    def close(self) -> None:
        """Write and sync what waits, and stop. Safe to call twice."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, asked, closing = self._next_group()
            if group:
                self._commit(group)
            for event in asked:
                self._roll()
                event.set()
            if closing and not group:
                break
        if self._file is not None:
            # Give back the room set aside; what it holds stays for the next start.
            self._file.truncate(self._at_byte)
            self._file.close()
            self._file = None

    def _next_group(self) -> tuple[list[tuple[Batch, Done]], list[threading.Event], bool]:
        """Wait until there is something to do and the time for it has come."""
        with self._wake:
            while not (self._queue or self._roll_asked or self._closing):
                self._wake.wait(self._roll_wait_s())
                if self._due():
                    break
            pause_s = self._last_begin_s + self._params.interval_s - time.monotonic()
            while pause_s > 0 and not self._closing and self._queued_rows < self._params.group_rows:
                self._wake.wait(pause_s)
                pause_s = self._last_begin_s + self._params.interval_s - time.monotonic()
            self._last_begin_s = time.monotonic()
            group: list[tuple[Batch, Done]] = []
            rows = 0
            while self._queue and (not group or rows + len(self._queue[0][0]) <= self._params.group_rows):
                group.append(self._queue.popleft())
                rows += len(group[-1][0])
            # A roll waits until everything that was queued before it is written.
            asked = [] if self._queue else self._roll_asked
            if asked:
                self._roll_asked = []
            return group, asked, self._closing

    def _roll_wait_s(self) -> float | None:
        """Return how long an idle file with rows may stay as it is; None for ever."""
        if not self._rows:
            return None
        return max(self._since_s + self._params.roll_s - time.monotonic(), 0.0)

    def _due(self) -> bool:
        if self._rows and time.monotonic() - self._since_s >= self._params.roll_s:
            self._roll_asked.append(threading.Event())
            return True
        return False

    def _commit(self, group: list[tuple[Batch, Done]]) -> None:
        batch = concat([queued for queued, _ in group])
        error: Exception | None = None
        try:
            self._write(batch)
        except OSError as problem:
            error = failure(problem, log_path(self._folder, self._number))
            self._abandon()
        # Only when safe on disk may anybody see the rows, and only then is the sender told.
        if error is None:
            self._keep(batch)
            self._rows += len(batch)
            self.groups += 1
        with self._wake:
            self._queued_rows -= len(batch)
        for _, done in group:
            try:
                done(error)
            except Exception:
                # One sender's fault must not stop the log for the others.
                _LOGGER.exception("A sender failed when it was told that its readings were kept or refused")
        if self._rows >= self._params.roll_rows or (self._rows and self._due_now()):
            self._roll()

    def _due_now(self) -> bool:
        return time.monotonic() - self._since_s >= self._params.roll_s

    def _write(self, batch: Batch) -> None:
        data = frame(self._frames, batch)
        if self._file is not None and self._at_byte + len(data) > self._params.log_file_bytes and self._frames:
            self._roll()
            data = frame(0, batch)
        if self._file is None:
            self._open(len(data))
            data = data if self._frames == 0 else frame(0, batch)
        assert self._file is not None
        self._file.write_at(data, self._at_byte)
        self._file.sync()
        self._at_byte += len(data)
        self._frames += 1

    def _open(self, least_bytes: int) -> None:
        path = log_path(self._folder, self._number)
        reserve_bytes = max(self._params.log_file_bytes, FILE_HEAD_BYTES + least_bytes)
        file = self._disk.create(path, reserve_bytes)
        try:
            file.write_at(file_head(self._number), 0)
            file.sync()
            self._disk.sync_folder(self._folder)
        except OSError:
            file.close()
            self._disk.unlink(path)
            raise
        self._file, self._at_byte, self._frames = file, FILE_HEAD_BYTES, 0
        self._rows, self._since_s = 0, time.monotonic()

    def _roll(self) -> None:
        """End the file; the next group begins another."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        number, self._number = self._number, self._number + 1
        self._frames = self._rows = 0
        self._rolled(number)

    def _abandon(self) -> None:
        """Leave a file whose last write or sync failed: nobody can tell what of it reached the disk.

        A file without an acknowledged frame is removed. Another is cut to what was acknowledged, where that still
        works; where it does not, refused rows may come back after a restart: kept whole, or not at all.
        """
        if self._file is None:
            return
        try:
            self._file.truncate(self._at_byte)
        except OSError as error:
            _LOGGER.warning("%s: cannot be cut to its whole frames: %s", log_path(self._folder, self._number), error)
        if self._rows:
            self._roll()
        else:
            self._file.close()
            self._file = None
            self._disk.unlink(log_path(self._folder, self._number))
            self._number += 1
