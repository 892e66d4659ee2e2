"""``cityloop value``: timing sheets, times of day, signed exports and reports: value without live control."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_KEY = click.option("--key", type=_FILE, help="Signing key.  [signing.key beside the exports, made at first]")


@click.group(name="value")
def command() -> None:
    """Use a city's plans and records without any live control."""


@command.command()
@click.argument("city")
@click.option("--plan", type=click.Choice(["shipped", "fixed-tuned", "actuated-tuned"]), default="fixed-tuned")
@click.option("--out", required=True, type=_FOLDER, help="Folder of the versions; each is new and signed.")
@click.option("--by", "signed_by", required=True, help="Who signs it off.")
@click.option("--why", required=True, help="What it is for.")
@_KEY
def sheets(city: str, plan: str, out: Path, signed_by: str, why: str, key: Path | None) -> None:
    """Export CITY's timing sheets as CSV and UTDF, versioned and signed.

    \b
    Example:
      cityloop value sheets adlershof --out exports --by "A. Engineer" --why "spring retiming"
    """
    from datetime import UTC, datetime

    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.kept_plans import find_plans
    from cityloop.cities.sumo.network import read_network
    from cityloop.cities.sumo.programs import fixed_plan
    from cityloop.kernel.errors import InputError
    from cityloop.studies.value.sheets import timing_csv, timing_rows, utdf_csv
    from cityloop.studies.value.signed import export_version

    case = resolve_city(city)
    network = read_network(case.net_file, walking_speed_mps=case.walking_speed_mps)
    if plan == "shipped":
        plans = fixed_plan(network)
    else:
        found = find_plans(case, None)
        if found is None:
            raise InputError(f"{city}: no tuned plans are kept; make them with cityloop tune, or give --plan shipped")
        plans = found[1].of_arm(plan)
    rows = timing_rows(network, plans)
    files = {
        "timing_sheet.csv": timing_csv(rows, plan),
        "utdf.csv": utdf_csv(network, rows, plan, f"{case.name} {plan}"),
    }
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    made = export_version(out, files, city=case.name, made_at=made_at, signed_by=signed_by, why=why, key=key)
    click.echo(f"{out / f'v{made.version}'}: {len(plans)} junctions, signed by {made.signed_by}")


@command.command()
@click.argument("out", type=_FOLDER)
@_KEY
def verify(out: Path, key: Path | None) -> None:
    """Check every signed version in OUT: files, chain and signatures."""
    from cityloop.studies.value.signed import verify_exports

    for one in verify_exports(out, key):
        click.echo(f"v{one.version} {one.made_at} {one.signed_by}: {one.why}; {len(one.files)} files whole")


@command.command(name="times-of-day")
@click.argument("counts", nargs=-1, required=True, type=_FILE)
@click.option("--periods", type=click.IntRange(2, 12), default=5, show_default=True)
@click.option("--zone", default="UTC", show_default=True, help="Time zone of stamps that name none.")
@click.option("--out", required=True, type=_FILE, help="CSV to write.")
def times_of_day(counts: tuple[Path, ...], periods: int, zone: str, out: Path) -> None:
    """Find when plans should change, from detector COUNTS (detector, begin, count); weekdays and weekends apart.

    \b
    Example:
      cityloop value times-of-day counts.csv --zone Europe/Berlin --periods 5 --out tod.csv
    """
    from zoneinfo import ZoneInfo

    from cityloop.studies.month.records import SetAside, read_records
    from cityloop.studies.sheet import write_page
    from cityloop.studies.value.tod_export import times_csv

    text, days = times_csv(read_records(counts, "counts", ZoneInfo(zone), SetAside()), ZoneInfo(zone), periods)
    write_page(out, text)
    click.echo(f"{out}: {periods} periods from {days} days")


@command.command()
@click.argument("city")
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--day", required=True, help="First local day, such as 2026-11-22.")
@click.option("--days", type=click.IntRange(1, 31), default=1, show_default=True, help="1: by hour; else by day.")
@click.option("--out", required=True, type=_FILE, help="HTML file to write.")
@click.option("--pdf", is_flag=True, help="Print it as PDF beside it, by the Chromium that is installed.")
def report(city: str, data: Path, day: str, days: int, out: Path, pdf: bool) -> None:
    """Write a day's or week's report of CITY as served in DATA: one file, made to print.

    \b
    Example:
      cityloop value report adlershof room --day 2026-11-22 --out monday.html
    """
    from cityloop.app.city_source import city_facts
    from cityloop.studies.sheet import write_page
    from cityloop.studies.value.period_report import period_report

    facts, _ = city_facts(
        city, data=data, pace=1.0, control="brain", sensing="area:150", seed=1, scale=1.0, keep_days=7.0
    )
    write_page(out, period_report(facts, data, day, days, lambda text: click.echo(text, err=True)))
    click.echo(f"{out}")
    if pdf:
        from cityloop.studies.pdf import print_pdf

        click.echo(f"{print_pdf(out)}")
