"""``cityloop doctor``: check the installation, and what a city's programs get wrong."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cityloop.cities.sumo.audit import Finding

__all__ = ["command"]

_SHOWN = 5
"""Findings of one kind that are printed without --all."""


@click.command(name="doctor")
@click.argument("city", required=False)
@click.option("--all", "everything", is_flag=True, help="Print every finding, not the first few of a kind.")
@click.option("--warm", is_flag=True, help="Compile now what the first run would wait for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(city: str | None, everything: bool, warm: bool, as_json: bool) -> int:
    """Check that this machine can run cityloop, and audit the programs of CITY.

    Findings about a city are warnings. Only a broken installation ends with 1.

    \b
    Examples:
      cityloop doctor
      cityloop doctor adlershof
      cityloop doctor my.sumocfg --all
      cityloop doctor --warm
    """
    from cityloop.studies.doctor import examine

    examined = examine(Path.cwd())
    for one in examined:
        mark = "ok" if one.ok else "BROKEN" if one.broken else "warning"
        click.echo(f"{mark:<8}{one.name}: {one.found}{'' if one.ok else f'; {one.fix}'}")
    broken = any(one.broken for one in examined)
    if warm and not broken:
        from cityloop.studies.warm import warm_up

        click.echo(f"{'ok':<8}compiled: {warm_up()}")
    findings: list[Finding] = []
    if city is not None and not broken:
        from cityloop.cities.sumo.audit import audit_city
        from cityloop.cities.sumo.folder import resolve_city

        findings = audit_city(resolve_city(city))
        _print(city, findings, everything)
    if as_json:
        import orjson

        click.echo(
            orjson.dumps(
                {
                    "ok": not broken,
                    "installation": [dataclasses.asdict(one) for one in examined],
                    "city": city,
                    "findings": [_record(one) for one in findings],
                }
            )
        )
    return int(broken)


def _print(city: str, findings: list[Finding], everything: bool) -> None:
    """Print the findings by kind, each kind with its bound's source and what the other arms do."""
    kinds = Counter(one.check for one in findings)
    junctions = len({one.junction for one in findings if one.junction})
    click.echo(f"\n{city}: {len(findings)} findings at {junctions} junctions")
    for kind, count in kinds.items():
        of_kind = sorted((one for one in findings if one.check == kind), key=_by_shortfall)
        click.echo(f"\n{kind.value}: {count}   [{of_kind[0].standard}]")
        for one in of_kind if everything else of_kind[:_SHOWN]:
            bound = f"; bound {one.bound:.4g} {one.unit}" if one.junction else ""
            phase = f", phase {one.phase}" if one.phase >= 0 else ""
            click.echo(f"  {one.what}{phase}{bound}")
        if not everything and count > _SHOWN:
            click.echo(f"  ... and {count - _SHOWN} more; --all prints them")
        click.echo(f"  every arm but shipped: {of_kind[0].remedy}")


def _by_shortfall(finding: Finding) -> tuple[float, str, int]:
    """Put the worst first."""
    short = finding.value - finding.bound
    return (0.0 if math.isnan(short) else short, finding.junction, finding.link)


def _record(finding: Finding) -> dict[str, object]:
    record = dataclasses.asdict(finding)
    record["check"] = finding.check.value
    record["value"] = None if math.isnan(finding.value) else finding.value
    return record
