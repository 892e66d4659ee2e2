"""How the dashboard fares in a real browser without WebGL: changed frames, bytes, first map, whom it asks."""

from __future__ import annotations

import gzip
import itertools
import os
import re
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cityloop.web
from cityloop.kernel.errors import ConfigError
from cityloop.studies.served_room import ServedRoom, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["DashboardBench", "DashboardFigures", "Motion", "measure_dashboard"]

_VIEWS = (
    "city", "city?junction=7", "signals/7", "emergency", "refuse", "evidence", "evidence/decisions", "evidence/case",
    "evidence/whatif", "evidence/sensors", "evidence/calibration", "evidence/month", "evidence/approvals",
    "evidence/audit", "evidence/exports",
)  # fmt: skip
_PHONE = (390, 844)
_PICTURED = "adlershof"
_PICTURED_AFTER_MS = 10 * 60_000
"""So much of the city's time is recorded before pictures of its charts are taken. [ms]"""

_FIRST_MAP = """(() => {
  const look = () => {
    const renderer = document.querySelector('canvas[data-map]')?.renderer;
    if (renderer && renderer.scene.shapes.kind.length && renderer.vehicles.count && renderer.frames > 1)
      window.firstMapMs = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""

_MOTION = """async ([ms, panning]) => {
  const canvas = document.querySelector('canvas[data-map]');
  const ctx = canvas.getContext('2d');
  const { camera } = canvas.renderer;
  const [w, h] = [canvas.width, canvas.height];
  const shot = () => {
    let sum = 0;
    for (let i = 1; i <= 5; i++)
      for (let j = 1; j <= 4; j++) {
        const { data } = ctx.getImageData((w * i) / 6, (h * j) / 5, 24, 24);
        for (let k = 0; k < data.length; k += 4) sum = (sum * 31 + data[k] + data[k + 1] * 3 + data[k + 2] * 7) | 0;
      }
    return sum;
  };
  const begin = performance.now();
  let [last, n] = [shot(), 0];
  const at = [];
  while (performance.now() - begin < ms) {
    const now = await new Promise(requestAnimationFrame);
    if (panning) camera.pan(n++ % 120 < 60 ? 4 : -4, n % 80 < 40 ? 2 : -2);
    const sum = shot();
    if (sum !== last) at.push(now);
    last = sum;
  }
  return at;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardBench:
    """What is measured."""

    seconds: float = 10.0
    width: int = 1440
    height: int = 900
    chromium: Path
    pictures: Path | None = None
    """Folder for a picture of every view, in both themes and languages, here and on a phone; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Frames whose canvas really changed."""

    changed_per_s: float
    interval_p95_ms: float
    interval_longest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardFigures:
    """The result of one measurement."""

    first_map_ms: float
    still: Motion
    panning: Motion
    still_with_sensors: Motion
    panning_with_sensors: Motion
    frame_bytes_median: float
    frame_bytes_largest: int
    """The full frame at the start aside."""

    frames_per_s: float
    """Frames that the feed sent."""

    foreign_requests: int
    scripts_and_styles_kb: float
    load_average: float
    """Of the machine, before the measurement: figures of a busy one say little."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def measure_dashboard(bench: DashboardBench) -> DashboardFigures:
    """Serve the load-test city, open it in the browser and measure.

    Raises
    ------
    ConfigError
        If the browser or its driver is missing, or the server does not start.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigError("The browser's driver is not installed: make dev, or pip install playwright.") from error
    if not bench.chromium.exists():
        raise ConfigError(
            f"No browser at {bench.chromium}: install it (Debian: apt install chromium), or name another."
        )
    load = os.getloadavg()[0]
    with serving("--load-test") as server, sync_playwright() as playwright:
        base, token = server.base, server.token
        browser = playwright.chromium.launch(
            executable_path=bench.chromium, args=["--disable-3d-apis", "--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            figures = _measure(browser, base, token, bench, load)
        finally:
            browser.close()
    if bench.pictures is not None:
        # Of a city that is led: the load test's has no history that a chart could show.
        with serving(_PICTURED, "--rung", "live", "--pace", "10") as room, sync_playwright() as playwright:
            began_ms = room.wait(lambda: room.ask("/api/v1/city")["running"] and _clock_ms(room))
            room.wait(lambda: _clock_ms(room) > began_ms + _PICTURED_AFTER_MS)
            browser = playwright.chromium.launch(
                executable_path=bench.chromium, args=["--disable-3d-apis", "--no-sandbox", "--disable-dev-shm-usage"]
            )
            try:
                _take_pictures(browser, room.base, room.token, bench.pictures, bench)
            finally:
                browser.close()
    return figures


def _clock_ms(room: ServedRoom) -> int:
    return int(room.ask("/api/v1/city")["clock"]["now_ms"])


def _measure(browser: Browser, base: str, token: str, bench: DashboardBench, load: float) -> DashboardFigures:
    context = browser.new_context(viewport={"width": bench.width, "height": bench.height})
    page = context.new_page()
    page.goto(f"{base}/?token={token}")
    page.close()
    page = context.new_page()
    asked: list[str] = []
    sizes: list[int] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda ws: ws.on("framereceived", lambda data: sizes.append(len(data))))
    page.add_init_script(_FIRST_MAP)
    page.goto(f"{base}/?lang=en&theme=light#/city")
    first_map_ms = _first_map(page)
    page.wait_for_timeout(2000)
    sizes.clear()
    began = time.monotonic()
    still, panning = _motion(page, bench, panning=False), _motion(page, bench, panning=True)
    took_s = time.monotonic() - began
    frames = [size for size in sizes if size > 100]
    page.get_by_label("Sensors").first.check()
    page.wait_for_timeout(3000)
    with_sensors = _motion(page, bench, panning=False), _motion(page, bench, panning=True)
    own = (base, base.replace("http", "ws", 1), "data:", "blob:")
    context.close()
    return DashboardFigures(
        first_map_ms=first_map_ms,
        still=still,
        panning=panning,
        still_with_sensors=with_sensors[0],
        panning_with_sensors=with_sensors[1],
        frame_bytes_median=statistics.median(frames) if frames else float("nan"),
        frame_bytes_largest=max(frames, default=0),
        frames_per_s=len(frames) / took_s,
        foreign_requests=sum(not url.startswith(own) for url in asked),
        scripts_and_styles_kb=_compressed_kb(),
        load_average=load,
    )


def _first_map(page: Page) -> float:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = page.evaluate("window.firstMapMs ?? null")
        if found is not None:
            return float(found)
        page.wait_for_timeout(20)
    raise ConfigError("The page showed no map within 60 s.")


def _motion(page: Page, bench: DashboardBench, *, panning: bool) -> Motion:
    at: list[float] = page.evaluate(_MOTION, [bench.seconds * 1000, panning])
    gaps = sorted(b - a for a, b in itertools.pairwise(at))
    if not gaps:
        return Motion(changed_per_s=0.0, interval_p95_ms=float("inf"), interval_longest_ms=float("inf"))
    return Motion(
        changed_per_s=len(at) / bench.seconds,
        interval_p95_ms=gaps[min(len(gaps) - 1, int(len(gaps) * 0.95))],
        interval_longest_ms=gaps[-1],
    )


def _compressed_kb() -> float:
    assets = Path(cityloop.web.__file__).parent / "static" / "assets"
    files = [path for path in assets.iterdir() if path.suffix in {".js", ".css"}]
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) / 1000


def _take_pictures(browser: Browser, base: str, token: str, folder: Path, bench: DashboardBench) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size, theme, language in itertools.product(("room", "phone"), ("light", "dark"), ("en", "zh")):
        width, height = _PHONE if size == "phone" else (bench.width, bench.height)
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.goto(f"{base}/?token={token}")
        page.goto(f"{base}/?lang={language}&theme={theme}")
        for view in _VIEWS:
            page.evaluate("place => { location.hash = place }", f"#/{view}")
            page.wait_for_timeout(2500)
            name = re.sub(r"[^a-z]+", "-", view).strip("-")
            page.screenshot(path=folder / f"{name}-{theme}-{language}-{size}.png", full_page=size == "phone")
        context.close()
