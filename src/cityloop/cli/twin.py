"""``cityloop twin``: the twin as a city of its own, which a brain leads by public protocols alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

__all__ = ["command"]


@click.group(name="twin")
def command() -> None:
    """Serve the twin as a stranger's city: a process of its own that speaks MQTT or HTTP to a brain.

    \b
    Examples:
      cityloop twin layout adlershof --out live-adlershof
      cityloop serve live-adlershof --port 8420 --mqtt-port 1883 --rung live --data room
      cityloop twin serve adlershof --url mqtt://127.0.0.1:1883 --token-file room/sensing/field.token --out field
    """


_DEVICE = click.option("--device", default="field", show_default=True, metavar="NAME", help="Who it is to the brain.")
_SENSING = click.option(
    "--sensing", default="area:150", show_default=True, metavar="LEVEL", help="What its sensors see."
)
_PACE = click.option("--pace", type=float, default=1.0, show_default=True, metavar="F", help="Its seconds a second.")


@command.command(name="layout")
@click.argument("city")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR", help="New or empty."
)
@_SENSING
@_DEVICE
@_PACE
@click.option("--settle-ms", type=int, default=500, show_default=True, help="How long readings of a second may take.")
@click.option("--answer-ms", type=int, default=250, show_default=True, help="How long receipts are waited for.")
def layout(city: str, out: Path, sensing: str, device: str, pace: float, settle_ms: int, answer_ms: int) -> None:
    """Write the folder by which a brain knows CITY as a live one: city.toml and the city document.

    \b
    Examples:
      cityloop twin layout adlershof --out live-adlershof
      cityloop twin layout my.sumocfg --pace 5 --out live-mine
    """
    from cityloop.app.field_twin import write_layout
    from cityloop.cities.live.folder import LiveToml
    from cityloop.kernel.errors import ConfigError

    try:
        live = LiveToml(
            device=device,
            settle_ms=settle_ms,
            answer_ms=answer_ms,
            pace=pace,
            # A faster clock showed the wall's time long ago enough that both sides agree on it ever after.
            origin_ms=0 if pace == 1.0 else _now_ms(),
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    write_layout(city, out, sensing=sensing, live=live)
    click.echo(f"{out}: a live city for cityloop serve and cityloop run; its field is device {device!r}")


@command.command(name="serve")
@click.argument("city")
@click.option("--url", required=True, metavar="URL", help="The brain: mqtt://HOST:PORT or http://HOST:PORT.")
@click.option("--token", envvar="CITYLOOP_TOKEN", metavar="T", help="The device's token; else CITYLOOP_TOKEN.")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where it lies.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The field's own record: SUMO's outputs, and a run.toml to score them by. New or empty.",
)
@_DEVICE
@_SENSING
@_PACE
@click.option(
    "--clock",
    "live_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Take pace, clock and device from this live city's folder.",
)
@click.option("--pack", type=click.Choice(["arrow", "senml"]), default="arrow", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="SUMO's seed.")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--plans", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@click.option(
    "--faults", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE", help="Of sensors."
)
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin here, not as configured [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End here, not as configured [s].")
@click.option("--repeat", is_flag=True, help="Begin anew when the hours are over, until interrupted.")
@click.option("--loss", type=float, default=0.0, show_default=True, metavar="SHARE", help="Messages the link loses.")
@click.option(
    "--delay", "delay_s", type=float, default=0.0, show_default=True, metavar="S", help="How long each takes."
)
@click.option(
    "--jitter",
    "jitter_s",
    type=float,
    default=0.0,
    show_default=True,
    metavar="S",
    help="Up to so much longer, so that messages overtake one another.",
)
@click.option("--link-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the link's faults.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a line for each pack of readings that the brain acknowledged.",
)
@click.option("--patience", "patience_s", type=float, default=60.0, show_default=True, metavar="S")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def serve(
    city: str,
    url: str,
    token: str | None,
    token_file: Path | None,
    out: Path,
    device: str,
    sensing: str,
    pace: float,
    live_folder: Path | None,
    pack: str,
    seed: int,
    scale: float,
    plans: Path | None,
    faults: Path | None,
    begin_s: float | None,
    end_s: float | None,
    repeat: bool,
    loss: float,
    delay_s: float,
    jitter_s: float,
    link_seed: int,
    record: Path | None,
    patience_s: float,
    as_json: bool,
) -> None:
    """Run CITY as a field: publish its detectors, take leases, answer receipts; without a brain, its own plans.

    \b
    Examples:
      cityloop twin serve adlershof --url mqtt://127.0.0.1:1883 --token-file room/sensing/field.token --out field
      cityloop twin serve my.sumocfg --url http://127.0.0.1:8420 --token T --pace 5 --clock live-mine --out field
      cityloop twin serve adlershof --url mqtt://127.0.0.1:1883 --token T --loss 0.05 --delay 0.2 --jitter 0.5 --out f
    """
    from cityloop.app.field_agent import LinkFaults
    from cityloop.app.field_twin import FieldTwinSpec, serve_field
    from cityloop.cities.live.folder import read_live_case

    origin_ms = 0
    if live_folder is not None:
        live = read_live_case(str(live_folder)).toml
        pace, origin_ms, device = live.pace, live.origin_ms, live.device
    elif pace != 1.0:
        raise click.UsageError("a field and its brain must agree on a faster clock: give --clock DIR, the live folder")
    spec = FieldTwinSpec(
        city=city,
        out=out,
        url=url,
        token=_token(token, token_file),
        device=device,
        pack=pack,
        sensing=sensing,
        seed=seed,
        scale=scale,
        plans=plans,
        faults=faults,
        begin_s=begin_s,
        end_s=end_s,
        pace=pace,
        origin_ms=origin_ms,
        repeat=repeat,
        link=LinkFaults(loss=loss, delay_s=delay_s, jitter_s=jitter_s, seed=link_seed),
        record=record,
        patience_s=patience_s,
    )
    # Whoever stops it, by key or by service, lets it hand over what it measured.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = serve_field(spec, lambda line: click.echo(line))
    told = {name: getattr(result, name) for name in result.__dataclass_fields__}
    click.echo(
        f"{out}: {result.steps} s, {result.acknowledged} of {result.packs} packs acknowledged, {result.leases} leases"
    )
    if as_json:
        click.echo(json.dumps(told, separators=(",", ":")))


def _token(given: str | None, file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{file} cannot be read ({error})", param_hint="--token-file") from error
    if not given:
        raise click.UsageError("give the device's --token or --token-file")
    return given


def _now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000
