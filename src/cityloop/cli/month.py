"""``cityloop month``: certify a month of a city's own records and test the brain on it in shadow."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="month")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="New folder for it.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of stamps that name none.")
@click.option("--detectors", type=click.Path(path_type=Path, dir_okay=False), help="CSV: see below.")
@click.option("--hours", type=int, default=24, show_default=True, help="Hours of each signal served again.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Draws those hours.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    files: tuple[Path, ...], out: Path, zone: str, detectors: Path | None, hours: int, seed: int, as_json: bool
) -> None:
    """Certify FILES of records, best 30 to 90 days, and say what the brain would have done.

    FILES are CSV, known by their header: controller events (SignalID, Timestamp, EventCode, EventParam), detector
    counts (detector, begin, count), calls (call, received, dispatched, arrived, cleared, unit, x_m, y_m) or weighings
    (site, time, kg). The table of detectors has SignalID, Detector, Phase and Setback_m. Nothing is controlled and
    nothing is sent anywhere.

    \b
    Examples:
      cityloop month events/*.csv --detectors detectors.csv --zone America/Denver --out month
      cityloop month counts.csv calls.csv weighings.csv --zone Europe/Berlin --out month --json
    """
    import msgspec

    from cityloop.kernel.errors import StoreError
    from cityloop.studies.month.page import certificate_page
    from cityloop.studies.month.study import MonthSpec, study_month
    from cityloop.studies.scorecard import write_json
    from cityloop.studies.sheet import write_page

    spec = MonthSpec(files=files, zone=zone, detectors=detectors, hours=hours, seed=seed)
    if out.is_dir() and any(out.iterdir()):
        raise StoreError(f"{out}: not empty; give a new folder with --out")
    found = study_month(spec, lambda text: click.echo(text, err=True))
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "certificate.json", found)
    write_page(out / "certificate.html", certificate_page(found))
    for kind, one in found.rates.items():
        covered = "-" if one.coverage is None else f"{one.coverage:.1%} of {one.nominal:.0%}"
        click.echo(f"{kind}: {one.days} days, {one.n} values held out, covered {covered}")
    for signal in found.signals:
        test = signal.shadow
        said = signal.why_not if test is None else f"{test.verdict} ({test.recorded_s} to {test.brain_s} s a vehicle)"
        click.echo(f"signal {signal.name}: {said}")
    click.echo(f"{out / 'certificate.html'}")
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
