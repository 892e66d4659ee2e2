"""``cityloop bench signals``: measure controls over cities, seeds, scales and sensing levels."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="signals")
@click.option("--city", "cities", multiple=True, required=True, metavar="CITY", help="A city; may be repeated.")
@click.option("--control", default="fixed,brain", show_default=True, metavar="ARM,...", help="Controls, by comma.")
@click.option("--sensing", default="area:150", show_default=True, metavar="LEVEL,...", help="Sensing levels, by comma.")
@click.option("--seeds", default="10", show_default=True, metavar="N | A,B", help="How many seeds, or which, by comma.")
@click.option("--scale", default="1.0", show_default=True, metavar="F,...", help="Demand factors, by comma.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Results file."
)
@click.option("--walkable", is_flag=True, help="Give each city sidewalks, crossings and people first.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep runs, and go on.")
@click.option("--budget", type=click.IntRange(min=6), metavar="N", help="Training runs for each tuned arm.")
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin here, not as configured [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End here, not as configured [s].")
def command(
    cities: tuple[str, ...],
    control: str,
    sensing: str,
    seeds: str,
    scale: str,
    jobs: int,
    json_out: Path | None,
    walkable: bool,
    keep: Path | None,
    budget: int | None,
    begin_s: float | None,
    end_s: float | None,
) -> None:
    """Measure signal controls, paired over seeds, with the safety of the lamps beside every delay.

    Tuned arms are tuned first, on seeds that are not scored. With --keep a finished run is not run again.

    \b
    Examples:
      cityloop bench signals --city adlershof --control fixed-tuned,brain --seeds 10 --jobs 2 --json out.json
      cityloop bench signals --city a.sumocfg --city b.sumocfg --control fixed,brain --keep runs/bench
    """
    from cityloop.studies.bench import BenchSpec, bench_signals
    from cityloop.studies.matrix import parse_seeds
    from cityloop.studies.scorecard import write_json
    from cityloop.studies.tables import summary_lines

    if json_out is not None and not json_out.resolve().parent.is_dir():
        raise click.BadParameter(f"{json_out}: its folder is not there; make it first", param_hint="--json")
    spec = BenchSpec(
        cities=cities,
        arms=tuple(arm.strip() for arm in control.split(",")),
        sensing=tuple(level.strip() for level in sensing.split(",")),
        seeds=parse_seeds(seeds),
        scales=_factors(scale),
        jobs=jobs,
        walkable=walkable,
        keep=keep,
        tune_budget=budget,
        begin_s=begin_s,
        end_s=end_s,
    )
    result = bench_signals(spec, lambda text: click.echo(text, err=True))
    if walkable:
        click.echo("Sidewalks, crossings and people of these walkable variants are made up, not observed.")
    for group in result.groups:
        for line in summary_lines(group):
            click.echo(line)
        click.echo()
    if json_out is not None:
        write_json(json_out, result)
    if result.failed:
        for cell in result.cells:
            if cell.failure:
                click.echo(f"FAILED {cell.city} {cell.arm} seed {cell.seed}: {cell.failure}", err=True)
        raise click.ClickException(f"{result.failed} of {len(result.cells)} runs failed; they are named above")


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list such as 1.0,0.8", param_hint="--scale") from None
