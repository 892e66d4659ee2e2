"""``cityloop sheet``: the printable fallback sheet of a city's emergency service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cityloop.studies.emergency_sheet import Sheet

__all__ = ["command"]


@click.command(name="sheet")
@click.argument("city")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it: a page to print, or plain text when the name ends in .txt.",
)
def command(city: str, out: Path) -> None:
    """Write what dispatchers work by when everything is down: the nearest stations for every square of the map.

    CITY is a city with an emergency service, or a JEMSS city folder. Print it before it is needed.

    \b
    Examples:
      cityloop sheet adlershof --out fallback.html
      cityloop sheet edmonton --out fallback.txt
    """
    from datetime import UTC, datetime

    from cityloop.kernel.errors import StoreError
    from cityloop.studies.emergency_sheet_page import page_of, text_of

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    sheet = _sheet(city)
    content = text_of(sheet, made) if out.suffix == ".txt" else page_of(sheet, made)
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error}).") from error
    click.echo(f"{out}: {len(sheet.stations)} stations, {len(sheet.squares)} squares")


def _sheet(city: str) -> Sheet:
    from cityloop.cities.events.jemss import is_jemss
    from cityloop.studies.emergency_sheet import sheet_of_layout, sheet_of_world
    from cityloop.studies.emergency_world import make_world, open_case

    folder = Path(city)
    if folder.is_dir() and is_jemss(folder):
        return sheet_of_world(make_world(open_case(folder)))
    from cityloop.cities.sumo.fleet_assets import with_fleet
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.network import read_network

    case = resolve_city(city)
    return sheet_of_layout(city, with_fleet(read_network(case.net_file), case).layout)
