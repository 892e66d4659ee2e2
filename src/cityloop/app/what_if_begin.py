"""Where both worlds of a what-if begin: the city as its brain believes it to stand, and what people have set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cityloop.app.what_if_acts import of_run
from cityloop.app.what_if_now import LiveNow
from cityloop.app.what_if_start import NOW_FILE, StartSpec
from cityloop.app.what_if_world import LED_NOW
from cityloop.cities.sumo.start_file import START_FILE, PlacedApproach, Started, StartFile, read_struct, write_struct

__all__ = ["Begin", "begun_told", "clear_of"]

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Where runs begin, with what is known then."""

    begin_s: float
    """From here on the city is driven up to now, in the twin's own time of day."""
    now_s: float
    end_s: float
    live: LiveNow | None
    """None: both worlds begin empty, at ``now_s``."""
    control: str = "brain"
    """Of the running city."""
    stands_in: str = ""
    """Why another hour's demand stands in for this one's; empty where it does not."""

    def write(self, folder: Path) -> None:
        """Write what is believed now, for every seed's start."""
        if self.live is not None:
            write_struct(folder / NOW_FILE, self.live)

    def run_control(self, arm: str) -> str:
        """Return the control that a run is given for an arm."""
        return self.control if arm == LED_NOW else arm

    def acts(self, folder: Path, arm: str) -> Path | None:
        """Return the file of what people have set for an arm; None where nothing is set."""
        if self.live is None:
            return None
        told = of_run(
            self.live.steering, self.run_control(arm), self.live.at_ms, round(self.now_s * 1000), rungs=arm == LED_NOW
        )
        if arm != LED_NOW and not (told.orders or told.minimums or told.conflicts):
            return None
        path = folder / f"acts-{arm}.json"
        write_struct(path, told)
        return path

    def start_spec(self, folder: Path, city: str, seed: int, scale: float) -> Path:
        """Write what one seed's start is made of, and return the file."""
        spec = StartSpec(
            city=city,
            now=str(folder / NOW_FILE),
            seed=seed,
            scale=scale,
            begin_s=self.begin_s,
            now_s=self.now_s,
            out=str(folder / f"start-{seed}"),
        )
        path = folder / f"start-{seed}.json"
        path.write_bytes(msgspec.json.encode(spec))
        return path


def clear_of(start: Path, edge: str, folder: Path) -> Path:
    """Return a start whose vehicles do not end on a closed edge: theirs is the edge before."""
    whole = read_struct(start / START_FILE, StartFile)
    vehicles = tuple(
        msgspec.structs.replace(one, route=one.route[:-1]) if len(one.route) > 1 and one.route[-1] == edge else one
        for one in whole.vehicles
    )
    folder.mkdir()
    write_struct(folder / START_FILE, msgspec.structs.replace(whole, vehicles=vehicles))
    for beside in start.glob("*.npz"):
        (folder / beside.name).write_bytes(beside.read_bytes())
    return folder


def begun_told(begin: Begin, starts: Sequence[Path], begun: Sequence[Sequence[Started | None]]) -> dict[str, Any]:
    """Return what was taken from the live state, and how near the begin came to it.

    Parameters
    ----------
    starts
        Folder of each seed's start.
    begun
        By seed, how each world began.
    """
    assert begin.live is not None
    files = [read_struct(path / START_FILE, StartFile) for path in starts]
    first = [seed[0] for seed in begun if seed and seed[0] is not None]
    estimate, steering = begin.live.estimate, begin.live.steering
    not_covered = Counter(why for _, why in files[0].not_covered)
    short = _short(first)
    return {
        "at_ms": begin.live.at_ms,
        "approaches": len(estimate.approaches),
        "covered": len(files[0].approaches),
        "not_covered": [{"why": why, "approaches": n} for why, n in not_covered.most_common()],
        "estimated_veh": sum(one.estimated_veh for one in files[0].approaches),
        "placed_veh": _mean([sum(one.placed_veh for one in seed.approaches) for seed in first]),
        "driven_veh": _mean([sum(one.driven_veh for one in file.approaches) for file in files]),
        "vehicles": _mean([seed.vehicles for seed in first]),
        "walkers": _mean([seed.walkers for seed in first]),
        "refused": _mean([seed.refused for seed in first]),
        "off_veh": _mean([_off(seed, sum) for seed in first]),
        "worst_off_veh": max((_off(seed, lambda all_off: max(all_off, default=0)) for seed in first), default=0),
        "fewer": short[:_MOST_TOLD],
        "fewer_in_all": len(short),
        "stages": min((seed.stages for seed in first), default=0),
        "junctions": len(estimate.stages),
        "units": len(estimate.services.units),
        "calls": len(estimate.services.calls),
        "trucks": len(estimate.services.trucks),
        "acts": len([order for order in steering.orders if order.kind != "replan"]),
        "alike": all(world == seed[0] for seed in begun for world in seed),
        "stands_in": begin.stands_in,
    }


def _off(started: Started, of: Callable[[Sequence[int]], int]) -> int:
    return of([abs(one.placed_veh - one.estimated_veh) for one in started.approaches])


def _short(begun: Sequence[Started]) -> list[dict[str, Any]]:
    """Return the approaches with fewer vehicles than were estimated, in the first seed, the largest gap first."""
    found: list[PlacedApproach] = [] if not begun else [
        one for one in begun[0].approaches if one.placed_veh < one.estimated_veh
    ]  # fmt: skip
    found.sort(key=lambda one: (one.placed_veh - one.estimated_veh, one.lane))
    return [
        {"lane": one.lane, "estimated": one.estimated_veh, "placed": one.placed_veh, "why": one.why_fewer}
        for one in found
    ]


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 1) if values else 0.0
