"""Pictures of delay: by arm, over time, and by junction on the map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from cityloop.cities.sumo.netfile import NetFile
from cityloop.studies.junction_delay import JunctionScore
from cityloop.studies.scorecard import RunScore
from cityloop.studies.summary import Summary
from cityloop.studies.svg import Frame, axis_ticks, clock, element, figure, number, polyline, text

__all__ = ["delay_by_arm", "delay_map", "delay_over_time", "junction_numbers"]

_WIDTH = 760.0
_LETTER = 8.4
"""Rough width of a letter of a label."""


def delay_by_arm(name: str, summary: Summary, scores: Mapping[str, Sequence[RunScore]]) -> str:
    """Draw each arm's mean delay, its interval, and every seed."""
    rows = [arm for arm in summary.arms if "delay_s" in arm.measures]
    if not rows:
        return ""
    values = {arm: [s.vehicles.delay_s or 0.0 for s in runs] for arm, runs in scores.items()}
    high = max(max(values[row.arm] + [row.measures["delay_s"].high or 0.0]) for row in rows)
    left = 24 + _LETTER * max(len(row.arm) for row in rows)
    height = 44.0 * len(rows) + 52
    frame = Frame((left, 12, _WIDTH - 90, height - 40), (0, high * 1.04), (0, 1))
    parts = _x_grid(frame, axis_ticks(0, high, 8), lambda value: number(value, 0), "mean delay of a vehicle [s]")
    for row, arm in enumerate(rows):
        y = 34.0 + 44 * row
        found = arm.measures["delay_s"]
        style = f"s{row % 7}"
        for score in scores[arm.arm]:
            at = frame.x(score.vehicles.delay_s or 0.0)
            tip = element("title", f"{escape(arm.arm)}, seed {score.seed}: {number(score.vehicles.delay_s)} s")
            parts.append(element("circle", tip, cx=at, cy=y + 9, r=3.0, class_=f"seed {style}"))
        if found.low is not None and found.high is not None:
            low = frame.x(max(found.low, 0))
            parts.append(element("line", x1=low, x2=frame.x(found.high), y1=y - 4, y2=y - 4, class_=f"bar {style}"))
        parts.append(element("circle", cx=frame.x(found.mean), cy=y - 4, r=6.0, class_=f"mean {style}"))
        parts.append(text(left - 12, y, arm.arm, "label strong", "end"))
        parts.append(text(_WIDTH - 80, y, f"{number(found.mean)} s", "label strong"))
    said = "; ".join(f"{arm.arm} {number(arm.measures['delay_s'].mean)} s" for arm in rows)
    caption = (
        "Mean delay by control: the large dot is the mean, the bar its 95 % interval, small dots the single seeds."
    )
    return figure(f"{name}-arms", f"Mean delay by control. {said}.", caption, (_WIDTH, height), parts)


