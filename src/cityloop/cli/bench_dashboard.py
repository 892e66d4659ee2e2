"""``cityloop bench dashboard``: the page in a real browser, under load."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="dashboard")
@click.option(
    "--row",
    type=click.Choice(["page", "ten-dashboards", "hold", "alerts"]),
    default="page",
    show_default=True,
    help="The page itself, ten dashboards on a running city, a hold's way to the controller, or how many alerts.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.5, max=600),
    default=30.0,
    show_default=True,
    help="With the ten watching; of the row alerts, by the city's clock.",
)
@click.option("--city", default="adlershof", show_default=True, help="The city that is served, of rows but page.")
@click.option("--holds", type=click.IntRange(2, 500), default=30, show_default=True, help="Of the row hold.")
@click.option("--pace", type=float, default=5.0, show_default=True, metavar="F", help="Of the row alerts.")
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
    holds: int,
    pace: float,
    seconds: float,
    chromium: Path | None,
    pictures: Path | None,
    json_out: Path | None,
) -> None:
    """Measure frames, bytes and the first map, with WebGL off; or ten dashboards on a running city.

    The row page serves the made-up city of the load test (120,000 sensors, 2,000 vehicles, 760 junctions) and opens it
    at 1440 x 900. A frame counts when the pixels of the map really changed. The row ten-dashboards serves CITY at its
    own pace and watches it first with nobody, then with ten: four that read, two that are slow, two asleep, one in a
    storm of reconnections, one that asks for its pages over and over. The row hold presses H and Enter at one junction
    after the other until the page tells the controller's receipt, waits for a hold to end, and kills the server under
    one. The row alerts serves CITY as it is on an ordinary day and counts what it raises.

    \b
    Examples:
      cityloop bench dashboard
      cityloop bench dashboard --seconds 30 --json dashboard.json --pictures pictures
      cityloop bench dashboard --row ten-dashboards --minutes 30
      cityloop bench dashboard --row hold --holds 30
      cityloop bench dashboard --row alerts --minutes 60 --pace 5
    """
    if row == "ten-dashboards":
        _room(minutes, city, json_out)
        return
    if row == "hold":
        _hold(chromium, city, holds, json_out)
        return
    if row == "alerts":
        _alerts(minutes, city, pace, json_out)
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
        f"{sum(found.failed.values())} failed"
    )
    for what, count in sorted(found.failed.items(), key=lambda one: -one[1]):
        click.echo(f"{'':<24} {count} times {what}")
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2))


def _hold(chromium: Path | None, city: str, holds: int, json_out: Path | None) -> None:
    import orjson

    from cityloop.studies.dashboard_hold import HoldBench, measure_holds
    from cityloop.studies.pdf import usual_chromium

    found = measure_holds(HoldBench(chromium=chromium or usual_chromium(), city=city, holds=holds))
    click.echo(
        f"{'key press to receipt':<24} {found.holds} holds, {found.receipts} with the controller's receipt; median "
        f"{found.median_ms:.0f}, 95th percentile {found.p95_ms:.0f}, worst {found.worst_ms:.0f} ms; "
        f"{found.over_a_second} over 1 s; at the server at most {found.at_server_worst_ms:.0f} ms"
    )
    click.echo(f"{'a hold of 10 s':<24} over by itself, seen after {found.ended_after_s:.1f} s of the city's clock")
    kept = "the same act with the same end" if found.kept_after_kill else "NOT KEPT"
    click.echo(
        f"{'after kill -9':<24} {kept}; the server answers after {found.served_again_s:.1f} s, the hold is in force "
        f"again after {found.in_force_again_s:.1f} s"
    )
    click.echo(f"{'machine':<24} load average {found.load_average:.1f} before the measurement")
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2))


def _alerts(minutes: float, city: str, pace: float, json_out: Path | None) -> None:
    import orjson

    from cityloop.studies.dashboard_alerts import AlertBench, count_alerts

    found = count_alerts(AlertBench(city=city, minutes=minutes, pace=pace))
    click.echo(
        f"{'alerts':<24} {found.alerts} in {found.minutes:.1f} min of the city's time: "
        f"{found.per_ten_minutes:.2f} in ten minutes; most in any ten: {found.most_in_ten}"
    )
    for kind, number in found.by_kind.items():
        click.echo(f"  {kind:<22} {number}")
    click.echo(
        f"{'decisions':<24} "
        + "; ".join(
            f"{domain} {one['decisions']}: reason {one['reason']}, forecast {one['forecast']}, due {one['due']}, "
            f"observed {one['value']}, of these overtaken {one['overtaken']}; cut off {one['cut']}"
            for domain, one in found.told.items()
        )
    )
    if json_out is not None:
        json_out.write_bytes(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2))
