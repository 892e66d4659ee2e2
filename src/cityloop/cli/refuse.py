"""``cityloop refuse``: plan, re-plan and check a day of refuse collection."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_BUDGET = (
    click.option("--seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Time to search."),
    click.option("--iterations", type=click.IntRange(min=1), help="Iterations instead of time: the same everywhere."),
    click.option("--seed", type=int, default=1, show_default=True, help="Seed of the search."),
    click.option("--out", type=_FILE, required=True, metavar="PLAN", help="Plan; GeoJSON, CSV and GPX beside it."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line."),
)


def _budgeted(function: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_BUDGET):
        function = option(function)
    return function


@click.group(name="refuse")
def command() -> None:
    """Plan a day of refuse collection, plan it anew while it goes on, and check plans on the clock."""


@command.command()
@click.argument("case", type=_FILE)
@_budgeted
def plan(case: Path, seconds: float, iterations: int | None, seed: int, out: Path, as_json: bool) -> None:
    """Plan the rounds of CASE, a JSON file of depots, tips, stops and trucks.

    \b
    Examples:
      cityloop refuse plan monday.json --seconds 60 --out monday.plan.json
      cityloop refuse plan monday.json --iterations 20000 --out monday.plan.json --json
    """
    from cityloop.domains.refuse.plan_file import METRES_PER_UNIT
    from cityloop.studies.refuse_plan import Budgeted, plan_file

    solved = plan_file(case, Budgeted(seconds, iterations, seed), out, lambda text: click.echo(text, err=True))
    distance = solved.report.metres / METRES_PER_UNIT["km"]
    click.echo(
        f"{out}: {distance:.1f} km, {solved.report.trucks} trucks, {solved.report.stops} stops, "
        f"{len(solved.plan.left_out)} left out, {solved.report.hours:.1f} h, legal under the checker"
    )
    for line in solved.plan.reasons:
        click.echo(line, err=True)
    if as_json:
        told = {"km": round(distance, 3), "trucks": solved.report.trucks, "stops": solved.report.stops}
        told |= {"left_out": len(solved.plan.left_out), "hours": round(solved.report.hours, 3)}
        click.echo(json.dumps(told, separators=(",", ":")))


@command.command()
@click.argument("case", type=_FILE)
@click.argument("plan_path", metavar="PLAN", type=_FILE)
@click.option("--now", required=True, metavar="HH:MM", help="What was planned until then is done.")
@click.option("--breakdown", multiple=True, metavar="TRUCK", help="A truck that drives no further. May be repeated.")
@click.option("--close-tip", multiple=True, metavar="TIP", help="A tip that takes no more today. May be repeated.")
@click.option("--blocked", multiple=True, metavar="STOP", help="A stop out of reach today. May be repeated.")
@click.option("--missed", multiple=True, metavar="STOP", help="A stop said to be served that was not. May be repeated.")
@click.option("--contaminated", multiple=True, metavar="STOP", help="Wrong waste: not taken today. May be repeated.")
@click.option("--divert", multiple=True, metavar="TRUCK=TIP", help="A contaminated load goes there. May be repeated.")
@click.option("--overfull", multiple=True, metavar="STOP=M3", help="It holds more than planned. May be repeated.")
@click.option("--log", "log", type=_FILE, help="What crews keyed in, one JSON object a line.")
@_budgeted
def replan(
    case: Path,
    plan_path: Path,
    now: str,
    breakdown: tuple[str, ...],
    close_tip: tuple[str, ...],
    blocked: tuple[str, ...],
    missed: tuple[str, ...],
    contaminated: tuple[str, ...],
    divert: tuple[str, ...],
    overfull: tuple[str, ...],
    log: Path | None,
    seconds: float,
    iterations: int | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Plan the rest of the day of CASE anew after PLAN met a breakdown, a closed tip or a blocked street.

    What a truck stands at or drives to stays its own; few stops change trucks. With a log of what crews keyed in
    (codes served, not_out, blocked, contaminated, overloaded, missed) trucks stand where it says, else where the plan
    has them.

    \b
    Examples:
      cityloop refuse replan monday.json monday.plan.json --now 09:30 --breakdown T4 --out rest.json --seconds 1
      cityloop refuse replan monday.json monday.plan.json --now 11:10 --log day.log --divert T2=N --out rest.json
      cityloop refuse replan monday.json monday.plan.json --now 14:00 --overfull S17=4.5 --missed S3 --out rest.json
    """
    from cityloop.domains.refuse.routes.case_rows import clock_s
    from cityloop.domains.refuse.routes.replan import Disruption
    from cityloop.studies.refuse_plan import Budgeted, replan_file

    event = Disruption(
        now_s=clock_s(now, "--now"),
        broken=breakdown,
        closed_tips=close_tip,
        blocked=blocked,
        rejected=contaminated,
        missed=missed,
        overfull={stop: _cubic_metres(stop, held) for stop, held in _pairs(overfull, "--overfull")},
        diverted=dict(_pairs(divert, "--divert")),
    )
    result, took_s = replan_file(case, plan_path, event, Budgeted(seconds, iterations, seed), out, log)
    share = len(result.moved) / max(1, result.other_stops)
    click.echo(
        f"{out}: {len(result.taken_over)} stops taken over, {len(result.moved)} of {result.other_stops} others moved "
        f"({100 * share:.1f} %), {len(result.plan.left_out)} left out, {took_s:.2f} s, legal under the checker"
    )
    for line in result.plan.reasons:
        click.echo(line, err=True)
    if as_json:
        told = {"taken_over": len(result.taken_over), "moved": len(result.moved), "others": result.other_stops}
        click.echo(json.dumps(told | {"left_out": len(result.plan.left_out), "took_s": round(took_s, 3)}))


