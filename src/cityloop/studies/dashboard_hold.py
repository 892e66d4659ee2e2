"""A hold from the key press to the controller's receipt, its end by itself, and what of it is there after kill -9.

The keys are pressed in a real browser on a served city that is led live. What is timed is what a person waits for: from
the press of Enter in the hold's dialog until the page says the receipt. The end and the kill are seen through the API.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityloop.kernel.errors import ConfigError
from cityloop.studies.served_room import ServedRoom, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["HoldBench", "HoldFigures", "measure_holds"]

_BOUND_MS = 1000.0
_SHORT_S = 10
_LONG_S = 300
_STEP_MS = 1000
"""A step that was under way when the server died is none of after it."""
_WATCH = """() => {
  window.pressed = null;
  window.took = null;
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && window.pressed === null) window.pressed = event.timeStamp;
  }, { capture: true });
  new MutationObserver(() => {
    const told = document.querySelector('dialog[open] [role=status]');
    if (told && window.pressed !== null && window.took === null) window.took = performance.now() - window.pressed;
  }).observe(document.body, { childList: true, subtree: true });
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBench:
    """What is measured."""

    chromium: Path
    city: str = "adlershof"
    holds: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFigures:
    """The result."""

    holds: int
    receipts: int
    """Those that the page answered with the controller's receipt."""
    median_ms: float
    p95_ms: float
    worst_ms: float
    over_a_second: int
    at_server_worst_ms: float
    """From the order kept to the receipt, as the answers say it."""
    ended_after_s: float
    """A hold of ten seconds, by the city's clock."""
    kept_after_kill: bool
    """The same act, with the same end, after kill -9 and the same command again."""
    served_again_s: float
    """From the kill until the server answers."""
    in_force_again_s: float
    """From the kill until the controller has taken the hold again."""
    load_average: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def measure_holds(bench: HoldBench) -> HoldFigures:
    """Serve a city, hold its junctions one after the other by key, and kill the server under a hold.

    Raises
    ------
    ConfigError
        If the browser's driver is missing, or the city does not run.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ConfigError("The browser's driver is not installed: make dev, or pip install playwright.") from error
    load = os.getloadavg()[0]
    with serving(bench.city, "--rung", "live") as server:
        server.wait(lambda: server.ask("/api/v1/city")["running"])
        n = len(server.ask("/api/v1/layout")["junctions"])
        # The city is led from here on, and is past its first steps.
        server.wait(lambda: server.ask("/api/v1/drill")["leased"] >= 0.5 * n)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=bench.chromium, args=["--disable-3d-apis", "--no-sandbox"]
            )
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.goto(f"{server.base}/?token={server.token}")
            took = [_hold_by_key(page, row % n) for row in range(bench.holds)]
            browser.close()
        placed = [one for one in server.ask("/api/v1/holds")["items"] if one["receipt"]]
        ended_s = _ended_after_s(server, n - 1)
        again = _kill_under_a_hold(server)
    times = sorted(one for one, _ in took)
    return HoldFigures(
        holds=len(took),
        receipts=sum(receipt for _, receipt in took),
        median_ms=round(times[len(times) // 2], 1),
        p95_ms=round(times[min(int(len(times) * 0.95), len(times) - 1)], 1),
        worst_ms=round(times[-1], 1),
        over_a_second=sum(one > _BOUND_MS for one in times),
        at_server_worst_ms=max((float(one["receipt"]["after_ms"]) for one in placed), default=float("nan")),
        ended_after_s=ended_s,
        kept_after_kill=again[0],
        served_again_s=again[1],
        in_force_again_s=again[2],
        load_average=round(load, 1),
    )


def _hold_by_key(page: Page, row: int) -> tuple[float, bool]:
    """Open a junction, press H and Enter; return what passed until the page told the end, and if it told a receipt."""
    page.evaluate("place => { location.hash = place }", f"#/signals/{row}")
    page.get_by_role("heading", name="Now", exact=True).wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("h")
    page.locator("dialog[open] input[name=stage]:checked").wait_for()
    page.evaluate(_WATCH)
    page.keyboard.press("Enter")
    told = page.locator("dialog[open] [role=status]")
    told.wait_for(timeout=30_000)
    took_ms, text = float(page.evaluate("window.took")), told.inner_text()
    page.keyboard.press("Escape")
    page.locator("dialog[open]").wait_for(state="detached")
    return took_ms, "controller" in text.lower() and "no receipt" not in text.lower()


def _ended_after_s(server: ServedRoom, row: int) -> float:
    """Place a short hold and return after how many of the city's seconds it is over by itself."""
    placed = server.ask("/api/v1/holds", _body(server, row, _SHORT_S))
    over = server.wait(lambda: _status(server, placed["id"]) == "expired" and server.ask("/api/v1/city")["clock"])
    return round((float(over["now_ms"]) - float(placed["placed_at_ms"])) / 1000.0, 1)


def _body(server: ServedRoom, row: int, seconds: int) -> dict[str, Any]:
    stages = server.ask(f"/api/v1/signals/{row}")["stages"]
    served = next(one["local"] for one in stages if one["service"])
    return {"kind": "hold", "junction": row, "stage": served, "expires_in_s": seconds, "why": "measured"}


def _status(server: ServedRoom, hold: str) -> str:
    return next((str(one["status"]) for one in server.ask("/api/v1/holds")["items"] if one["id"] == hold), "")


def _kill_under_a_hold(server: ServedRoom) -> tuple[bool, float, float]:
    """Kill the server, start it again; return if the hold is kept, and after what it answers and is in force."""
    placed = server.ask("/api/v1/holds", _body(server, 0, _LONG_S))
    before_ms = server.ask("/api/v1/city")["clock"]["now_ms"]
    killed_s = time.monotonic()
    server.kill()
    server.start()
    items = server.wait(lambda: server.ask("/api/v1/holds")["items"])
    served_s = time.monotonic() - killed_s
    same = [one for one in items if one["id"] == placed["id"]]
    kept = bool(same) and same[0]["status"] == "active" and same[0]["expires_at_ms"] == placed["expires_at_ms"]

    def in_force() -> bool:
        found = server.ask("/api/v1/decisions?junction=0&limit=20")["items"]
        return any(
            one["reason"]["code"] == "OPERATOR_HOLD" and one["receipt"] and one["decided_at_ms"] > before_ms + _STEP_MS
            for one in found
        )

    server.wait(lambda: server.ask("/api/v1/city")["running"] and in_force())
    return kept, round(served_s, 1), round(time.monotonic() - killed_s, 1)
