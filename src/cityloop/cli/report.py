"""``cityloop report``: scorecards and the HTML report, written again from run folders."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="report")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR [DIR...]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The report; by default report.html in the first DIR.",
)
@click.option("--occupancy", default="", metavar="CLASS=N,...", help="Persons in a vehicle, such as bus=20,tram=60.")
@click.option("--rescore", is_flag=True, help="Compute scorecards again even where they are there.")
@click.option("--pdf", is_flag=True, help="Print it as PDF too, by the Chromium that is installed.")
def command(folders: tuple[Path, ...], out: Path | None, occupancy: str, rescore: bool, pdf: bool) -> None:
    """Write the report of one run, or of several together, from their folders.

    A DIR is a run folder or holds run folders. Runs of several controls on the same seeds are paired.

    \b
    Examples:
      cityloop report runs/brain-1
      cityloop report runs/adlershof --occupancy tram=60
      cityloop report runs/fixed-1 runs/brain-1 --out both.html
    """
    from cityloop.studies.compare import find_runs
    from cityloop.studies.measures import parse_occupancy
    from cityloop.studies.report import write_report
    from cityloop.studies.scorecard import SCORECARD_FILE, write_scorecard

    persons = parse_occupancy(occupancy) if occupancy else None
    for run in find_runs(folders):
        if rescore or persons is not None or not (run / SCORECARD_FILE).is_file():
            write_scorecard(run, occupancy=persons)
    page = write_report(folders, out or folders[0] / "report.html")
    click.echo(page)
    if pdf:
        from cityloop.studies.pdf import print_pdf

        click.echo(print_pdf(page))
