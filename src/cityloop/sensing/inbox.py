"""The only way in for readings, whatever they came by: limits, quality, live state, then the log, then the answer.

``submit`` returns at once; ``done`` is told from another thread when the readings would survive a power cut. Memory is
bounded by the rows that wait for that. Control traffic (``DataKind.CONTROL``) passes every limit of ours, as
``admission`` tells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cityloop.kernel.batch import Batch, empty_batch
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import InputError
from cityloop.kernel.quarantine import QUARANTINED, DeadLetter, DeadLetters, Fault
from cityloop.kernel.readings import Done, Overloaded, Readings, StreamTable
from cityloop.sensing.admission import Admission, Parted
from cityloop.sensing.drain import Drain
from cityloop.sensing.known import ANY_DEVICE, Known
from cityloop.sensing.letters import letters_of_messages, letters_of_names, letters_of_rows
from cityloop.sensing.live import LiveState
from cityloop.sensing.offers import Limits, Offer, Taken, join, pick_rows, plain_batch, shares_of
from cityloop.sensing.pending import Both, Pending
from cityloop.sensing.quality import QualityParams, Watch, judge
from cityloop.wire.arrow import ArrowPack
from cityloop.wire.named import NamedReadings

__all__ = ["Inbox", "Limits", "Offer", "Taken"]


class Inbox:
    """Owns the way from any edge to live state and log."""

    def __init__(
        self,
        readings: Readings,
        streams: StreamTable,
        live: LiveState,
        *,
        now_ms: Callable[[], int],
        limits: Limits | None = None,
        quality: QualityParams | None = None,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.live = live
        self.watch = Watch(quality)
        self.known = Known(streams, self.watch)
        self.readings = readings
        self.dead_letters = dead_letters
        self.now_ms = now_ms
        self.refused_rows = 0
        """Readings refused because more was offered than is taken."""
        self.submitted_rows = 0
        self.letters_not_kept = 0
        self.pending = Pending()
        self._admission = Admission(self.limits, self.watch, self.pending)
        self._lock = threading.RLock()
        self._letters_second = -1
        self._letters_in_second = 0
        self._drain = Drain(self.limits.drain_rows)
        live.grow(len(streams))
        # Compiled before anybody waits for it.
        judge(empty_batch(), np.array([ANY_DEVICE], np.int32), self.watch, live, 0)

    def submit(self, batch: Batch, *, device: str, done: Done) -> Taken:
        """Take a batch of one device, whole or not at all; its control traffic, whatever becomes of the rest.

        Parameters
        ----------
        batch
            ``received_at_ms`` and ``quality`` are set here; ``observed_at_ms`` may be ``NO_INSTANT``.
        device
            Who sends; only its own streams are taken. Empty: the server itself or an administrator.

        Raises
        ------
        Overloaded
            When the batch is over the device's share or too much waits for the disk; ``done`` is then not called. Where
            its control traffic is taken all the same ``done`` is told this once that is safe.
        """
        self.known.refresh_if_grown()
        now_ms = self.now_ms()
        number = self.known.device(device)
        with self._lock:
            return self._take_own(batch, number, now_ms, done, ())

    def submit_mixed(self, batch: Batch, devices: I32, *, done: Done) -> Taken:
        """Take a batch of rows of many devices, as ``Known.device`` counts them; some rows may be refused."""
        self.known.refresh_if_grown()
        now_ms = self.now_ms()
        with self._lock:
            refused = self._admission.rows(batch.stream, devices, now_ms)
            if refused is not None and refused.any():
                self.refused_rows += int(np.count_nonzero(refused))
                rows = np.flatnonzero(~refused)
                batch, devices = pick_rows(batch, rows), devices[rows]
            else:
                refused = None
            taken = self._take(batch, devices, now_ms, done, ())
        return Taken(
            stored=taken.stored,
            suspect=taken.suspect,
            late=taken.late,
            duplicate=taken.duplicate,
            quarantined=taken.quarantined,
            letters=taken.letters,
            fault=taken.fault,
            refused=refused,
        )

    def submit_many(self, offers: Sequence[Offer], *, done: Done) -> list[Taken | Overloaded]:
        """Take what several devices sent in one pass, each offer whole or not at all; ``done`` is told for all.

        Nobody is to be told before that. ``done`` is not called when every offer is refused.
        """
        self.known.refresh_if_grown()
        now_ms = self.now_ms()
        with self._lock:
            found: list[Taken | Overloaded] = []
            admitted: list[Offer] = []
            parted: list[Overloaded | None] = []
            rows = 0
            for offer in offers:
                try:
                    part = self._admit(offer.batch, offer.device, now_ms, ahead=rows)
                except Overloaded as error:
                    found.append(error)
                    continue
                kept = offer.batch if part is None else pick_rows(offer.batch, np.flatnonzero(~part.refused))
                rows += len(kept)
                admitted.append(Offer(kept, offer.device))
                parted.append(None if part is None else part.why)
                found.append(_LATER)
            if not admitted:
                return found
            sizes = [len(offer.batch) for offer in admitted]
            devices = np.array([offer.device for offer in admitted], np.int32)
            batch = plain_batch(
                join([offer.batch.stream for offer in admitted], np.int32),
                join([offer.batch.observed_at_ms for offer in admitted], np.int64),
                join([offer.batch.value for offer in admitted], np.float64),
            )
            writer = devices[:1] if (devices == devices[0]).all() else np.repeat(devices, sizes)
            shares = shares_of(self._take(batch, writer, now_ms, done, ()), sizes)
            if any(parted):
                shares = [replace(share, over=over) for share, over in zip(shares, parted, strict=True)]
            parts = iter(shares)
        return [next(parts) if part is _LATER else part for part in found]

    def submit_named(self, named: NamedReadings, *, device: str, done: Done) -> Taken:
        """Take readings of streams by name; unknown names and wrong units are set aside with the reason."""
        rows = self.known.rows_of(named.names)
        now_ms = self.now_ms()
        value = named.value
        wrong_unit: list[int] = []
        if named.units is not None:
            value, wrong_unit = self.known.convert(rows, named.value, named.units)
        letters = letters_of_messages(named.refused, device, now_ms)
        bad = rows < 0
        bad[wrong_unit] = True
        if bad.any():
            letters += letters_of_names(named, np.flatnonzero(bad), set(wrong_unit), self.known, device, now_ms)
            good = np.flatnonzero(~bad)
            batch = plain_batch(rows[good], named.observed_at_ms[good], value[good])
        else:
            batch = plain_batch(rows, named.observed_at_ms, value)
        number = self.known.device(device)
        with self._lock:
            return self._take_own(batch, number, now_ms, done, letters)

    def submit_packs(self, packs: Sequence[ArrowPack], *, device: str, done: Done) -> Taken:
        """Take the Arrow packs of one message, together."""
        rows = [self.known.rows_of_pack(pack) for pack in packs]
        observed = [pack.observed_at_ms for pack in packs]
        value = [pack.value for pack in packs]
        plain = all(pack.units is None for pack in packs)
        if plain and not any(pack.names is not None and (r < 0).any() for pack, r in zip(packs, rows, strict=True)):
            batch = plain_batch(join(rows, np.int32), join(observed, np.int64), join(value, np.float64))
            return self.submit(batch, device=device, done=done)
        names: list[str] = []
        units: list[str] = []
        for pack, of in zip(packs, rows, strict=True):
            if pack.names is None:
                names += [self._name_of(row) for row in of.tolist()]
            else:
                told = pack.names.to_pylist()
                names += told if pack.codes is None else [told[code] for code in pack.codes.tolist()]
            units += pack.units or [""] * len(of)
        named = NamedReadings(names, join(observed, np.int64), join(value, np.float64), units)
        return self.submit_named(named, device=device, done=done)

    def set_aside(self, raw: bytes, why: str, *, device: str) -> None:
        """Keep the begin of a message that could not be read, where nobody can be told."""
        letter = DeadLetter(
            fault=Fault.UNREADABLE, device=device, received_at_ms=self.now_ms(), raw=raw[:4096], why=why
        )
        self.watch.counts[Fault.UNREADABLE.bit_length() - 1] += 1
        self._keep_letters([letter], letter.received_at_ms, None)

    def admit_again(self, numbers: Sequence[int], done: Done) -> Taken:
        """Submit dead letters anew, those that name a stream; they leave the store once they are synced elsewhere."""
        if self.dead_letters is None:
            raise InputError("no dead-letter store is set up")
        wanted = set(numbers)
        first = min(wanted, default=1)
        letters = [
            found
            for found in self.dead_letters.read(after=first - 1, limit=max(wanted, default=1) - first + 1)
            if found.number in wanted and found.stream
        ]
        store = self.dead_letters

        def told(error: Exception | None) -> None:
            if error is None:
                store.remove([letter.number for letter in letters])
            done(error)

        named = NamedReadings(
            [letter.stream for letter in letters],
            np.array([letter.observed_at_ms for letter in letters], np.int64),
            np.array([letter.value for letter in letters], np.float64),
        )
        return self.submit_named(named, device="", done=told)

    def keep_for_drain(self, streams: I32 | None) -> None:
        """Keep readings of some streams, or of all, for ``drain``."""
        with self._lock:
            self._drain.keep(streams)

    def drain(self, until_ms: int) -> Batch:
        """Return and forget what was kept and received up to an instant, in order of arrival."""
        with self._lock:
            return self._drain.take(until_ms)

    def _admit(self, batch: Batch, device: int, now_ms: int, extra: int = 0, ahead: int = 0) -> Parted | None:
        """Let a device's pack in, whole (None) or its control traffic alone, or refuse it."""
        if device < 0:
            return None
        try:
            part = self._admission.pack(batch.stream, device, now_ms, extra=extra, ahead=ahead)
        except Overloaded:
            self.refused_rows += len(batch) + extra
            raise
        if part is not None:
            self.refused_rows += int(np.count_nonzero(part.refused)) + extra
        return part

    def _take_own(self, batch: Batch, device: int, now_ms: int, done: Done, letters: Sequence[DeadLetter]) -> Taken:
        """Take what is let in of a device's pack, and tell of the rest once that is safe."""
        writer = np.array([device], np.int32)
        part = self._admit(batch, device, now_ms, extra=len(letters))
        if part is None:
            return self._take(batch, writer, now_ms, done, letters)

        def told(error: Exception | None) -> None:
            done(error or part.why)

        return self._take(pick_rows(batch, np.flatnonzero(~part.refused)), writer, now_ms, told, ())

    def _take(self, batch: Batch, writer: I32, now_ms: int, done: Done, letters: Sequence[DeadLetter]) -> Taken:
        judged = judge(batch, writer, self.watch, self.live, now_ms)
        kept = judged.kept
        self.submitted_rows += len(batch)
        if judged.made_live:
            self.live.tell(kept.stream)
            self._drain.add(kept)
        for letter in letters:
            self.watch.counts[letter.fault.bit_length() - 1] += 1
        quarantined = len(letters) + judged.count(QUARANTINED)
        if quarantined > len(letters):
            letters = [*letters, *letters_of_rows(batch, judged, writer, self.known, now_ms)]
        duplicate = judged.count(Fault.DUPLICATE)
        self._store(kept, now_ms, done, letters, duplicates=duplicate > 0)
        return Taken(
            stored=len(kept),
            suspect=int(np.count_nonzero(kept.quality)),
            late=judged.count(Fault.LATE),
            duplicate=duplicate,
            quarantined=quarantined,
            received_at_ms=now_ms,
            letters=letters,
            fault=judged.fault,
        )

    def _store(self, kept: Batch, now_ms: int, done: Done, letters: Sequence[DeadLetter], *, duplicates: bool) -> None:
        """Append to the log and to the dead letters, and tell when all is safe."""
        letters = letters if self.dead_letters is not None else self._lose(letters)
        parts = bool(len(kept)) + bool(letters) + duplicates
        if not parts:
            done(None)
            return
        told = done if parts == 1 else Both(done, parts).part
        if duplicates:
            # The first of the two may still be on its way to the disk: until it is there nothing may be acknowledged.
            self.pending.after_earlier(told)
        if len(kept):
            number = self.pending.begin(len(kept))

            def synced(error: Exception | None) -> None:
                if error is not None:
                    self._forget_marks(kept.stream)
                self.pending.end(number, error)
                told(error)

            try:
                self.readings.append(kept, synced)
            except Exception as error:
                self._forget_marks(kept.stream)
                self.pending.end(number, error)
                self.refused_rows += len(kept)
                raise
        if letters:
            self._keep_letters(letters, now_ms, told)

    def _forget_marks(self, streams: I32) -> None:
        """Let what was not kept be sent again without its being taken for a duplicate."""
        with self.live.lock:
            self.watch.ring[streams] = 0

    def _lose(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        self.letters_not_kept += len(letters)
        return ()

    def _keep_letters(self, letters: Sequence[DeadLetter], now_ms: int, done: Done | None) -> None:
        if self.dead_letters is None:
            self._lose(letters)
            return
        if now_ms // 1000 != self._letters_second:
            self._letters_second, self._letters_in_second = now_ms // 1000, 0
        room = max(0, self.limits.letters_per_s - self._letters_in_second)
        self._letters_in_second += min(room, len(letters))
        self.letters_not_kept += max(0, len(letters) - room)
        if room:
            self.dead_letters.append(letters[:room], done or _nobody)
        elif done is not None:
            done(None)

    def _name_of(self, row: int) -> str:
        return self.known.streams.name_of(row) if 0 <= row < self.watch.streams else f"row {row}"


_LATER = Taken(stored=0)
"""Stands for an offer that was admitted and not judged yet."""


def _nobody(error: Exception | None) -> None:
    """Nobody waits for this."""
