"""``cityloop bench dashboard``: the page in a real browser, under load."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="dashboard")
@click.option(
    "--row",
    type=click.Choice(["page", "ten-dashboards"]),
    default="page",
    show_default=True,
    help="The page itself, or ten dashboards on a running city.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0.5, max=600), default=30.0, show_default=True, help="With the ten watching."
)
@click.option("--city", default="adlershof", show_default=True, help="The city that the ten watch.")
@click.option("--seconds", type=click.FloatRange(min=1, max=600), default=10.0, show_default=True, help="Each motion.")
@click.option(
    "--chromium",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The browser; by default the system's.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep a picture of every view there, in both themes and languages, here and on a phone.",
)
@click.option(
    "--json", "json_out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Results file."
)
def command(
    row: str,
    minutes: float,
    city: str,
    seconds: float,
    chromium: Path | None,
    pictures: Path | None,
    json_out: Path | None,
) -> None:
    """Measure frames, bytes and the first map, with WebGL off; or ten dashboards on a running city.

    The row page serves the made-up city of the load test (120,000 sensors, 2,000 vehicles, 760 junctions) and opens it
    at 1440 x 900. A frame counts when the pixels of the map really changed. The row ten-dashboards serves CITY at its
    own pace and watches it first with nobody, then with ten: four that read, two that are slow, two asleep, one in a
    storm of reconnections, one that asks for its pages over and over.

    \b
    Examples:
      cityloop bench dashboard
      cityloop bench dashboard --seconds 30 --json dashboard.json --pictures pictures
      cityloop bench dashboard --row ten-dashboards --minutes 30
    """
    if row == "ten-dashboards":
        _room(minutes, city, json_out)
        return
    import orjson

    from cityloop.studies.dashboard import DashboardBench, Motion, measure_dashboard
    from cityloop.studies.pdf import usual_chromium

    figures = measure_dashboard(
        DashboardBench(seconds=seconds, chromium=chromium or usual_chromium(), pictures=pictures)
    )

    def motion(name: str, told: Motion) -> None:
        click.echo(
            f"{name:<24} {told.changed_per_s:5.1f} changed frames/s, interval p95 {told.interval_p95_ms:.0f} ms, "
            f"longest {told.interval_longest_ms:.0f} ms"
        )

    motion("still", figures.still)
    motion("panning", figures.panning)
    motion("still, all sensors", figures.still_with_sensors)
    motion("panning, all sensors", figures.panning_with_sensors)
    click.echo(f"{'first map':<24} {figures.first_map_ms / 1000:.2f} s")
    click.echo(
        f"{'feed':<24} {figures.frames_per_s:.1f} frames/s, median {figures.frame_bytes_median / 1000:.1f} KB, "
        f"largest {figures.frame_bytes_largest / 1000:.1f} KB"
    )
    click.echo(f"{'scripts and styles':<24} {figures.scripts_and_styles_kb:.1f} KB compressed")
    click.echo(f"{'asked of others':<24} {figures.foreign_requests} requests")
    click.echo(f"{'machine':<24} load average {figures.load_average:.1f} before the measurement")
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(figures.as_dict(), option=orjson.OPT_INDENT_2))


def _room(minutes: float, city: str, json_out: Path | None) -> None:
    import orjson

    from cityloop.studies.dashboard_room import Growth, Lateness, RoomBench, measure_room

    found = measure_room(RoomBench(minutes=minutes, city=city))

    def late(name: str, told: Lateness, load: float) -> None:
        click.echo(
            f"{name:<24} {told.ticks} ticks, {told.late} more than 100 ms late; median {told.median_ms:.1f}, "
            f"99th percentile {told.p99_ms:.1f}, worst {told.worst_ms:.1f} ms; load average {load:.1f}"
        )

    def growth(name: str, told: Growth) -> None:
        click.echo(
            f"{name:<24} {told.first_mb:.1f} to {told.last_mb:.1f} MB resident, {told.slope_kb_min:+.1f} KB a minute "
            f"({told.low_kb_min:+.1f} to {told.high_kb_min:+.1f})"
        )

    late("nobody watches", found.alone, found.load_alone)
    late("ten watch", found.watched, found.load_watched)
    growth("server", found.server)
    growth("running city", found.running_city)
    click.echo(
        f"{'the ten':<24} {found.frames} frames, {found.connections} connections, {found.answers} answers; "
        f"{found.failed} failed"
    )
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2))