@command.command()
@click.argument("streets", type=_FILE)
@click.option("--day", metavar="DAY", help="The streets of this weekday alone, as mon.")
@_budgeted
def kerbside(
    streets: Path, day: str | None, seconds: float, iterations: int | None, seed: int, out: Path, as_json: bool
) -> None:
    """Plan rounds along STREETS, a JSON file of nodes, streets, depot, tips and trucks, turns and sides heeded.

    \b
    Examples:
      cityloop refuse kerbside north.json --day mon --seconds 60 --out north.rounds.json
    """
    from cityloop.studies.refuse_round_book import plan_streets

    found = plan_streets(streets, out, day=day, seconds=seconds, iterations=iterations, seed=seed)
    proven = f", no rounds take less than {found.bound_hours:.1f} h" if found.bound_hours else ""
    click.echo(
        f"{out}: {found.hours:.1f} h in {found.rounds} rounds, {found.streets} streets, {len(found.left_out)} left "
        f"out, walked again{proven}"
    )
    for line in found.reasons:
        click.echo(line, err=True)
    if as_json:
        told = {"hours": round(found.hours, 3), "bound_hours": round(found.bound_hours, 3), "rounds": found.rounds}
        click.echo(json.dumps(told | {"left_out": len(found.left_out)}, separators=(",", ":")))


def _pairs(given: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        name, _, value = text.rpartition("=")
        if not name or not value:
            raise click.BadParameter(f"{text!r}: write it as NAME=VALUE", param_hint=option)
        pairs.append((name, value))
    return pairs


def _cubic_metres(stop: str, text: str) -> float:
    try:
        held = float(text)
    except ValueError:
        held = -1.0
    if not 0 <= held < 1e6:
        raise click.BadParameter(f"{stop}: {text!r}, must be cubic metres, 0 or more", param_hint="--overfull")
    return held


@command.command()
@click.argument("case", type=_FILE)
@click.argument("plan_path", metavar="PLAN", type=_FILE)
@click.argument("log", type=_FILE)
@click.option("--out", type=_FILE, required=True, metavar="CSV", help="One line a stop.")
def proof(case: Path, plan_path: Path, log: Path, out: Path) -> None:
    """Write proof of service: what became of every stop of PLAN by the LOG that crews keyed in.

    Each line of LOG is a JSON object with at, truck, stop and code, and if there are kg, lat and lon. No names, no
    photos: a line with either is refused.

    \b
    Examples:
      cityloop refuse proof monday.json monday.plan.json monday.log --out monday.proof.csv
    """
    from cityloop.studies.refuse_plan import proof_file

    counts = proof_file(case, plan_path, log, out)
    click.echo(f"{out}: " + ", ".join(f"{count} {code}" for code, count in counts.items() if count))


@command.command()
@click.argument("case", type=_FILE)
@click.argument("plan_path", metavar="PLAN", type=_FILE)
def check(case: Path, plan_path: Path) -> None:
    """Replay PLAN on the clock of CASE, and name every rule that it breaks.

    \b
    Examples:
      cityloop refuse check monday.json monday.plan.json
    """
    from cityloop.studies.refuse_plan import check_file

    report = check_file(case, plan_path)
    for fault in report.faults:
        click.echo(str(fault))
    if report.faults:
        raise click.ClickException(f"{plan_path}: {len(report.faults)} faults")
    click.echo(
        f"{plan_path}: legal; {report.metres / 1000:.1f} km, {report.trucks} trucks, {report.stops} stops, "
        f"{report.hours:.1f} h"
    )


@command.command()
@click.argument("rounds", type=_FILE)
@click.option("--from", "first", required=True, metavar="DATE", help="First day, as 2027-01-01.")
@click.option("--to", "last", required=True, metavar="DATE", help="Last day.")
@click.option("--told", type=_FILE, metavar="JSON", help="The calendar that residents have; moves are listed.")
@click.option("--today", metavar="DATE", help="The day that notice counts from; today unless given.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="FOLDER")
def calendar(rounds: Path, first: str, last: str, told: Path | None, today: str | None, out: Path) -> None:
    """Write the days of fixed ROUNDS, holidays heeded: calendar.json, a page to print and one .ics a round.

    ROUNDS is a TOML file: [[rounds]] with name, weekday, every_weeks and first, [holidays] with days, rule (slip,
    next_free, before), worked and spare, and notice_days. A day that residents were told never moves without notice.

    \b
    Examples:
      cityloop refuse calendar rounds.toml --from 2027-01-01 --to 2027-12-31 --out calendar
      cityloop refuse calendar rounds.toml --from 2027-01-01 --to 2027-12-31 --told calendar/calendar.json --out new
    """
    from cityloop.studies.refuse_calendar import write_calendar

    found = write_calendar(rounds, first, last, told, today, out)
    for move in found.moves:
        click.echo(f"{move.round}: {move.told} moves to {move.now or 'no day'}")
    click.echo(f"{out}: {found.days} collection days of {found.rounds} rounds, {len(found.moves)} moved")


@command.command()
@click.argument("week", type=_FILE)
@click.option("--json", "json_out", type=_FILE, metavar="OUT", help="Figures.")
def compare(week: Path, json_out: Path | None) -> None:
    """Compare a WEEK's plans with today's practice: driving, hours, fuel, CO2, overflows, fill at collection, balance.

    WEEK is a JSON file with days, each with case, plan and today: a CSV of truck and stop in the order driven.

    \b
    Examples:
      cityloop refuse compare week.json --json week.figures.json
    """
    from cityloop.studies.refuse_week import compare_week

    for line in compare_week(week, json_out):
        click.echo(line)
