"""``cityloop locate``: where stations should be and units should start, with proven gaps."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="locate")
@click.argument("city", type=click.Path(path_type=Path))
@click.option("--stations", type=click.IntRange(min=1), metavar="N", help="In all. [default: as shipped]")
@click.option("--units", type=click.IntRange(min=1), metavar="N", help="In all. [default: as shipped]")
@click.option("--keep", is_flag=True, help="Leave shipped stations and units where they are; choose what is added.")
@click.option(
    "--within-min",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Drive within which a call counts as covered. [default: 8]",
)
@click.option("--nodes", type=click.IntRange(min=1), default=500, show_default=True, help="Most nodes of each search.")
@click.option("--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Places too.")
def command(
    city: Path,
    stations: int | None,
    units: int | None,
    keep: bool,
    within_min: float | None,
    nodes: int,
    json_out: Path | None,
) -> None:
    """Place stations and units by p-median, maximal covering and maximal expected covering, and prove how good it is.

    CITY is a JEMSS city folder. Sites are its stations and a node in every demand zone; what is shipped is weighed
    beside each answer. Drives are with lights and siren on free roads: it ranks places, it promises no response.

    \b
    Examples:
      cityloop locate edmonton
      cityloop locate edmonton --stations 18 --units 17 --keep --json one-more.json
    """
    from cityloop.studies.emergency_location import Question, locate, location_lines, write_location
    from cityloop.studies.emergency_world import make_world, open_case

    question = Question(stations=stations, units=units, keep=keep, within_min=within_min, nodes=nodes)
    answers = locate(make_world(open_case(city)), question)
    for line in location_lines(answers):
        click.echo(line)
    if json_out is not None:
        write_location(json_out, answers)
