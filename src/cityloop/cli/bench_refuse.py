"""``cityloop bench refuse``: measure routing on published instances, and planning over many days of a city."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="refuse")
@click.option("--instance", type=_FILE, metavar="FILE", help="A published routing instance.")
@click.option("--row", type=click.Choice(["breakdown", "containers"]), help="A drawn day, instead.")
@click.option("--stops", type=click.IntRange(min=1), help="Stops of the drawn day: 2,000 and 20,000 unless said.")
@click.option("--seconds", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Time for the search.")
@click.option("--cpu-time", is_flag=True, help="Count --seconds of each search's processor, not the wall's.")
@click.option("--trucks", type=click.IntRange(min=1), help="Trucks; the published number, or the fewest found.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Searches side by side.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the search.")
@click.option("--city", type=click.Path(path_type=Path), metavar="DIR", help="A city of containers, instead.")
@click.option("--days", type=click.IntRange(min=1), default=60, show_default=True, help="Days of the city.")
@click.option("--policy", default="risk", show_default=True, metavar="NAME,...", help="Policies of the city, by comma.")
@click.option("--json", "json_out", type=_FILE, metavar="OUT", help="Figures.")
@click.option("--plan", "plan_out", type=_FILE, metavar="PLAN", help="The plan of an instance, as JSON.")
@click.option("--log", "log_out", type=_FILE, metavar="LOG", help="What was done on every day of the city.")
def command(
    instance: Path | None,
    row: str | None,
    stops: int | None,
    seconds: float,
    cpu_time: bool,
    trucks: int | None,
    workers: int,
    seed: int,
    city: Path | None,
    days: int,
    policy: str,
    json_out: Path | None,
    plan_out: Path | None,
    log_out: Path | None,
) -> None:
    """Measure refuse collection: the routes of one INSTANCE, the days of a CITY, or a ROW of size and speed.

    The row ``breakdown`` lets every truck of a drawn day break down in turn; ``containers`` plans 20,000 of them, and
    Ctrl-C ends it with the best plan so far.

    \b
    Examples:
      cityloop bench refuse --instance 277_stop.txt --seconds 300 --json out.json --plan plan.json
      cityloop bench refuse --city mytown --days 60 --policy risk,fixed --json out.json --log days.jsonl
      cityloop bench refuse --row breakdown --seconds 60 --json out.json
      cityloop bench refuse --row containers --seconds 600 --json out.json --plan plan.json
    """
    if sum(given is not None for given in (instance, city, row)) != 1:
        raise click.UsageError("give one of --instance FILE, --city DIR and --row NAME")
    for option, path in (("--json", json_out), ("--plan", plan_out), ("--log", log_out)):
        if path is not None and not path.resolve().parent.is_dir():
            raise click.BadParameter(f"{path}: its folder is not there; make it first", param_hint=option)
    if city is not None:
        from cityloop.studies.refuse_year import bench_city

        bench_city(city, days=days, policies=policy.split(","), seed=seed, json_out=json_out, log_out=log_out)
        return
    from cityloop.studies.refuse_bench import Budget, bench_instance

    budget = Budget(seconds, workers, seed, cpu_time)
    if row is not None:
        from cityloop.studies.refuse_plan import until_interrupted
        from cityloop.studies.refuse_scale import bench_row

        with until_interrupted() as should_stop:
            figures = bench_row(
                row, stops, budget, json_out, plan_out, lambda text: click.echo(text, err=True), should_stop
            )
        click.echo(", ".join(f"{key} {value}" for key, value in figures.items() if value is not None))
        return
    assert instance is not None
    figures = bench_instance(instance, trucks, budget, json_out, plan_out, lambda text: click.echo(text, err=True))
    gap = "" if figures["gap_pct"] is None else f", {figures['gap_pct']:+.2f} % to {figures['best_known']}"
    click.echo(
        f"{figures['instance']}: {figures['distance']:.2f} {figures['unit']}, {figures['trucks']} trucks, "
        f"{figures['left_out']} stops left out, legal under the checker{gap}"
    )
