"""Check metadata databases against a record: ``python -m cityloop.storage.proofs.metadata_checker DB RECORD ...``.

This program shares no code with the store and reads through Python's own SQLite, another one than the store's. The
record has a line for every group of streams offered (``offered GROUP COUNT``) and one for every group acknowledged
(``acknowledged GROUP``); a stream is named ``GROUP-PLACE``. It prints one line and exits with 1 when a database is not
sound, an acknowledged group is missing, a group is there in part, or something is there that was never offered.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

__all__ = ["check", "main"]


def main(arguments: list[str]) -> int:
    """Check, print one line, and return the exit code."""
    faults = groups = 0
    for database, record in zip(arguments[0::2], arguments[1::2], strict=True):
        found, acknowledged = check(Path(database), Path(record))
        for fault in found[:10]:
            print(f"{database}: {fault}")
        faults, groups = faults + len(found), groups + acknowledged
    print(f"{faults} faults in {groups} acknowledged groups of streams")
    return 1 if faults else 0


def check(database: Path, record: Path) -> tuple[list[str], int]:
    """Return the faults found, and the number of acknowledged groups."""
    offered: dict[int, int] = {}
    acknowledged: set[int] = set()
    for line in record.read_text(encoding="ascii").splitlines():
        word, *numbers = line.split()
        if word == "offered":
            offered[int(numbers[0])] = int(numbers[1])
        else:
            acknowledged.add(int(numbers[0]))
    try:
        with closing(sqlite3.connect(database)) as connection:
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            names = [row[0] for row in connection.execute("SELECT external_name FROM datastreams")]
            spans = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
    except sqlite3.Error as error:
        return [f"cannot be read: {error}"], len(acknowledged)
    stored = Counter(int(name.partition("-")[0]) for name in names)
    faults = [f"integrity: {line}" for line in sound if line != "ok"]
    faults += [f"group {group}: acknowledged, yet missing" for group in sorted(acknowledged - stored.keys())]
    faults += [
        f"group {group}: {count} streams stored, {offered.get(group, 0)} offered"
        for group, count in stored.items()
        if count != offered.get(group)
    ]
    if spans != len(names):
        faults.append(f"{spans} spans of {len(names)} streams: what belongs together is not there together")
    return faults, len(acknowledged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
