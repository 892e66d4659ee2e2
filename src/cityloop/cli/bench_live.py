"""``cityloop bench live``: a city led by two processes over a link, beside the same in one."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="live")
@click.option("--city", required=True, metavar="CITY", help="A built-in name, a city folder or a .sumocfg.")
@click.option("--control", type=click.Choice(["brain", "max-pressure"]), default="brain", show_default=True)
@click.option("--sensing", default="area:150", show_default=True, metavar="LEVEL")
@click.option("--seeds", default="5", show_default=True, metavar="N | A,B", help="How many seeds, or which, by comma.")
@click.option(
    "--link",
    "links",
    multiple=True,
    default=("clean", "poor:loss=0.05,delay=0.1,jitter=0.4"),
    show_default=True,
    metavar="NAME[:KEY=VALUE,...]",
    help="transport (mqtt, http, simulated), loss (share), delay and jitter (seconds). May be repeated.",
)
@click.option("--pace", type=float, default=1.0, show_default=True, metavar="F", help="Of the city's clock, when live.")
@click.option("--settle-ms", type=int, default=500, show_default=True, help="How long readings of a second may take.")
@click.option("--begin", "begin_s", type=float, metavar="S", help="Begin here, not as configured [s].")
@click.option("--end", "end_s", type=float, metavar="S", help="End here, not as configured [s].")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Live runs side by side.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Keep runs, and go on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    city: str,
    control: str,
    sensing: str,
    seeds: str,
    links: tuple[str, ...],
    pace: float,
    settle_ms: int,
    begin_s: float | None,
    end_s: float | None,
    jobs: int,
    keep: Path,
    as_json: bool,
) -> None:
    """Compare live with inline, paired over seeds: the link must cost no more than the choice of a seed does.

    A live run takes the city's own time (divided by the pace). On a machine that is busy otherwise, leave the pace low:
    a field that is late is no longer the same city.

    \b
    Examples:
      cityloop bench live --city adlershof --seeds 5 --end 900 --keep runs/live
      cityloop bench live --city my.sumocfg --link sim:transport=simulated --keep runs/simulated
      cityloop bench live --city my.sumocfg --link clean --link http:transport=http --pace 4 --keep runs/live
    """
    import msgspec

    from cityloop.studies.live_compare import LiveBenchSpec, bench_live, parse_link
    from cityloop.studies.matrix import parse_seeds

    spec = LiveBenchSpec(
        city=city,
        out=keep,
        seeds=parse_seeds(seeds),
        links=tuple(parse_link(text) for text in links),
        control=control,
        sensing=sensing,
        pace=pace,
        settle_ms=settle_ms,
        begin_s=begin_s,
        end_s=end_s,
        jobs=jobs,
    )
    bench = bench_live(spec, lambda line: click.echo(line, err=True))
    inline = " ".join(f"{delay_s:.2f}" for delay_s in bench.inline_delay_s)
    noise = "" if bench.seed_noise_s is None else f", seeds alone make ±{bench.seed_noise_s:.2f} s"
    click.echo(f"inline: {inline} s{noise}")
    for score in bench.links:
        live = " ".join(f"{delay_s:.2f}" for delay_s in score.delay_s)
        click.echo(f"{score.link.name}: {live} s; {score.words}; {score.unsafe} unsafe lamp states")
    if as_json:
        click.echo(msgspec.json.encode(bench).decode())
