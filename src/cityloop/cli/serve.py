"""``cityloop serve``: the operations room of one city, on one port."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="serve")
@click.argument("city", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=8420, show_default=True, help="HTTP port; 0 for any.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("cityloop-data"),
    show_default=True,
    metavar="DIR",
    help="Where everything is kept.",
)
@click.option("--mqtt-port", type=click.IntRange(1, 65535), metavar="M", help="Listen for devices over MQTT as well.")
@click.option("--pace", type=float, default=1.0, show_default=True, metavar="F", help="Seconds of the city a second.")
@click.option("--control", type=click.Choice(["brain", "max-pressure"]), default="brain", show_default=True)
@click.option("--sensing", default="area:150", show_default=True, metavar="LEVEL", help="What the twin's sensors see.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="SUMO's seed.")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option(
    "--rung",
    type=click.Choice(["shadow", "advise", "live"]),
    default="shadow",
    show_default=True,
    help="Where the ladder stands until somebody sets it; kept from the first start on.",
)
@click.option("--keep-days", type=float, default=7.0, show_default=True, metavar="D", help="How long traces are kept.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Other addresses take --tls-cert and --tls-key.")
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@click.option(
    "--tls-clients",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Authorities of device certificates: devices may then be known by these instead of tokens.",
)
@click.option(
    "--bridge",
    "bridge_urls",
    multiple=True,
    envvar="CITYLOOP_BRIDGE",
    metavar="URL",
    help="Listen to a broker that the city runs: mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX]. May be repeated.",
)
@click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="Push alerts there. May be repeated.")
@click.option(
    "--oidc",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Let people sign in through an OpenID Connect issuer as well: a TOML file, see docs/security.md.",
)
@click.option(
    "--basemap",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw a GeoJSON file of your own (water, green, buildings; in degrees) under the network.",
)
@click.option("--load-test", is_flag=True, help="Serve a made-up city of 120,000 sensors, to measure the page.")
def command(
    city: str | None,
    port: int,
    data: Path,
    mqtt_port: int | None,
    pace: float,
    control: str,
    sensing: str,
    seed: int,
    scale: float,
    rung: str,
    keep_days: float,
    host: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_clients: Path | None,
    bridge_urls: tuple[str, ...],
    webhooks: tuple[str, ...],
    oidc: Path | None,
    basemap: Path | None,
    load_test: bool,
) -> None:
    """Serve CITY: sensing, API and dashboard on one port, the city running beside it.

    CITY is a built-in name, a city folder, a SUMO .sumocfg, or the folder of a live city, whose field is run by others
    and speaks to this port (see cityloop twin). The token comes from CITYLOOP_TOKEN, or is made and
    kept in DIR/token.

    \b
    Examples:
      cityloop serve adlershof --port 8420 --data room
      cityloop serve adlershof --pace 5 --rung live --data room
      cityloop serve live-adlershof --mqtt-port 1883 --rung live --data room
      cityloop serve adlershof --bridge mqtt://broker.example:1883/city --data room
      cityloop serve mytown --basemap mytown-land.geojson --data room
      cityloop serve --load-test --port 8420 --data load
    """
    from cityloop.app.serve import ServeSpec, serve
    from cityloop.sensing.mqtt.bridge import BridgeParams
    from cityloop.web.oidc_params import read_oidc

    if (city is None) is not load_test:
        raise click.UsageError("give a CITY, or --load-test without one")
    spec = ServeSpec(
        city=city,
        data=data,
        port=port,
        host=host,
        mqtt_port=mqtt_port,
        pace=pace,
        control=control,
        sensing=sensing,
        seed=seed,
        scale=scale,
        rung=rung,
        keep_days=keep_days,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_clients=tls_clients,
        webhooks=webhooks,
        oidc=None if oidc is None else read_oidc(oidc),
        basemap=basemap,
        bridges=tuple(BridgeParams.of_url(url) for url in bridge_urls),
    )
    serve(spec, lambda line: click.echo(line))
