"""``cityloop simulate-sensors``: the readings of many sensors, sent to a server over any of its protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cityloop.storage.recorded_series import Series

__all__ = ["command"]

_PROTOCOLS = (
    "arrow",
    "senml",
    "senml-cbor",
    "csv",
    "sta",
    "mqtt",
    "sparkplug",
    "ttn",
    "chirpstack",
    "gtfs-realtime",
    "nmea",
    "hires",
)


@click.command(name="simulate-sensors")
@click.option("--url", required=True, metavar="URL", help="http, https, mqtt or mqtts://HOST:PORT.")
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
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Values of real sensors, told again: CSV or Parquet, of readings or of a column a sensor, or a run folder.",
)
@click.option("--twin", metavar="CITY", help="Values of the detectors of a city's twin, which is run first.")
@click.option("--twin-seconds", type=click.IntRange(min=10), default=600, show_default=True, help="How long it is run.")
@click.option("--register", is_flag=True, help="Register the streams first; needs the administrator's token.")
@click.option(
    "--http", "http_url", default="", metavar="URL", help="Where to register and look up when sending by MQTT."
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Authority of the server's certificate (PEM); else the system's.",
)
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
    twin: str | None,
    twin_seconds: int,
    register: bool,
    http_url: str,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Send the readings of many imagined sensors to a server.

    They are made up, told again from real series (--series), or those of a twin's detectors (--twin). Faulty ones
    are stuck, out of range, no numbers, an hour ahead or behind, said twice, of a clock never set or 5 s ahead,
    silent for a while, far off now and then, or out of order. Vehicles (gtfs-realtime, nmea) move, detectors (hires)
    switch, as the values do. nmea and hires go over HTTP alone, sparkplug and mqtt (one plain reading a message)
    over MQTT.

    \b
    Examples:
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --register --count 1000
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --count 120000 --rate 10 --connections 16
      cityloop simulate-sensors --url mqtt://127.0.0.1:1883 --token T --protocol mqtt --count 120000 --connections 5000
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --faults 0.05 --duration 600
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --register --twin adlershof --count 5000
      cityloop simulate-sensors --url http://127.0.0.1:8000 --token T --register --series speeds.csv --protocol senml
      cityloop simulate-sensors --url mqtts://city.example:8883 --http https://city.example --token T --register \\
        --protocol sparkplug --count 500
    """
    from dataclasses import asdict

    from cityloop.studies.sensor_fleet import FleetParams
    from cityloop.studies.sensor_load import LoadParams
    from cityloop.studies.simulate import simulate

    told = _told_again(series, twin, twin_seconds, seed)
    fleet = FleetParams(count=count, prefix=prefix, seed=seed, fault_share=faults, series=told)
    load = LoadParams(
        url=url,
        protocol=protocol,
        rate_hz=rate,
        duration_s=duration,
        connections=connections,
        pack=pack,
        qos=qos,
        token=token,
        http_url=http_url,
        ca_file=ca_file,
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


def _told_again(series: Path | None, twin: str | None, seconds: int, seed: int) -> Series | None:
    """Return the values that sensors tell again, None where they are made up."""
    from cityloop.storage.recorded_series import read_series
    from cityloop.studies.sensor_series import twin_series

    if series is not None and twin is not None:
        raise click.UsageError("give --series or --twin, not both")
    if twin is not None:
        click.echo(f"running the twin of {twin} for {seconds} s of its time", err=True)
        return twin_series(twin, seconds=seconds, seed=seed)
    return None if series is None else read_series(series)
