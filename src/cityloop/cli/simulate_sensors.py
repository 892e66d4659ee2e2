"""``cityloop simulate-sensors``: the readings of many sensors, sent to a server over any of its protocols."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]

_PROTOCOLS = ("arrow", "senml", "csv", "sta", "mqtt")


@click.command(name="simulate-sensors")
@click.option("--url", required=True, metavar="URL", help="http://HOST:PORT, or mqtt://HOST:PORT for mqtt.")
@click.option("--protocol", type=click.Choice(_PROTOCOLS), default="arrow", show_default=True, help="How to send.")
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="Sensors.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Readings of each a second.",
)
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, metavar="S")
@click.option("--connections", type=click.IntRange(min=1), default=8, show_default=True, help="Connections.")
@click.option("--pack", type=click.IntRange(min=1), default=1000, show_default=True, help="Readings a request.")
@click.option("--qos", type=click.IntRange(0, 1), default=0, show_default=True, help="QoS of MQTT messages.")
@click.option("--token", default="", metavar="TOKEN", help="A device's or the administrator's token.")
@click.option("--prefix", default="sensor-", show_default=True, help="Streams are named PREFIX000000 and so on.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--faults", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of faulty sensors.")
@click.option(
    "--series",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="CSV of real readings (stream,observed_at_ms,value) whose values are replayed.",
)
@click.option("--register", is_flag=True, help="Register the streams first; needs the administrator's token.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    url: str,
    protocol: str,
    count: int,
    rate: float,
    duration: float,
    connections: int,
    pack: int,
    qos: int,
    token: str,
    prefix: str,
    seed: int,
    faults: float,
    series: Path | None,
    register: bool,
    as_json: bool,
) -> None:
    """Send the readings of many imagined sensors to a server.

    \b
    Examples:
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --register --count 1000
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --count 120000 --rate 10 --connections 16
      cityloop simulate-sensors --url mqtt://127.0.0.1:1883 --token T --protocol mqtt --count 120000 --connections 5000
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --faults 0.05 --duration 600
    """
    from dataclasses import asdict

    from cityloop.studies.sensor_fleet import FleetParams
    from cityloop.studies.sensor_load import LoadParams
    from cityloop.studies.simulate import simulate

    fleet = FleetParams(count=count, prefix=prefix, seed=seed, fault_share=faults, series=series)
    load = LoadParams(
        url=url,
        protocol=protocol,
        rate_hz=rate,
        duration_s=duration,
        connections=connections,
        pack=pack,
        qos=qos,
        token=token,
    )
    report = simulate(fleet, load, register=register)
    click.echo(
        f"{report.sent} readings sent in {report.wall_s:g} s ({report.rate_per_s:.0f} a second), "
        f"{report.acknowledged} acknowledged, {report.refused} refused, "
        f"{report.failed} failed, {report.blocked} held back"
    )
    if report.ack_ms:
        click.echo("acknowledged after " + ", ".join(f"{name} {ms:g} ms" for name, ms in report.ack_ms.items()))
    if report.behind_s > 1:
        click.echo(f"the sender itself fell {report.behind_s:.1f} s behind: the load was less than asked for", err=True)
    if as_json:
        click.echo(json.dumps(asdict(report), separators=(",", ":")))
