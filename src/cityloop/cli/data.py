"""``cityloop data``: query, export, check, back up and expire stored readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_DATA = click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
_STREAM = click.option("--stream", "streams", multiple=True, metavar="NAME|ROW", help="A stream; may be repeated.")
_BEGIN = click.option("--begin", metavar="TIME", help="From here: ISO 8601, UTC unless it names another zone.")
_END = click.option("--end", metavar="TIME", help="Up to here, not included.")
_ROLLUPS = click.option("--rollups", is_flag=True, help="5-minute roll-ups instead of readings.")


@click.group(name="data")
def command() -> None:
    """Query, export, check and back up what a server keeps; all but 'retention' work while it runs.

    DATA is the folder that 'cityloop serve' was given with --data.
    """


@command.command()
@_DATA
@_STREAM
@_BEGIN
@_END
@_ROLLUPS
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many rows.")
@click.option("--newest", is_flag=True, help="The newest of each stream first.")
@click.option("--sql", metavar="STATEMENT", help="A statement of SQL over the tables readings and streams instead.")
def query(
    data: Path,
    streams: tuple[str, ...],
    begin: str | None,
    end: str | None,
    rollups: bool,
    limit: int,
    newest: bool,
    sql: str | None,
) -> None:
    """Show stored readings as CSV.

    \b
    Examples:
      cityloop data query runs/live --stream bin-17-fill --newest --limit 5
      cityloop data query runs/live --rollups --stream 12 --begin 2026-05-01
      cityloop data query runs/live --sql "select stream, count(*) from readings group by all"
    """
    from cityloop.app.stored import Stored

    stored = Stored(data)
    if sql is not None:
        table = stored.sql(sql)
    else:
        table = stored.table(streams, begin, end, rollups=rollups, limit=limit, newest_first=newest)
    click.echo(stored.csv(table, limit), nl=False)


@command.command()
@_DATA
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@_STREAM
@_BEGIN
@_END
@_ROLLUPS
def export(data: Path, out: Path, streams: tuple[str, ...], begin: str | None, end: str | None, rollups: bool) -> None:
    """Write stored readings to a file: Parquet or CSV, by its ending.

    \b
    Examples:
      cityloop data export runs/live may.parquet --begin 2026-05-01 --end 2026-06-01
      cityloop data export runs/live fill.csv --stream bin-17-fill --rollups
    """
    from cityloop.app.stored import Stored

    stored = Stored(data)
    table = stored.table(streams, begin, end, rollups=rollups)
    stored.write(table, out)
    click.echo(f"{table.num_rows} rows written to {out}")


@command.command()
@_DATA
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@click.option(
    "--salvage", is_flag=True, help="First keep what can be read of damaged log files; stop the server before."
)
def check(data: Path, as_json: bool, salvage: bool) -> None:
    """Check checksums, order, counts and roll-ups; exit with 1 when anything is wrong."""
    import msgspec

    from cityloop.app.stored import check_data, salvage_data

    if salvage:
        click.echo(f"{salvage_data(data)} damaged log files; what could be read of them is kept")

    found = check_data(data, lambda text: click.echo(text, err=True))
    for fault in found.faults:
        click.echo(fault, err=True)
    click.echo(_told(found))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    if found.faults:
        raise click.ClickException(f"{len(found.faults)} faults; restore the folder from a backup")


@command.command()
@_DATA
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
def backup(data: Path, target: Path) -> None:
    """Back up a data folder, its server running or not, to a new folder, and check that.

    On one file system sealed files are linked and take no room; for another disk name a folder there.
    """
    from cityloop.app.stored import back_up_data

    click.echo(_told(back_up_data(data, target)))


@command.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
def restore(saved: Path, data: Path) -> None:
    """Make a new data folder DATA from a backup SAVED, after checking it."""
    from cityloop.app.stored import restore_data

    click.echo(_told(restore_data(saved, data)))


@command.command()
@_DATA
@click.option(
    "--keep", "keeps", multiple=True, metavar="KIND=SPAN[/SPAN]", help="How long; with / another span for roll-ups."
)
@click.option("--show", is_flag=True, help="Show the policy and stop.")
def retention(data: Path, keeps: tuple[str, ...], show: bool) -> None:
    """Delete what is older than its kind of data is kept, now; a running server does so by itself once an hour.

    \b
    Examples:
      cityloop data retention runs/live --show
      cityloop data retention runs/live --keep person_position=12h --keep measurement=1y/10y
    """
    from cityloop.app.stored import expire_data, policy_of

    policy = policy_of(keeps)
    if show:
        for kind, keep in policy.items():
            days = f"readings {keep.readings_s / 86_400:g} days, roll-ups {keep.rollups_s / 86_400:g} days"
            click.echo(f"{kind.name.lower()}: {days}")
        return
    click.echo(f"{expire_data(data, policy)} readings deleted")


def _told(found: Any) -> str:
    kept = f"{found.sealed_readings} readings in {found.segments} segments, {found.logged_readings} in the log"
    return f"{kept}, {found.bins} roll-ups: {'whole' if not found.faults else f'{len(found.faults)} faults'}"
