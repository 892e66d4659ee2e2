"""``cityloop calibrate``: fit a city's demand to counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cityloop.studies.calibrate import Agreement, Calibration

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="""\b
Examples:
  cityloop calibrate mytown --counts counts.csv
  cityloop calibrate mytown --counts counts.csv --journeys times.csv --seed 7 --json
  cityloop calibrate mytown.sumocfg --counts counts.csv --out mytown
""",
    short_help="Fit a twin's demand to counts.",
)
@click.argument("city")
@click.option("--counts", "counts_file", type=_FILE, help="CSV edge,begin_s,end_s,count.  [CITY/counts.csv]")
@click.option("--journeys", "journeys_file", type=_FILE, help="CSV from_edge,to_edge,begin_s,end_s,travel_time_s.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of what is drawn.")
@click.option(
    "--method",
    type=click.Choice(["flow-fit", "route-sampler"]),
    default="flow-fit",
    show_default=True,
    help="Fit of our own, or SUMO's routeSampler.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Make a new city folder instead of changing CITY.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    city: str,
    counts_file: Path | None,
    journeys_file: Path | None,
    seed: int,
    method: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Fit the demand of CITY to detector counts, and prove it on links held out of the fit.

    A seeded 22 % of the counted links is kept away from the fit. The figures are measured by running the
    twin, and go into city.toml; a city with fewer than 85 % of its held-out links under a GEH of 5 stays
    UNCALIBRATED.
    """
    from cityloop.studies.calibrate import CalibrationParams, calibrate

    if counts_file is None:
        counts_file = Path(city) / "counts.csv"
        if not counts_file.is_file():
            raise click.UsageError(f"no {counts_file}; give --counts FILE with edge,begin_s,end_s,count.")
    params = CalibrationParams(seed=seed, method="route-sampler" if method == "route-sampler" else "flow-fit")
    done = calibrate(city, counts_file, journeys_file, params, out, lambda line: click.echo(line, err=True))
    click.echo(f"{done.folder}: {done.label}")
    for line in calibration_lines(done):
        click.echo(line)
    if as_json:
        import orjson

        click.echo(orjson.dumps(calibration_outcome(done)).decode())


def calibration_lines(done: Calibration) -> list[str]:
    """Tell a calibration in a few lines."""
    lines = [
        f"{done.vehicles} vehicles by {done.record.method}, seed {done.record.seed}, measured in the twin:",
        _agreement_line("fitted  ", done.fitted),
        _agreement_line("held out", done.held_out),
    ]
    if done.journeys is not None:
        times = done.journeys
        lines.append(
            f"  journey times (none fitted): {times.share_within:.0%} of {times.journeys} within 15 % "
            f"or 1 min, median error {times.median_error_frac:+.0%}, worst {times.worst_journey}, "
            f"{times.not_made} not made by any vehicle"
        )
    return lines


def calibration_outcome(done: Calibration) -> dict[str, object]:
    """Return a calibration as one JSON-ready object."""
    import msgspec

    outcome: dict[str, object] = msgspec.to_builtins(done, enc_hook=str)
    outcome["city_dir"] = str(outcome.pop("folder"))
    return outcome


def _agreement_line(what: str, agreement: Agreement) -> str:
    return (
        f"  {what}: {agreement.share_geh_below_5:.1%} of {agreement.link_hours} link hours on "
        f"{agreement.links} links with GEH < 5, median {agreement.median_geh:.2f}, "
        f"worst {agreement.worst_geh:.1f} on {agreement.worst_link}"
    )
