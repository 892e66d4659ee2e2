"""``cityloop demo``: the closed loop on a real district, against a tuned fixed program, live."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from cityloop.studies.demo import DemoOutcome, DemoSpec
    from cityloop.studies.demo_run import DemoTick

__all__ = ["command"]

_LINE_EVERY_S = 5.0
"""Between two plain lines of one arm, in the viewer's time."""


@click.command(name="demo")
@click.option("--exit", "leave", is_flag=True, help="Plain lines, and end without an offer what to do next.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each control.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=4, max=60),
    default=30.0,
    show_default=True,
    help="Of the city's time, each run.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="New folder; by default runs/demo-...")
@click.option(
    "--page/--no-page",
    default=None,
    help="Show both controls in the operations room as they run; by default with a terminal and without --exit.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Of the page; 0 for any.")
def command(leave: bool, seeds: int, minutes: float, out: Path | None, page: bool | None, port: int) -> None:
    """Show the brain beside a tuned fixed program on a real district, and pull its plug halfway.

    The district is Berlin-Adlershof with a synthetic demand. Both controls run at once on the same seeds.
    Halfway the brain is unplugged for a minute: every junction hands itself back to its own plan, and takes
    leases again afterwards. Ambulances answer made-up calls and trucks empty made-up containers on the same streets;
    one truck breaks down. It ends with a scorecard and a report. Nothing is downloaded.

    With a terminal the operations room opens in a browser: one map in two halves, the tuned program left and the brain
    right, at the same second. Without one, or with --exit, it runs without a page and ends by itself.

    \b
    Examples:
      cityloop demo
      cityloop demo --exit --minutes 15
      cityloop demo --no-page
      cityloop demo --seeds 3 --out runs/demo-three
    """
    from cityloop.kernel.errors import ConfigError
    from cityloop.studies.demo import DemoSpec, run_demo
    from cityloop.studies.report import write_report

    folder = out if out is not None else Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: there already and not an empty folder; give another --out")
    spec = DemoSpec(out=folder, seeds=tuple(range(1, seeds + 1)), minutes=minutes)
    live = not leave and sys.stdout.isatty()
    pulled = spec.blackout
    click.echo(
        f"Adlershof, {minutes:g} minutes of a synthetic busy hour: {' and '.join(spec.arms)} side by side. "
        f"The brain is unplugged from {pulled.begin_s:g} s to {pulled.end_s:g} s. "
        "Its code is compiled on the first run, so it starts later then."
    )
    with ExitStack() as closing:
        room = None
        if live if page is None else page:
            from cityloop.studies.demo_room import DemoRoom

            room = DemoRoom(spec, port)
            closing.callback(room.close)
            room.start()
            click.echo(f"The operations room: {room.url}")
            if live:
                _open_browser(room.url)
        with _live_view(spec.arms) if live else _plain_lines() as show:
            outcome = run_demo(spec, show, room)
        report = write_report([folder], folder / "report.html")
        if room is not None:
            room.finish(outcome, report)
        _tell(spec, outcome, report)
        if live:
            _where_next(folder, report)
        if live and room is not None and sys.stdin.isatty():
            with suppress(KeyboardInterrupt, EOFError):
                input("\nThe page stays open until you press Enter. ")
    click.echo(folder)


def _tell(spec: DemoSpec, outcome: DemoOutcome, report: Path) -> None:
    """Print what was found."""
    from cityloop.studies.demo import hand_back_lines
    from cityloop.studies.services import service_lines
    from cityloop.studies.tables import summary_lines

    click.echo("")
    for line in (*summary_lines(outcome.summary), *hand_back_lines(outcome.hand_backs)):
        click.echo(line)
    for line in (*service_lines(outcome.services), *outcome.events):
        click.echo(line)
    click.echo("")
    click.echo(f"scorecard: {spec.out / 'scorecard.json'}")
    click.echo(f"report:    {report}")


def _where_next(folder: Path, report: Path) -> None:
    brain = folder / "brain" / "1"
    click.echo("\nWhere to look next:")
    click.echo(f"  open {report} in a browser")
    click.echo(f"  cityloop replay {brain}     recompute every decision from what the sensors said")
    click.echo("  cityloop doctor adlershof     what is wrong with the programs that ship with the district")


def _open_browser(url: str) -> None:
    """Open a browser that has a window; one that would take over the terminal is left alone."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        import webbrowser

        with suppress(webbrowser.Error):
            webbrowser.open(url)


@contextmanager
def _plain_lines() -> Iterator[Callable[[DemoTick], None]]:
    """Print a line an arm every few seconds, and all that happens while the brain is unplugged."""
    shown_at: dict[str, float] = {}
    unplugged: dict[str, bool] = {}

    def show(tick: DemoTick) -> None:
        turned = unplugged.get(tick.arm, False) != tick.unplugged
        unplugged[tick.arm] = tick.unplugged
        now = time.monotonic()
        due = turned or tick.unplugged or tick.now_s >= tick.end_s
        if due or now - shown_at.get(tick.arm, 0.0) >= _LINE_EVERY_S:
            shown_at[tick.arm] = now
            click.echo(
                f"{tick.arm:<12} seed {tick.seed} {tick.now_s:5.0f}/{tick.end_s:.0f} s  "
                f"{tick.vehicles:4d} vehicles, {tick.standing:3d} standing, "
                f"delay so far {tick.delay_s:5.1f} s  "
                f"{_modes(tick)}"
            )
            sys.stdout.flush()

    yield show


@contextmanager
def _live_view(arms: tuple[str, ...]) -> Iterator[Callable[[DemoTick], None]]:
    """Keep one table on the terminal, a row an arm."""
    from rich.console import Console
    from rich.live import Live

    latest: dict[str, DemoTick] = {}
    with Live(_table(arms, latest), console=Console(), refresh_per_second=4) as live:

        def show(tick: DemoTick) -> None:
            latest[tick.arm] = tick
            live.update(_table(arms, latest))

        yield show


def _table(arms: tuple[str, ...], latest: dict[str, DemoTick]) -> Table:
    """Lay out one row an arm, narrow enough for 80 columns.

    The last three count junctions: led by leases, on their own plan, on the way back to it.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title="delay so far; junctions led, on their own plan, going back",
    )
    table.add_column("control", no_wrap=True)
    for name in ("seed", "time", "vehicles", "standing", "delay"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("led", "own", "back"):
        table.add_column(name, justify="right", no_wrap=True, min_width=4)
    for arm in arms:
        tick = latest.get(arm)
        if tick is None:
            table.add_row(arm, "", "starting")
            continue
        own, leased, handing_back = tick.modes
        table.add_row(
            arm,
            str(tick.seed),
            f"{tick.now_s:.0f}/{tick.end_s:.0f} s",
            str(tick.vehicles),
            str(tick.standing),
            f"{tick.delay_s:.1f} s",
            str(leased),
            str(own),
            str(handing_back),
        )
    unplugged = [arm for arm, tick in latest.items() if tick.unplugged]
    if unplugged:
        table.caption = f"{unplugged[0].upper()} UNPLUGGED: every junction goes back to its own plan"
    elif len(latest) < len(arms):
        table.caption = "on the first run code is compiled, which takes a little longer"
    return table


def _modes(tick: DemoTick) -> str:
    """Say who decides at the junctions."""
    own, leased, handing_back = tick.modes
    if not (leased or handing_back or tick.unplugged):
        return f"{own} junctions on their own plan"
    words = f"{leased} junctions led, {own} on their own plan"
    if handing_back:
        words += f", {handing_back} handing back"
    return f"{words}{'  BRAIN UNPLUGGED' if tick.unplugged else ''}"
