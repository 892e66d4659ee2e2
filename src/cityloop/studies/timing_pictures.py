"""Pictures of the lamps: greens along a corridor, and one junction's signals and why they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from cityloop.studies.lamp_history import Corridor, Span
from cityloop.studies.svg import Frame, clock, element, figure, number, text

__all__ = ["Change", "green_band_picture", "timeline_picture"]

_WIDTH = 760.0
_GREEN = frozenset("Gg")

Change = tuple[float, str]
"""An instant, and why a change was decided then."""


def green_band_picture(
    name: str,
    arm: str,
    corridor: Corridor,
    spans: Mapping[str, Sequence[Sequence[Span]]],
    window_s: tuple[float, float],
    run_begin_s: float,
) -> str:
    """Draw when each stop line of a corridor was green, up the page in the direction of travel."""
    begin_s, end_s = window_s
    length_m = corridor.stops[-1].at_m
    height = max(200.0, min(70.0 + 62 * len(corridor.stops), 520.0))
    frame = Frame((190, 20, _WIDTH - 40, height - 44), (begin_s, end_s), (0, length_m))
    parts = _time_axis(frame, begin_s, end_s, run_begin_s)
    travel_s = length_m / corridor.speed_mps
    at_s = begin_s
    while at_s < end_s:
        # Thin lines at the speed limit: a green wave lies along them.
        share = min(1.0, (end_s - at_s) / travel_s)
        top = frame.y(length_m * share)
        parts.append(
            element(
                "line",
                x1=frame.x(at_s),
                y1=frame.bottom,
                x2=frame.x(at_s + travel_s * share),
                y2=top,
                class_="drive",
            )
        )
        at_s += 30.0
    for stop in corridor.stops:
        y = frame.y(stop.at_m)
        parts.append(
            element("rect", x=frame.left, y=y - 4, width=frame.right - frame.left, height=8, class_="lamp-red")
        )
        links = spans.get(stop.junction, ())
        for link in stop.links:
            for span in links[link] if link < len(links) else ():
                if span.lamp in _GREEN:
                    x0, x1 = frame.x(span.begin_s), frame.x(span.end_s)
                    parts.append(element("rect", x=x0, y=y - 4, width=max(x1 - x0, 0.5), height=8, class_="lamp-green"))
        parts.append(text(frame.left - 10, y + 4, f"{_short(stop.junction)}, {number(stop.at_m, 0)} m", "tick", "end"))
    caption = (
        f"<strong>{escape(arm)}.</strong> Greens straight on along the busiest corridor, in the direction of "
        f"travel. Thin lines "
        f"are a drive at the limit of {number(corridor.speed_mps * 3.6, 0)} km/h: where they pass through "
        f"green there is a wave."
    )
    title = (
        f"Greens along the busiest corridor under {arm}, {len(corridor.stops)} stop lines over {number(length_m, 0)} m."
    )
    return figure(name, title, caption, (_WIDTH, height), parts)


def timeline_picture(
    name: str,
    junction: str,
    links: Sequence[Sequence[Span]],
    crossings: frozenset[int],
    changes: Sequence[Change],
    window_s: tuple[float, float],
    run_begin_s: float,
) -> str:
    """Draw every link of one junction over time, and mark the changes that were decided."""
    begin_s, end_s = window_s
    rows = _merged(links)
    height = 20.0 * len(rows) + 90
    frame = Frame((150, 34, _WIDTH - 40, height - 44), (begin_s, end_s), (0, 1))
    parts = _time_axis(frame, begin_s, end_s, run_begin_s)
    for row, (indices, spans) in enumerate(rows):
        y = 40.0 + 20 * row
        kind = "crossing" if indices[0] in crossings else "link"
        parts.append(text(frame.left - 10, y + 11, _short(f"{kind} {_ranges(indices)}", 19), "tick", "end"))
        parts.append(element("rect", x=frame.left, y=y, width=frame.right - frame.left, height=14, class_="lamp-red"))
        for span in spans:
            style = {"G": "lamp-green", "g": "lamp-yield", "y": "lamp-yellow", "Y": "lamp-yellow"}.get(span.lamp)
            if style:
                x0, x1 = frame.x(max(span.begin_s, begin_s)), frame.x(span.end_s)
                parts.append(element("rect", x=x0, y=y, width=max(x1 - x0, 0.5), height=14, class_=style))
    for count, (at_s, reason) in enumerate(changes, 1):
        x = frame.x(at_s)
        tip = element("title", escape(f"{clock(at_s, run_begin_s, seconds=True)}: {reason}"))
        parts.append(element("line", tip, x1=x, x2=x, y1=26, y2=frame.bottom, class_="change"))
        parts.append(text(x, 20, str(count), "tick", "middle"))
    caption = (
        "Strong green has right of way, faint green yields, yellow and red as shown; links that always show "
        "the "
        "same share a row."
        + (" Numbered lines are changes that the brain decided; their reasons follow." if changes else "")
    )
    title = f"Signals of junction {junction}, {number(end_s - begin_s, 0)} s, {len(changes)} changes decided."
    return figure(name, title, caption, (_WIDTH, height), parts)


def _time_axis(frame: Frame, begin_s: float, end_s: float, run_begin_s: float) -> list[str]:
    parts = []
    step = 60 if end_s - begin_s > 240 else 30
    for tick in range(int(-(-begin_s // step)) * step, int(end_s) + 1, step):
        x = frame.x(tick)
        parts.append(element("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom + 6, class_="grid"))
        parts.append(text(x, frame.bottom + 22, clock(tick, run_begin_s, seconds=step < 60), "tick", "middle"))
    return parts


def _merged(links: Sequence[Sequence[Span]]) -> list[tuple[list[int], Sequence[Span]]]:
    """Put links that show the same all the time into one row."""
    rows: dict[tuple[Span, ...], list[int]] = {}
    for index, spans in enumerate(links):
        rows.setdefault(tuple(spans), []).append(index)
    return [(indices, spans) for spans, indices in rows.items()]


def _ranges(indices: Sequence[int]) -> str:
    """Return 0, 1, 2, 5 as '0–2, 5'."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][-1] + 1:
            parts[-1].append(index)
        else:
            parts.append([index])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}–{p[-1]}" for p in parts)


def _short(name: str, most: int = 18) -> str:
    """Return a name cut in the middle so that it fits."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
