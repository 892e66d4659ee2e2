"""``cityloop init``: make a city folder from a network."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)


class _Instant(click.ParamType[float]):
    """Seconds since midnight, or HH:MM, or HH:MM:SS."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since midnight."""
        from cityloop.cities.sumo.sumocfg import to_seconds

        try:
            return to_seconds(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; give seconds or HH:MM, for example 07:00", param, ctx)


@click.command(
    epilog="""\b
Examples:
  cityloop init mytown --net mytown.net.xml --routes mytown.rou.xml
  cityloop init mytown --net mytown.net.xml --counts counts.csv --zone Europe/Vienna
  cityloop init sketch --net mytown.net.xml --begin 07:00 --end 08:00
""",
    short_help="Make a city folder from a network.",
)
@click.argument("name")
@click.option("--net", "net_file", type=_FILE, required=True, help="SUMO network (.net.xml, may be .gz).")
@click.option("--routes", "route_files", type=_FILE, multiple=True, help="SUMO routes or trips; may repeat.")
@click.option("--counts", "counts_file", type=_FILE, help="Counts (edge,begin_s,end_s,count) to fit demand to.")
@click.option("--journeys", "journeys_file", type=_FILE, help="Journey times to compare a fitted demand with.")
@click.option("--begin", "begin_s", type=_Instant(), help="Begin of the city's hours.  [from the data]")
@click.option("--end", "end_s", type=_Instant(), help="End of the city's hours.  [from the data]")
@click.option("--zone", default="Europe/Berlin", show_default=True, help="IANA time zone.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of what is drawn.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make.  [NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    name: str,
    net_file: Path,
    route_files: tuple[Path, ...],
    counts_file: Path | None,
    journeys_file: Path | None,
    begin_s: float | None,
    end_s: float | None,
    zone: str,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make the city folder NAME from a network, whole or not at all.

    With --counts the demand is fitted to them at once, as cityloop calibrate does; with --routes it is what
    you give; with neither a demand is made up from --seed and labelled synthetic everywhere.
    """
    from cityloop.cli.calibrate import calibration_lines, calibration_outcome
    from cityloop.studies.init import InitRequest, make_city

    if journeys_file is not None and counts_file is None:
        raise click.UsageError("--journeys is compared with a fitted demand; give --counts too.")
    request = InitRequest(
        name=name,
        net_file=net_file,
        route_files=route_files,
        counts_file=counts_file,
        journeys_file=journeys_file,
        begin_s=begin_s,
        end_s=end_s,
        zone=zone,
        out=out,
        seed=seed,
    )
    made = make_city(request, lambda line: click.echo(line, err=True))
    click.echo(f"{made.folder}: {made.signals} signals, {made.begin_s:g}-{made.end_s:g} s, {made.label}")
    if made.calibration is not None:
        for line in calibration_lines(made.calibration):
            click.echo(line)
    elif made.vehicles is not None:
        click.echo(f"{made.vehicles} vehicles made up with seed {seed}; fit them with cityloop calibrate")
    click.echo(f"next: cityloop run {made.folder} --control shipped --out run")
    if as_json:
        import orjson

        outcome = {
            "city_dir": str(made.folder),
            "signals": made.signals,
            "begin_s": made.begin_s,
            "end_s": made.end_s,
            "label": made.label,
            "vehicles": made.vehicles,
            "calibration": calibration_outcome(made.calibration) if made.calibration else None,
        }
        click.echo(orjson.dumps(outcome).decode())
