"""``cityloop bench``: measure how well each domain does its work, beside its rivals."""

from __future__ import annotations

import click

from cityloop.cli.lazy import Subcommand, lazy_group

__all__ = ["command"]

BENCHES: dict[str, Subcommand] = {
    "signals": Subcommand(
        "cityloop.cli.bench_signals:command", "Signal controls over cities, seeds, scales and sensing levels."
    ),
    "emergency": Subcommand(
        "cityloop.cli.bench_emergency:command", "Dispatch and coverage policies on the same calls."
    ),
    "corridors": Subcommand("cityloop.cli.bench_corridors:command", "Green corridors in the twin, and their price."),
    "refuse": Subcommand("cityloop.cli.bench_refuse:command", "Routes and collection policies against rivals."),
    "sensing": Subcommand("cityloop.cli.bench_sensing:command", "Rates, delays and loss of the ingest path."),
    "live": Subcommand("cityloop.cli.bench_live:command", "A city led over a link by two processes, beside one."),
    "dashboard": Subcommand("cityloop.cli.bench_dashboard:command", "Frames, bytes and delays of the dashboard."),
}
"""Every benchmark by name, in the order that ``--help`` lists them."""


@click.group(name="bench", cls=lazy_group(BENCHES))
def command() -> None:
    """Measure how well cityloop does its work, with rivals that are given the same."""
