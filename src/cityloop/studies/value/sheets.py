"""Timing sheets of a city's plans: a table for people, and UTDF for the tools of the trade.

UTDF (Universal Traffic Data Format) is the CSV of sections that Synchro and others read: nodes, links, timing plans and
phases. Stages are written as phases: a stage's green, with the longest yellow of the links that it shows, and the
all-red that a change to the next stage of the plan needs. What UTDF has no place for (crossing clearances by link)
stands in the table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.cities.sumo.network import Network
from cityloop.domains.signals.schema import Lamp, Plan
from cityloop.kernel.errors import ConfigError

__all__ = ["TimingRow", "timing_csv", "timing_rows", "utdf_csv"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRow:
    """One stage of one plan."""

    junction: str
    row: int
    cycle_s: float
    offset_s: float
    order: int
    stage: int
    green_s: float
    min_green_s: float
    gap_s: float
    yellow_s: float
    all_red_s: float
    next_stage: int
    links: str
    """Links that it shows green, by their numbers at the junction; those that give way in brackets."""


def timing_rows(network: Network, plans: Sequence[Plan]) -> list[TimingRow]:
    """Return every stage of every plan with the change that follows it."""
    row_of = {name: row for row, name in enumerate(network.tls_ids)}
    rows: list[TimingRow] = []
    for plan in plans:
        if plan.junction not in row_of:
            raise ConfigError(f"the plan names junction {plan.junction!r}, which the network does not have")
        rows += _plan_rows(network, plan, row_of[plan.junction])
    return rows


def _plan_rows(network: Network, plan: Plan, row: int) -> Iterator[TimingRow]:
    c, assets = network.assets.controllers, network.assets
    stages = int(c.stage_end[row] - c.stage_begin[row])
    links = slice(int(c.link_begin[row]), int(c.link_end[row]))
    n = links.stop - links.start
    lamps = assets.lamps[int(c.lamps_begin[row]) :][: stages * n].reshape(stages, n)
    between = assets.intergreen_s[int(c.intergreen_begin[row]) :][: stages * stages].reshape(stages, stages)
    changes = []
    for place, shown in enumerate(plan.stages):
        after = plan.stages[(place + 1) % len(plan.stages)].stage
        green = np.isin(lamps[shown.stage], (int(Lamp.PERMISSIVE), int(Lamp.PROTECTED)))
        yellow = float(np.where(green, assets.links.yellow_s[links], 0.0).max(initial=0.0))
        change = float(between[shown.stage, after])
        changes.append((after, min(yellow, change), max(change - yellow, 0.0), green))
    cycle_s = sum(shown.green_s for shown in plan.stages) + sum(one[1] + one[2] for one in changes)
    for place, (shown, (after, yellow_s, red_s, green)) in enumerate(zip(plan.stages, changes, strict=True)):
        told = [
            f"({link})" if lamps[shown.stage, link] == Lamp.PERMISSIVE else str(link)
            for link in np.flatnonzero(green).tolist()
        ]
        yield TimingRow(
            junction=plan.junction, row=row, cycle_s=round(cycle_s, 1), offset_s=plan.offset_s, order=place + 1,
            stage=shown.stage + 1, green_s=shown.green_s, min_green_s=shown.min_green_s, gap_s=shown.gap_s,
            yellow_s=round(yellow_s, 1), all_red_s=round(red_s, 1), next_stage=after + 1, links=" ".join(told),
        )  # fmt: skip


def timing_csv(rows: Sequence[TimingRow], plan: str) -> str:
    """Return the sheet as CSV, one row a stage."""
    names = ("plan", "junction", "cycle_s", "offset_s", "order", "stage", "green_s", "min_green_s", "gap_s", "yellow_s",
             "all_red_s", "next_stage", "links")  # fmt: skip
    return _csv([names, *([plan, *(getattr(row, name) for name in names[1:])] for row in rows)])


def utdf_csv(network: Network, rows: Sequence[TimingRow], plan: str, title: str) -> str:
    """Return plans as a combined UTDF file: [Network], [Nodes], [Timeplans] and [Phases]."""
    places, nodes = network.layout.junctions, sorted({row.row for row in rows})
    lines: list[Sequence[object]] = [
        ("[Network]",), ("RECORDNAME", "DATA"), ("UTDFVERSION", 8), ("Metric", 1), ("yellowTime", 3),
        ("SCENARIO", title), (),
        ("[Nodes]",), ("INTID", "TYPE", "X", "Y", "Z", "DESCRIPTION", "CBD", "Inside Radius", "Outside Radius"),
    ]  # fmt: skip
    for row in nodes:
        x, y = round(float(places.x_m[row]), 1), round(float(places.y_m[row]), 1)
        lines.append((row + 1, 0, x, y, 0, network.tls_ids[row], "", "", ""))
    lines += [(), ("[Timeplans]",), ("RECORDNAME", "INTID", "DATA")]
    for row in nodes:
        mine = [one for one in rows if one.row == row]
        actuated = any(one.gap_s > 0 for one in mine)
        lines += [
            ("Control Type", row + 1, 3 if actuated else 0), ("Cycle Length", row + 1, mine[0].cycle_s),
            ("Lock Timings", row + 1, 0), ("Referenced To", row + 1, 0), ("Reference Phase", row + 1, mine[0].order),
            ("Offset", row + 1, mine[0].offset_s), ("Node 0", row + 1, row + 1), ("Plan", row + 1, plan),
        ]  # fmt: skip
    most = max((row.order for row in rows), default=0)
    lines += [(), ("[Phases]",), ("RECORDNAME", "INTID", *(f"D{order}" for order in range(1, most + 1)))]
    for row in nodes:
        mine = sorted((one for one in rows if one.row == row), key=lambda one: one.order)
        records: list[tuple[str, list[float]]] = [
            ("BRP", [10 * one.order + 1 for one in mine]),
            ("MinGreen", [one.min_green_s for one in mine]),
            ("MaxGreen", [one.green_s for one in mine]),
            ("VehExt", [one.gap_s for one in mine]),
            ("Yellow", [one.yellow_s for one in mine]),
            ("AllRed", [one.all_red_s for one in mine]),
            ("Recall", [0 if one.gap_s > 0 else 3 for one in mine]),
        ]
        lines += [(name, row + 1, *values, *([""] * (most - len(values)))) for name, values in records]
    return _csv(lines)


def _csv(lines: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
