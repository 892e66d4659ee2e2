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
@_budgeted
def replan(
    case: Path,
    plan_path: Path,
    now: str,
    breakdown: tuple[str, ...],
    close_tip: tuple[str, ...],
    blocked: tuple[str, ...],
    seconds: float,
    iterations: int | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Plan the rest of the day of CASE anew after PLAN met a breakdown, a closed tip or a blocked street.

    What a truck stands at or drives to stays its own; few stops change trucks.

    \b
    Examples:
      cityloop refuse replan monday.json monday.plan.json --now 09:30 --breakdown T4 --out rest.json --seconds 1
    """
    from cityloop.domains.refuse.routes.case_file import clock_s
    from cityloop.domains.refuse.routes.replan import Disruption
    from cityloop.studies.refuse_plan import Budgeted, replan_file

    event = Disruption(now_s=clock_s(now, "--now"), broken=breakdown, closed_tips=close_tip, blocked=blocked)
    result, took_s = replan_file(case, plan_path, event, Budgeted(seconds, iterations, seed), out)
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
