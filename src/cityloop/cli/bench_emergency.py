"""``cityloop bench emergency``: dispatch and coverage policies on the same calls."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="emergency")
@click.option(
    "--city",
    "cities",
    multiple=True,
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A city folder, JEMSS ones as shipped; may be repeated.",
)
@click.option(
    "--policy",
    default="naive,as-is,status-plan,dmexclp,brain",
    show_default=True,
    metavar="ARM,...",
    help="Policies, by comma; brain@0.5 has half of the junctions equipped with corridors.",
)
@click.option("--seeds", default="10", show_default=True, metavar="N | A,B", help="How many seeds, or which.")
@click.option("--days", type=click.FloatRange(min=0.1, max=366), default=10.0, show_default=True, help="Days a seed.")
@click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Results file."
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="LOG",
    help="Keep calls, assignments and tracks as LOG/ARM/SEED/*.parquet.",
)
@click.option(
    "--demand", type=click.FloatRange(min=0.01, max=10), default=1.0, show_default=True, help="Factor on calls."
)
@click.option("--priority-mix", metavar="P1,P2,...", help="Another mix of priorities, shares that sum to 1.")
@click.option(
    "--turnout-s",
    type=click.FloatRange(min=0, max=600),
    default=0.0,
    show_default=True,
    help="Turnout of every unit, wherever it stands [s].",
)
@click.option(
    "--travel-noise",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Variation of drives: deviation of the log of one of five minutes; shows what ETA bands are worth.",
)
@click.option(
    "--turnout-noise",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Variation of turnouts, likewise; needs --turnout-s.",
)
@click.option(
    "--corridor-saving-s",
    type=click.FloatRange(min=0, min_open=True, max=60),
    metavar="S",
    help="Seconds saved at an equipped junction, as measured in the twin; none unless given.",
)
@click.option(
    "--corridor-share",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Share of junctions equipped for the policy brain.",
)
@click.option(
    "--stress",
    metavar="all | NAME,...",
    help="Bad days instead, each beside the plain case: mix, demand, stale, station, hospitals, burst, departments, "
    "changes.",
)
@click.option(
    "--row",
    type=click.Choice(["dispatch", "fire"]),
    help="One row alone: dispatch is how long a decision takes at 500 open calls and 1,000 units; fire is a made-up "
    "fire service with several units an incident.",
)
def command(
    cities: tuple[Path, ...],
    policy: str,
    seeds: str,
    days: float,
    json_out: Path | None,
    log: Path | None,
    demand: float,
    priority_mix: str | None,
    turnout_s: float,
    travel_noise: float,
    turnout_noise: float,
    corridor_saving_s: float | None,
    corridor_share: float,
    stress: str | None,
    row: str | None,
) -> None:
    """Measure dispatch and coverage policies: every policy on the same calls, paired over seeds.

    All results are simulated. Ablations of the brain are policies too: brain-no-posts, brain-no-live,
    brain-no-reassign, brain-no-prepared.

    \b
    Examples:
      cityloop bench emergency --city edmonton --policy naive,as-is,brain --seeds 3 --days 2 --json out.json
      cityloop bench emergency --city edmonton --policy brain,brain@0.25,brain@1 --corridor-saving-s 4 --seeds 10
      cityloop bench emergency --city edmonton --policy brain --travel-noise 0.2 --turnout-s 60 --turnout-noise 0.3
      cityloop bench emergency --city edmonton --policy as-is,brain --stress all --seeds 2 --days 4
      cityloop bench emergency --city edmonton --row dispatch
      cityloop bench emergency --city edmonton --row fire --policy as-is,brain --seeds 2 --days 4 --turnout-s 80
    """
    from cityloop.studies.emergency_bench import EmergencySpec, arm_of, bench_emergency
    from cityloop.studies.emergency_summary import summary_lines, write_summaries
    from cityloop.studies.matrix import parse_seeds

    if json_out is not None and not json_out.resolve().parent.is_dir():
        raise click.BadParameter(f"{json_out}: its folder is not there; make it first", param_hint="--json")
    if row == "dispatch":
        _dispatch_row(cities, json_out)
        return
    arms = tuple(dict.fromkeys(name.strip() for name in policy.split(",")))
    if row == "fire":
        _fire_row(cities, arms, tuple(parse_seeds(seeds)), days, turnout_s, json_out)
        return
    if stress is not None:
        _stress_table(cities, arms, stress, tuple(parse_seeds(seeds)), days, json_out)
        return
    if corridor_share > 0 and corridor_saving_s is None:
        raise click.BadParameter("needs --corridor-saving-s, as measured in the twin", param_hint="--corridor-share")
    if turnout_noise > 0 and turnout_s == 0:
        raise click.BadParameter("needs --turnout-s above 0: nothing varies about none", param_hint="--turnout-noise")
    spec = EmergencySpec(
        cities=cities,
        arms=arms,
        seeds=tuple(parse_seeds(seeds)),
        days=days,
        log=log,
        demand=demand,
        priority_share=None if priority_mix is None else _shares(priority_mix),
        turnout_s=(turnout_s, turnout_s),
        travel_noise=travel_noise,
        turnout_noise=turnout_noise,
        corridor_saving_s=corridor_saving_s,
        corridor_share=corridor_share,
    )
    for name in spec.arms:
        arm_of(name, spec)
    summaries = bench_emergency(spec, lambda text: click.echo(text, err=True))
    for summary in summaries:
        for line in summary_lines(summary):
            click.echo(line)
        click.echo()
    if json_out is not None:
        write_summaries(json_out, summaries)


def _stress_table(
    cities: tuple[Path, ...],
    arms: tuple[str, ...],
    stress: str,
    seeds: tuple[int, ...],
    days: float,
    json_out: Path | None,
) -> None:
    from cityloop.studies.emergency_stress import bench_stress, stress_lines, stresses_of, write_stress
    from cityloop.studies.emergency_world import make_world, open_case

    stresses, every = stresses_of(stress), []
    for folder in cities:
        world = make_world(open_case(folder))
        rows = bench_stress(world, arms, stresses, seeds, days, lambda text: click.echo(text, err=True))
        every += rows
        for line in stress_lines(rows):
            click.echo(line)
    if json_out is not None:
        write_stress(json_out, every)


def _fire_row(
    cities: tuple[Path, ...],
    arms: tuple[str, ...],
    seeds: tuple[int, ...],
    days: float,
    turnout_s: float,
    json_out: Path | None,
) -> None:
    from cityloop.cities.events.fire import FireSpec
    from cityloop.studies.emergency_fire import bench_fire, fire_lines, fire_world, write_fire
    from cityloop.studies.emergency_world import open_case

    every, spec = [], FireSpec()
    for folder in cities:
        world = fire_world(open_case(folder), spec)
        rows = bench_fire(world, spec, arms, seeds, days, turnout_s, lambda text: click.echo(text, err=True))
        every += rows
        for line in fire_lines(rows, days):
            click.echo(line)
    if json_out is not None:
        write_fire(json_out, every)


def _dispatch_row(cities: tuple[Path, ...], json_out: Path | None) -> None:
    from cityloop.studies.emergency_dispatch import DispatchLoad, bench_dispatch, dispatch_lines, write_dispatch
    from cityloop.studies.emergency_world import make_world, open_case

    rows = [bench_dispatch(make_world(open_case(folder)), DispatchLoad()) for folder in cities]
    for times in rows:
        for line in dispatch_lines(times):
            click.echo(line)
    if json_out is not None:
        write_dispatch(json_out, rows)


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a list such as 0.1,0.5,0.3,0.1", param_hint="--priority-mix"
        ) from None
    if any(share < 0 for share in shares) or abs(sum(shares) - 1.0) > 1e-6:
        raise click.BadParameter(f"{text!r}: shares must be at least 0 and sum to 1", param_hint="--priority-mix")
    return shares
