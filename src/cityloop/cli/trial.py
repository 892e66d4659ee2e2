"""``cityloop trial``: plan, check and analyse a randomised field trial of the brain."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

_PROTOCOL = click.argument("protocol", type=click.Path(path_type=Path, dir_okay=False))


@click.group(name="trial")
def command() -> None:
    """Plan, check and analyse a field trial: on and off days by district, drawn from a seed and fixed beforehand."""


@command.command()
@click.option("--title", default="Field trial of the brain", show_default=True)
@click.option("--metric", required=True, help="What is judged, such as 'mean delay of a vehicle, sensed, 6 to 22 h'.")
@click.option("--unit", required=True, help="Its unit, such as s.")
@click.option("--better", type=click.Choice(["less", "more"]), default="less", show_default=True)
@click.option("--district", "districts", multiple=True, required=True, help="May be repeated.")
@click.option("--begin", required=True, metavar="DAY", help="First day, such as 2027-03-01.")
@click.option("--detectable", type=float, required=True, help="Difference worth having, in the metric's unit.")
@click.option("--pair-sd", type=float, required=True, help="Spread of the difference of two like days.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Draws the on and off days.")
@click.option("--alpha", type=float, default=0.05, show_default=True)
@click.option("--power", type=float, default=0.8, show_default=True)
@click.option("--looks", default="0.5,1", show_default=True, help="Shares of the pairs at which data are looked at.")
@click.option("--harm", type=float, default=0.25, show_default=True, help="Stop where a day is worse by this share.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="New folder.")
def plan(
    title: str,
    metric: str,
    unit: str,
    better: str,
    districts: tuple[str, ...],
    begin: str,
    detectable: float,
    pair_sd: float,
    seed: int,
    alpha: float,
    power: float,
    looks: str,
    harm: float,
    out: Path,
) -> None:
    """Write a protocol with as many days as its power asks for, its calendar, and its digest.

    \b
    Example:
      cityloop trial plan --metric "mean delay of a vehicle, sensed" --unit s --district north --district south \\
        --begin 2027-03-01 --detectable 3 --pair-sd 6 --seed 2027 --out trial
    """
    import csv

    import msgspec

    from cityloop.kernel.errors import ConfigError, StoreError
    from cityloop.studies.sheet import write_page
    from cityloop.studies.trial_design import design_trial, digest_of
    from cityloop.studies.trial_page import protocol_page

    try:
        shares = tuple(float(part) for part in looks.split(","))
    except ValueError:
        raise ConfigError(f"--looks {looks!r}: give shares such as 0.5,1") from None
    if out.is_dir() and any(out.iterdir()):
        raise StoreError(f"{out}: not empty; a protocol is never written over, give a new folder")
    made = design_trial(
        title=title, metric=metric, unit=unit, better=better, districts=districts, begin=begin, detectable=detectable,
        pair_sd=pair_sd, seed=seed, alpha=alpha, power=power, looks=shares, harm=harm,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "protocol.json").write_bytes(msgspec.json.format(msgspec.json.encode(made, order="deterministic")))
    with (out / "calendar.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("district", "day", "on", "pair"))
        writer.writerows((one.district, one.day, int(one.on), one.pair) for one in made.assignments)
    write_page(out / "protocol.html", protocol_page(made))
    click.echo(f"{made.pairs} pairs, {made.days} days; power {made.power:.0%} for {made.detectable:g} {unit}")
    click.echo(f"digest {digest_of(made)}")
    click.echo("deposit the digest with somebody else before the first day")


@command.command()
@_PROTOCOL
@click.argument("outcomes", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--digest", required=True, help="The digest that was deposited.")
@click.option("--look", type=float, default=1.0, show_default=True, help="One of the protocol's looks.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="New folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def analyse(protocol: Path, outcomes: Path, digest: str, look: float, out: Path, as_json: bool) -> None:
    """Judge OUTCOMES (CSV district, day, value and, if known, was_on) by PROTOCOL, and write the report.

    \b
    Example:
      cityloop trial analyse trial/protocol.json outcomes.csv --digest 3f9c... --out trial/report
    """
    import msgspec

    from cityloop.kernel.errors import InputError, StoreError
    from cityloop.studies.scorecard import write_json
    from cityloop.studies.sheet import write_page
    from cityloop.studies.trial_analysis import analyse_trial, read_outcomes
    from cityloop.studies.trial_design import read_protocol
    from cityloop.studies.trial_page import outcome_page

    if not protocol.is_file():
        raise InputError(f"{protocol}: no such file")
    if out.is_dir() and any(out.iterdir()):
        raise StoreError(f"{out}: not empty; give a new folder")
    fixed = read_protocol(protocol.read_bytes(), str(protocol))
    found = analyse_trial(fixed, digest, read_outcomes(outcomes), look)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "outcome.json", found)
    write_page(out / "report.html", outcome_page(fixed, found))
    click.echo(f"{found.verdict}: {found.pairs} of {found.pairs_planned} pairs")
    if found.p is not None:
        click.echo(f"difference {found.difference:+.3g} {fixed.unit}, p {found.p:.4f} against {found.bound:.4f}")
    for line in found.harm:
        click.echo(f"STOP RULE: {line}", err=True)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
