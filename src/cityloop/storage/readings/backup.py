"""Backup of a running store, and restore: sealed files by link, the log up to a synced point, databases by copy."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.disk import RealDisk
from cityloop.storage.readings.frames import FILE_HEAD_BYTES, read_live_log
from cityloop.storage.readings.integrity import Integrity, check_integrity
from cityloop.storage.readings.manifest import Manifest, check_format, read_manifest, write_manifest

__all__ = ["back_up", "back_up_others", "refuse_if_filled", "restore"]

_TRIES = 50
_PASSING = (".lock", ".sock", ".new", "-wal", "-shm", "-journal")
"""Endings of files that mean something to a running server alone, or that belong to a database."""


def back_up(data: Path, target: Path) -> Integrity:
    """Copy a data folder to a new one, its server running or not; everything acknowledged before is in it.

    The readings come first and the databases after them, so that no reading is without its stream.

    Returns
    -------
    Integrity
        What a check of the backup found.
    """
    readings = data / "readings"
    if not (readings / "FORMAT").is_file():
        raise StoreError(f"{readings}: is no store of readings; name the folder that a server was given with --data.")
    check_format(readings)
    refuse_if_filled(target)
    target.mkdir(parents=True, exist_ok=True)
    # Beside the live files, because a hard link cannot leave its file system.
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=data) as staged:
        manifest = _stage(readings, Path(staged))
        _carry(Path(staged), target / "readings", manifest)
    shutil.copy2(readings / "FORMAT", target / "readings" / "FORMAT")
    for database in sorted(data.glob("*.sqlite")):
        _copy_database(database, target / database.name)
    _sync_tree(target)
    return check_integrity(target / "readings")


def back_up_others(data: Path, target: Path, *, besides: Path) -> None:
    """Copy what else a running server keeps in its folder: databases through SQLite, all other files as they are."""
    for path in sorted(data.rglob("*")):
        inside = besides in path.parents or any(part.startswith(".backup-") for part in path.parts)
        if inside or not path.is_file() or path.name.endswith(_PASSING) or path.name == "LOCK":
            continue
        place = target / path.relative_to(data)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".sqlite":
            _copy_database(path, place)
        else:
            shutil.copy2(path, place)
    _sync_tree(target)


def restore(backup: Path, data: Path, *, readings: Path = Path("readings")) -> Integrity:
    """Make a data folder from a backup; refused when the backup is damaged or the folder is not empty."""
    if not (backup / readings / "FORMAT").is_file():
        raise StoreError(f"{backup}: is no backup; name the folder that 'cityloop data backup' wrote.")
    refuse_if_filled(data)
    found = check_integrity(backup / readings)
    if found.faults:
        raise StoreError(f"{found.faults[0]}; the backup is damaged, nothing was restored.")
    shutil.copytree(backup, data, dirs_exist_ok=True)
    _sync_tree(data)
    return found


def refuse_if_filled(folder: Path) -> None:
    """Refuse a folder that holds anything, before it is written to."""
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{folder}: is not empty; name a new folder.")


def _stage(readings: Path, staged: Path) -> Manifest:
    """Link the files of one state of the store, and return that state's manifest."""
    for _ in range(_TRIES):
        manifest = read_manifest(readings)
        for folder in ("log", "sealed"):
            shutil.rmtree(staged / folder, ignore_errors=True)
            (staged / folder).mkdir()
        try:
            for path in (readings / "log").glob("*.log"):
                if int(path.stem) > manifest.sealed_through:
                    os.link(path, staged / "log" / path.name)
            names = [name for segment in manifest.segments for name in segment.file_names]
            if manifest.latest_number:
                names.append(f"{manifest.latest_number:08d}.latest")
            for name in names:
                os.link(readings / "sealed" / name, staged / "sealed" / name)
        except FileNotFoundError:
            time.sleep(0.01)
            continue
        # Log files are removed only behind a change of the manifest: none means that all of them were there.
        if read_manifest(readings) == manifest:
            return manifest
    raise StoreError(f"{readings}: changed {_TRIES} times while it was linked; back up again when less comes in.")


def _carry(staged: Path, target: Path, manifest: Manifest) -> None:
    (target / "sealed").mkdir(parents=True)
    (target / "log").mkdir()
    for path in sorted((staged / "sealed").iterdir()):
        try:
            # Sealed files never change, so that on one file system a link is as good as a copy.
            os.link(path, target / "sealed" / path.name)
        except OSError:
            shutil.copy2(path, target / "sealed" / path.name)
    for path in sorted((staged / "log").iterdir()):
        held = read_live_log(path)
        if held.end_byte > FILE_HEAD_BYTES:
            with path.open("rb") as log:
                (target / "log" / path.name).write_bytes(log.read(held.end_byte))
    write_manifest(RealDisk(), target, manifest)


def _copy_database(source: Path, target: Path) -> None:
    import apsw

    live = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", live, "main") as backup:
            while not backup.done:
                backup.step(1_000)
        # The copy is at rest: one file, no log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
        live.close()


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    RealDisk().sync_folder(folder)
