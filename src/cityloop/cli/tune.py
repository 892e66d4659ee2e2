"""``cityloop tune``: tune a city's fixed and actuated plans on training seeds."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(
    name="tune",
    epilog="\b\nExamples:\n  cityloop tune adlershof\n  cityloop tune town.sumocfg --budget 60 --out plans.json",
)
@click.argument("city")
@click.option("--budget", type=click.IntRange(min=2), default=None, help="Training runs for each arm (200).")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option("--seeds", default=None, help="Training seeds, comma-separated (1001,1002,1003).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plans here, not to the cache.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
def command(city: str, budget: int | None, jobs: int, seeds: str | None, out: Path | None, as_json: bool) -> None:
    """Tune CITY's fixed-tuned and actuated-tuned plans.

    CITY is a built-in name, a city folder or a .sumocfg. The plans are tuned in the twin for the mean delay
    of all vehicles, on training seeds that no score is taken on, and used by the arms of the same names.
    """
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.kept_plans import find_plans, kept_plans_file
    from cityloop.cities.sumo.plans import write_plans
    from cityloop.studies import tune as study

    training = _seeds(seeds) if seeds else study.TRAINING_SEEDS
    case = resolve_city(city)

    def progress(line: str) -> None:
        click.echo(line, err=True)

    # Plans at hand are enough, unless other seeds, another file or more runs are asked for.
    found = find_plans(case) if out is None and training == study.TRAINING_SEEDS else None
    if found is not None and (budget is None or found[1].budget >= budget):
        path, plans = found
    else:
        plans = study.tune(case, jobs=jobs, budget=budget or study.DEFAULT_BUDGET, seeds=training, progress=progress)
        path = out if out is not None else kept_plans_file(case)
        write_plans(path, plans)
    if as_json:
        import orjson

        line = {
            "plans": str(path),
            "delay_s": plans.delay_s,
            "evaluations": plans.evaluations,
            "seeds": plans.seeds,
        }
        click.echo(orjson.dumps(line).decode())
        return
    click.echo(f"{path}: tuned on seeds {', '.join(map(str, plans.seeds))}, SUMO {plans.sumo_version}")
    for arm, delay_s in plans.delay_s.items():
        runs = f"  ({plans.evaluations[arm]} runs)" if arm in plans.evaluations else ""
        click.echo(f"  {arm:15} {delay_s:8.1f} s of delay a vehicle{runs}")


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: give whole numbers apart by commas, such as 1001,1002", param_hint="--seeds"
        ) from None
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise click.BadParameter(f"{text!r}: give each seed once, 0 or more", param_hint="--seeds")
    return seeds
