"""``cityloop run``: one city, one control, one run folder."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cityloop.app import RunResult
    from cityloop.engine.inline import Blackout, Progress

__all__ = ["command", "progress_bar", "result_fields"]

_ARMS = ("shipped", "fixed", "fixed-tuned", "actuated", "actuated-tuned", "max-pressure", "brain")


@click.command(name="run")
@click.argument("city")
@click.option("--control", type=click.Choice(_ARMS), default="brain", show_default=True, help="Who decides.")
@click.option(
    "--sensing",
    default="area:150",
    show_default=True,
    metavar="LEVEL",
    help="What the control senses: loops, area:METRES, probe:SHARE or truth.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="SUMO's seed.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Run folder; new or empty.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Demand factor.",
)
@click.option(
    "--plans",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Tuned plans, as cityloop tune writes them.",
)
@click.option(
    "--faults",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Sensor faults to inject, as TOML.",
)
@click.option(
    "--blackout",
    "blackouts",
    multiple=True,
    metavar="BEGIN-END",
    help="Unplug the brain from BEGIN to END seconds into the run. May be repeated.",
)
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin here, not as configured [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End here, not as configured [s].")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of a live city: HTTP for its field; 0 for any.")
@click.option("--mqtt-port", type=click.IntRange(0, 65535), default=0, help="Of a live city: MQTT; 0 for any.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Of a live city: where readings go."
)
@click.option("--start", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@click.option("--acts", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    city: str,
    control: str,
    sensing: str,
    seed: int,
    out: Path,
    scale: float,
    plans: Path | None,
    faults: Path | None,
    blackouts: tuple[str, ...],
    begin_s: float | None,
    end_s: float | None,
    port: int,
    mqtt_port: int,
    data: Path | None,
    start: Path | None,
    acts: Path | None,
    as_json: bool,
) -> None:
    """Run CITY under one control and keep everything in a run folder.

    CITY is toy, a built-in name, a city folder, a SUMO .sumocfg, or the folder of a live city, whose field then speaks
    to the ports; --end is counted from its first report.

    \b
    Examples:
      cityloop run adlershof --control brain --seed 1 --out runs/brain-1
      cityloop run my.sumocfg --control shipped --out runs/shipped-0 --json
      cityloop run adlershof --blackout 900-960 --out runs/unplugged
    """
    from cityloop import app
    from cityloop.cities.live.folder import is_live_folder

    if is_live_folder(city):
        from cityloop.app.live_run import LiveSpec, run_live
        from cityloop.app.live_sensing import Edges

        if plans or faults or blackouts or begin_s is not None:
            raise click.UsageError("a live city has its own plans and sensors: leave --plans, --faults, ... out")
        edges = Edges(port=port, mqtt_port=mqtt_port)
        live = LiveSpec(city=city, out=out, control=control, edges=edges, data=data, for_s=end_s)
        with progress_bar(f"{city} {control}") as progress:
            _tell(run_live(live, lambda line: click.echo(line, err=True), progress), as_json)
        return
    spec = app.RunSpec(
        city=city,
        out=out,
        control=control,
        sensing=sensing,
        seed=seed,
        scale=scale,
        plans=plans,
        faults="" if faults is None else str(faults),
        blackouts=tuple(_blackout(text) for text in blackouts),
        begin_s=begin_s,
        end_s=end_s,
        start=start,
        acts=acts,
    )
    with progress_bar(f"{city} {control}") as progress:
        result = app.run(spec, progress)
    _tell(result, as_json)


def _tell(result: RunResult, as_json: bool) -> None:
    delay_s = _scored(result.run_dir)
    click.echo(f"{result.run_dir}: {result.decisions} decisions in {result.steps} steps")
    click.echo(f"decisions digest {result.decisions_digest}")
    if delay_s is not None:
        click.echo(f"mean delay {delay_s:.2f} s a vehicle; see {result.run_dir / 'report.html'}")
    if as_json:
        fields = result_fields(result) | {"mean_delay_s": delay_s}
        click.echo(json.dumps(fields, separators=(",", ":")))


def result_fields(result: RunResult) -> dict[str, object]:
    """Return what ``--json`` prints of a run."""
    cost = result.cost
    return {
        "run_dir": str(result.run_dir),
        "decisions_digest": result.decisions_digest,
        "decisions": result.decisions,
        "steps": result.steps,
        "cpu_us_per_junction_decision": _figure(cost.us_per_decision),
        "cpu_us_parts": {part: _figure(us) for part, us in cost.parts_us_per_decision.items()},
        "cpu_warm_up_ticks": cost.warm_up_ticks,
        "cpu_warm_up_s": _figure(cost.warm_up_s),
    }


@contextmanager
def progress_bar(title: str) -> Iterator[Progress | None]:
    """Show progress on standard error while it is a terminal; None otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(title), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, at="starting")

        def show(now_ms: int, end_ms: int, decisions: int) -> None:
            at = f"{now_ms / 1000:.0f} of {end_ms / 1000:.0f} s, {decisions} decisions"
            if bar.tasks[task].total is None:
                bar.reset(task, total=end_ms - now_ms, at=at)
            total = bar.tasks[task].total or 0
            bar.update(task, completed=total - (end_ms - now_ms), at=at)

        yield show


def _scored(run_dir: Path) -> float | None:
    """Write scorecard and report of a twin's run, and return its mean delay."""
    if not (run_dir / "sumo").is_dir():
        return None
    from cityloop.studies.report import write_report
    from cityloop.studies.scorecard import write_scorecard

    score = write_scorecard(run_dir)
    write_report([run_dir], run_dir / "report.html")
    return score.vehicles.delay_s


def _blackout(text: str) -> Blackout:
    from cityloop.engine.inline import Blackout

    begin, _, end = text.partition("-")
    try:
        return Blackout(float(begin), float(end))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not BEGIN-END in seconds, such as 900-960", param_hint="--blackout"
        ) from error


def _figure(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
