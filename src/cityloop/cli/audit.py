"""``cityloop audit``: check the chain of the audit log."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]


@click.group(name="audit")
def command() -> None:
    """Check what people did with a city that cityloop serves."""


@command.command(name="verify")
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
@click.option("--head", metavar="HASH", help="The head noted earlier: the entry must still be in the chain.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def verify(data: Path, head: str | None, as_json: bool) -> None:
    """Check every entry of the audit log in DATA, the chain between them, and that none is missing at the end.

    Who can write the folder could write a whole new chain: keep the head that this prints somewhere else, and
    give it back with --head.

    \b
    Examples:
      cityloop audit verify room
      cityloop audit verify room --head 5f0c…
    """
    from cityloop.storage.audit_log import AUDIT_FILE, verify_audit

    found = verify_audit(data)
    fault = found.fault
    if found.ok and head is not None:
        with (data / AUDIT_FILE).open("rb") as lines:
            kept = any(json.loads(line)["hash"] == head for line in lines)
        if not kept:
            fault = f"{data / AUDIT_FILE}: no entry has the head {head}; the log was written anew"
    if not fault:
        click.echo(f"{found.entries} entries, chain whole, head {found.head}")
    if as_json:
        told = {"ok": not fault, "entries": found.entries, "head": found.head, "fault": fault or None}
        click.echo(json.dumps(told, separators=(",", ":")))
    if fault:
        raise click.ClickException(fault)
