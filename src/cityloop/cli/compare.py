"""``cityloop compare``: two or more controls on the same seeds, paired."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="compare")
@click.argument("city")
@click.option("--arms", default="fixed-tuned,brain", show_default=True, metavar="ARM,ARM", help="Controls, by comma.")
@click.option(
    "--seeds",
    default="5",
    show_default=True,
    metavar="N | A,B",
    help="How many seeds (5 is the seeds 1 to 5), or which, by comma.",
)
@click.option("--sensing", default="area:150", show_default=True, metavar="LEVEL", help="What the control senses.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Demand factor.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where runs and report go.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option("--budget", type=click.IntRange(min=6), metavar="N", help="Training runs for each tuned arm.")
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin here, not as configured [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End here, not as configured [s].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    city: str,
    arms: str,
    seeds: str,
    sensing: str,
    scale: float,
    out: Path,
    jobs: int,
    budget: int | None,
    begin_s: float | None,
    end_s: float | None,
    as_json: bool,
) -> None:
    """Compare controls of CITY over the same seeds, and write a report.

    DIR/ARM/SEED are run folders; DIR/scorecard.json and DIR/report.html bring them together. Runs that are
    already finished are not run again.

    \b
    Examples:
      cityloop compare adlershof --arms fixed-tuned,brain --seeds 5 --out runs/adlershof
      cityloop compare my.sumocfg --arms shipped,max-pressure,brain --seeds 3,8 --jobs 2 --out runs/mine
    """
    import msgspec

    from cityloop.app import ARMS
    from cityloop.studies.compare import compare_arms
    from cityloop.studies.matrix import parse_seeds
    from cityloop.studies.report import write_report
    from cityloop.studies.tables import summary_lines

    chosen = [arm.strip() for arm in arms.split(",")]
    for arm in chosen:
        if arm not in ARMS:
            raise click.BadParameter(f"{arm!r} is not one of {', '.join(ARMS)}", param_hint="--arms")
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise click.BadParameter(f"{arms!r}: give two or more different controls", param_hint="--arms")
    summary = compare_arms(
        city,
        chosen,
        parse_seeds(seeds),
        out,
        sensing=sensing,
        scale=scale,
        jobs=jobs,
        begin_s=begin_s,
        end_s=end_s,
        tune_budget=budget,
        progress=lambda text: click.echo(text, err=True),
    )
    report = write_report([out], out / "report.html")
    for line in summary_lines(summary):
        click.echo(line)
    click.echo(f"report: {report}")
    if as_json:
        click.echo(msgspec.json.encode(summary).decode())
    if summary.failures:
        raise click.ClickException(f"{len(summary.failures)} runs failed; they are named above")
