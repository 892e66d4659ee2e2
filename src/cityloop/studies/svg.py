"""Small pieces of SVG that read well without colour, without script, and aloud."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["Frame", "axis_ticks", "clock", "element", "figure", "number", "text"]


class Frame:
    """Maps figures to the plane of a chart."""

    __slots__ = ("bottom", "left", "right", "top", "x0", "x1", "y0", "y1")

    def __init__(self, box: tuple[float, float, float, float], x: tuple[float, float], y: tuple[float, float]) -> None:
        self.left, self.top, self.right, self.bottom = box
        self.x0, self.x1 = x if x[1] > x[0] else (x[0], x[0] + 1)
        self.y0, self.y1 = y if y[1] > y[0] else (y[0], y[0] + 1)

    def x(self, value: float) -> float:
        """Return where a value lies across."""
        return self.left + (value - self.x0) / (self.x1 - self.x0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return where a value lies up and down; greater is higher."""
        return self.bottom - (value - self.y0) / (self.y1 - self.y0) * (self.bottom - self.top)


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return an element; ``class_`` gives the class, underscores become hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


def text(x: float, y: float, words: str, class_: str = "label", anchor: str = "start") -> str:
    """Return a text."""
    return element("text", escape(words), x=x, y=y, class_=class_, text_anchor=anchor)


def figure(name: str, title: str, caption: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """Return a figure with a caption; its picture carries a title for those who hear it."""
    head = element("title", escape(title), id=f"{name}-title")
    picture = element(
        "svg",
        head + "".join(parts),
        viewBox=f"0 0 {_plain(size[0])} {_plain(size[1])}",
        role="img",
        aria_labelledby=f"{name}-title",
        xmlns="http://www.w3.org/2000/svg",
    )
    scroll = f'<div class="picture" tabindex="0" role="group" aria-label="{escape(title)}">{picture}</div>'
    return f"<figure>{scroll}<figcaption>{caption}</figcaption></figure>"


def axis_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values between two bounds."""
    span = max(high - low, 1e-9)
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough - 1e-12)
    first = math.ceil(low / step - 1e-9) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def clock(at_s: float, begin_s: float, *, seconds: bool = False) -> str:
    """Return an instant as a time of day; minutes from the start where the run begins at midnight."""
    whole = round(at_s)
    if begin_s < 3600:
        return f"{whole // 60}:{whole % 60:02d}" if seconds else f"{whole // 60} min"
    of_day = f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}"
    return f"{of_day}:{whole % 60:02d}" if seconds else of_day


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure for people to read, a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def polyline(points: Sequence[tuple[float, float]], class_: str) -> str:
    """Return a line through points."""
    path = " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)
    return element("polyline", points=path, class_=class_, fill="none")


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
