"""``cityloop replay``: prove that a run's decisions follow from its readings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cityloop.cli.run import progress_bar

__all__ = ["command"]


@click.command(name="replay")
@click.argument("run_dir", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(run_dir: Path, as_json: bool) -> None:
    """Recompute every decision of the run in DIR from its recorded readings.

    Exits 0 with the decisions' digest, or 1 naming the first decision that differs.

    \b
    Examples:
      cityloop replay runs/brain-1
      cityloop replay runs/brain-1 --json
    """
    from cityloop import app

    with progress_bar(f"replay {run_dir}") as progress:
        result = app.replay(run_dir, progress)
    if result.other_versions:
        others = ", ".join(result.other_versions)
        click.echo(f"note: recorded with other versions of {others} (see {run_dir / 'run.toml'})", err=True)
    click.echo(f"{run_dir}: all {result.decisions} decisions made again alike")
    click.echo(f"decisions digest {result.decisions_digest}")
    if as_json:
        fields = {
            "run_dir": str(run_dir),
            "decisions_digest": result.decisions_digest,
            "decisions": result.decisions,
            "steps": result.steps,
        }
        click.echo(json.dumps(fields, separators=(",", ":")))