def delay_over_time(name: str, scores: Mapping[str, Sequence[RunScore]]) -> str:
    """Draw each arm's delay by the time that vehicles were due: mean over seeds, and their spread."""
    first = next(iter(scores.values()))[0]
    lines = {arm: _binned(runs) for arm, runs in scores.items()}
    high = max((top for points in lines.values() for _, _, _, top in points), default=0.0)
    if high <= 0:
        return ""
    right = _WIDTH - 24 - _LETTER * max(len(arm) for arm in lines)
    frame = Frame((56, 14, right, 262), (first.begin_s, first.end_s), (0, high * 1.05))
    parts = []
    for tick in axis_ticks(0, high):
        parts.append(element("line", x1=frame.left, x2=frame.right, y1=frame.y(tick), y2=frame.y(tick), class_="grid"))
        parts.append(text(frame.left - 8, frame.y(tick) + 4, number(tick, 0), "tick", "end"))
    parts += [
        text(frame.x(tick), frame.bottom + 18, clock(tick, first.begin_s), "tick", "middle")
        for tick in _time_ticks(first.begin_s, first.end_s)
    ]
    parts.append(text(14, 16, "s", "tick"))
    ends: list[tuple[float, str, str]] = []
    for row, (arm, points) in enumerate(lines.items()):
        style = f"s{row % 7}"
        if len(scores[arm]) > 1 and points:
            edge = [(frame.x(x), frame.y(top)) for x, _, _, top in points]
            edge += [(frame.x(x), frame.y(low)) for x, _, low, _ in reversed(points)]
            parts.append(
                element("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in edge), class_=f"band {style}")
            )
        parts.append(polyline([(frame.x(x), frame.y(mean)) for x, mean, _, _ in points], f"line {style} d{row % 4}"))
        if points:
            ends.append((frame.y(points[-1][1]), arm, style))
    for y, arm, style in _apart(sorted(ends)):
        parts.append(text(right + 8, y + 4, arm, f"label fill {style}"))
    caption = (
        "Delay by the time at which vehicles were due to depart, in steps of five minutes: mean over the "
        "seeds, with the "
        "least and the greatest seed. Of the last vehicles only the delay that fell inside the run is known."
    )
    return figure(f"{name}-time", "Delay over time by control.", caption, (_WIDTH, 290), parts)


def delay_map(name: str, title: str, net: NetFile | None, junctions: Sequence[JunctionScore], most_veh_h: float) -> str:
    """Draw the junctions on the street map; a circle's area is the delay lost before it."""
    numbers = junction_numbers(junctions)
    lines = _streets(net) if net is not None else []
    x0, x1, y0, y1 = _view(junctions)
    ratio = (y1 - y0) / (x1 - x0)
    width, height = 560.0, min(max(560.0 * ratio, 260.0), 620.0)
    scale = min(width / (x1 - x0), height / (y1 - y0))
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return width / 2 + (x - middle_x) * scale, height / 2 - (y - middle_y) * scale

    parts = [element("rect", x=0, y=0, width=width, height=height, class_="ground")]
    paths = []
    for shape in lines:
        points = [place(x, y) for x, y in shape]
        if any(-20 < x < width + 20 and -20 < y < height + 20 for x, y in points):
            paths.append("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points))
    if paths:
        parts.append(element("path", d="".join(paths), class_="street"))
    for junction in sorted(junctions, key=lambda one: -(one.delay_veh_h or 0.0)):
        x, y = place(junction.x_m, junction.y_m)
        share = (junction.delay_veh_h or 0.0) / most_veh_h if most_veh_h > 0 else 0.0
        tip = element(
            "title",
            f"{numbers[junction.junction]} {escape(junction.junction)}: {number(junction.delay_veh_h)} "
            f"vehicle hours, "
            f"{number(junction.delay_per_vehicle_s)} s a vehicle, longest red "
            f"{number(junction.longest_red_s, 0)} s",
        )
        heat = f"heat{min(int(share * 5), 4)}"
        parts.append(element("circle", tip, cx=x, cy=y, r=6 + 24 * math.sqrt(share), class_=f"junction {heat}"))
        parts.append(text(x, y + 4, str(numbers[junction.junction]), "number", "middle"))
    worst = sorted(junctions, key=lambda one: -(one.delay_veh_h or 0.0))[:3]
    said = ", ".join(f"{one.junction} {number(one.delay_veh_h)}" for one in worst)
    caption = (
        f"<strong>{escape(title)}.</strong> A circle's area is the vehicle hours lost before the junction "
        f"(mean of the seeds)."
    )
    return figure(
        name, f"{title}: delay by junction. Most vehicle hours lost: {said}.", caption, (width, height), parts
    )


def junction_numbers(junctions: Sequence[JunctionScore]) -> dict[str, int]:
    """Return the number that stands for each junction on the map and in the table."""
    return {junction.junction: row for row, junction in enumerate(junctions, 1)}


def _x_grid(frame: Frame, ticks: Sequence[float], say: object, unit: str) -> list[str]:
    parts = []
    for tick in ticks:
        x = frame.x(tick)
        parts.append(element("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_="grid"))
        parts.append(text(x, frame.bottom + 16, say(tick) if callable(say) else str(tick), "tick", "middle"))
    parts.append(text((frame.left + frame.right) / 2, frame.bottom + 34, unit, "tick", "middle"))
    return parts


def _binned(runs: Sequence[RunScore]) -> list[tuple[float, float, float, float]]:
    """Return (middle, mean, least, greatest) of each bin that has a value."""
    points = []
    for row, first in enumerate(runs[0].over_time):
        values = [v for run in runs if row < len(run.over_time) and (v := run.over_time[row].delay_s) is not None]
        if values:
            middle_s = min(first.begin_s + 150, (first.begin_s + runs[0].end_s) / 2)
            points.append((middle_s, sum(values) / len(values), min(values), max(values)))
    return points


def _time_ticks(begin_s: float, end_s: float) -> list[float]:
    span = end_s - begin_s
    step = next((s for s in (60, 120, 300, 600, 900, 1800, 3600, 7200) if span / s <= 7), 14400)
    return [float(t) for t in range(math.ceil(begin_s / step) * step, int(end_s) + 1, step)]


def _apart(ends: Sequence[tuple[float, str, str]], least: float = 15.0) -> list[tuple[float, str, str]]:
    """Move labels down until none lies on another."""
    placed: list[tuple[float, str, str]] = []
    for y, arm, style in ends:
        placed.append((max(y, placed[-1][0] + least) if placed else y, arm, style))
    return placed


def _view(junctions: Sequence[JunctionScore]) -> tuple[float, float, float, float]:
    """Return the stretch of ground to show: the junctions, with room around them."""
    xs, ys = [one.x_m for one in junctions], [one.y_m for one in junctions]
    room = max(0.12 * max(max(xs) - min(xs), max(ys) - min(ys)), 120.0)
    return min(xs) - room, max(xs) + room, min(ys) - room, max(ys) + room


def _streets(net: NetFile) -> list[tuple[tuple[float, float], ...]]:
    """Return one line an edge that vehicles use."""
    shapes = []
    for edge in net.edges.values():
        if edge.id.startswith(":"):
            continue
        lane = next((one for one in edge.lanes if one.motorised and one.shape), None)
        if lane is not None:
            shapes.append(lane.shape)
    return shapes
