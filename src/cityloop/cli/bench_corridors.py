"""``cityloop bench corridors``: what green corridors save in the twin, and what others pay for it."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="corridors")
@click.option("--city", "cities", multiple=True, required=True, metavar="CITY", help="A city; may be repeated.")
@click.option("--rate", default="4,30", show_default=True, metavar="N,...", help="Emergency trips an hour, by comma.")
@click.option("--seeds", default="3", show_default=True, metavar="N | A,B", help="How many seeds, or which, by comma.")
@click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Results file."
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep figures of runs, and go on."
)
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin so long after the configured begin [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End so long after the configured begin [s].")
def command(
    cities: tuple[str, ...],
    rate: str,
    seeds: str,
    json_out: Path | None,
    keep: Path | None,
    begin_s: float | None,
    end_s: float | None,
) -> None:
    """Measure green corridors: blue light alone, with corridors, and alone on a free road, paired over seeds.

    The figure "saved a signal" is what `bench emergency --corridor-saving-s` takes.

    \b
    Examples:
      cityloop bench corridors --city adlershof --seeds 3 --keep runs/corridors --json out.json
      cityloop bench corridors --city a.sumocfg --city b.sumocfg --rate 30 --end 1500
    """
    import tempfile

    from cityloop.studies.corridor_bench import CorridorSpec, bench_corridors, notes, summary_lines
    from cityloop.studies.matrix import parse_seeds
    from cityloop.studies.scorecard import write_json

    if json_out is not None and not json_out.resolve().parent.is_dir():
        raise click.BadParameter(f"{json_out}: its folder is not there; make it first", param_hint="--json")
    try:
        rates = tuple(float(part) for part in rate.split(","))
    except ValueError:
        raise click.BadParameter(f"{rate!r} is not a list such as 4,30", param_hint="--rate") from None
    with tempfile.TemporaryDirectory(prefix="cityloop-corridors-") as scratch:
        spec = CorridorSpec(
            cities=cities,
            rates_per_h=rates,
            seeds=parse_seeds(seeds),
            out=keep or Path(scratch),
            begin_s=begin_s,
            end_s=end_s,
        )
        summaries = bench_corridors(spec, lambda text: click.echo(text, err=True))
    for summary in summaries:
        for line in summary_lines(summary):
            click.echo(line)
    for note in notes():
        click.echo(note)
    if json_out is not None:
        write_json(json_out, {"notes": notes(), "summaries": summaries})
