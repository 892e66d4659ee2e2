"""The audit log: an unbroken chain, and every way to break it seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.cli.audit import command
from cityloop.kernel.errors import StoreError
from cityloop.storage.audit_log import AUDIT_FILE, AuditLog, verify_audit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = AuditLog(tmp_path)
    for number in range(5):
        log.append(1000 + number, "anna", ("operator",), "holds.place", str(number), "done", {"stage": number})
    log.close()
    return tmp_path


def test_an_untouched_log_is_whole(folder: Path) -> None:
    """Five entries, each chained to the one before."""
    found = verify_audit(folder)
    assert (found.ok, found.entries, found.fault) == (True, 5, "")


def test_a_log_goes_on_where_it_ended(folder: Path) -> None:
    """Opened again, the chain is carried on."""
    log = AuditLog(folder)
    entry = log.append(2000, "ben", ("engineer",), "ladder.set", "signals", "done", {})
    log.close()
    assert entry.seq == 6
    assert verify_audit(folder).entries == 6


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda lines: [*lines[:2], lines[2].replace("anna", "otto"), *lines[3:]], "changed since"),
        (lambda lines: [*lines[:2], *lines[3:]], "does not follow"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "does not follow"),
        (lambda lines: lines[:3], "but 5 were written"),
        (lambda lines: [*lines[:4], "{}"], "not a whole entry"),
        (lambda lines: [*lines[:4], "[1]"], "not a whole entry"),
    ],
)
def test_every_harm_is_seen(folder: Path, harm: object, fault: str) -> None:
    """Changed, taken out, moved, cut off, replaced."""
    path = folder / AUDIT_FILE
    assert callable(harm)
    path.write_text("\n".join(harm(path.read_text().splitlines())) + "\n")
    found = verify_audit(folder)
    assert not found.ok
    assert fault in found.fault
    assert CliRunner().invoke(command, ["verify", str(folder)]).exit_code == 1


def test_a_last_line_that_was_never_finished_is_dropped(folder: Path) -> None:
    """A crash in the middle of a line loses an act that nobody was answered for, and no other."""
    with (folder / AUDIT_FILE).open("a") as stream:
        stream.write('{"seq": 6, "at')
    log = AuditLog(folder)
    assert log.torn == len('{"seq": 6, "at')
    log.close()
    assert verify_audit(folder).entries == 5


def test_a_log_written_anew_is_seen_by_the_head_kept_elsewhere(folder: Path) -> None:
    """A whole new chain passes by itself, and not against a head that somebody noted."""
    noted = verify_audit(folder).head
    runner = CliRunner()
    assert runner.invoke(command, ["verify", str(folder), "--head", noted]).exit_code == 0
    (folder / AUDIT_FILE).unlink()
    (folder / "audit.head").unlink()
    log = AuditLog(folder)
    log.append(1, "otto", (), "holds.place", "", "done", {})
    log.close()
    assert runner.invoke(command, ["verify", str(folder)]).exit_code == 0
    assert runner.invoke(command, ["verify", str(folder), "--head", noted]).exit_code == 1


def test_verify_says_what_it_found(folder: Path) -> None:
    """One object as the last line, for programs."""
    result = CliRunner().invoke(command, ["verify", str(folder), "--json"])
    assert json.loads(result.output.splitlines()[-1])["entries"] == 5


def test_a_folder_without_a_log_is_told(tmp_path: Path) -> None:
    """One line that names the file."""
    with pytest.raises(StoreError, match=r"audit\.jsonl: no audit log"):
        verify_audit(tmp_path)
