"""How a run's ambulances and refuse rounds went, from the twin's own record; and the same calls side by side.

A run of half an hour has a handful of calls and one round. Its figures show that the loop closes; no gain can be read
from them, and every line says how few they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np

from cityloop.cities.sumo.outputs import Trips
from cityloop.domains.emergency.measure import Clocks, offload_shares
from cityloop.kernel.columns import I64
from cityloop.kernel.errors import StoreError

__all__ = [
    "CallScore", "EmergencyScore", "OffloadScore", "RefuseScore", "ServicesScore", "service_lines", "service_section",
    "services_of", "without_services",
]  # fmt: skip

SERVICES_FILE = "services.json"
_TYPES = "cityloop."


class CallScore(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    number: int
    priority: int
    """As first triaged."""
    response_s: float | None
    """From the call answered to somebody on scene; None where nobody was there by the end."""
    dispatch_s: float | None
    """From the call answered to the unit sent."""
    drive_s: float | None
    by_brain: bool
    called_off: bool


class OffloadScore(msgspec.Struct, frozen=True, kw_only=True):
    """How long units stood at hospitals' doors."""

    handovers: int
    """That were over by the end."""
    mean_min: float
    """From the door to free, waiting for a bay included. [min]"""
    longest_min: float
    over_15_min: float
    """Share of handovers that lasted longer."""
    over_30_min: float
    over_60_min: float
    waited: int
    """Units that found no free bay, those that still wait included."""
    wait_min: float
    """Mean over those whose handover has begun, 0 where none had to wait. [min]"""
    turned: int
    """Patients taken to another hospital, since theirs had closed on the way."""


class EmergencyScore(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a run."""

    calls: tuple[CallScore, ...]
    units: int
    offload: OffloadScore | None = None
    """None where nobody was handed over by the end."""


class RefuseScore(msgspec.Struct, frozen=True, kw_only=True):
    """The round of a run."""

    containers: int
    stops: tuple[int, ...]
    """Containers emptied, by truck."""
    broken_after_s: float | None
    home: int
    """Trucks back at the depot by the end."""
    fill_at_stop: float | None
    """Mean share of capacity found."""
    overfull_begin: int
    overfull_end: int
    overfull_tomorrow: int
    """Containers that are overfull a day later if nobody comes: what was left behind."""


class ServicesScore(msgspec.Struct, frozen=True, kw_only=True):
    """Both."""

    emergency: EmergencyScore | None
    refuse: RefuseScore | None


def services_of(sumo: Path) -> ServicesScore | None:
    """Read the record of a run's services; None where the city had none."""
    path = sumo / SERVICES_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return ServicesScore(
            emergency=_emergency(found["emergency"]) if "emergency" in found else None,
            refuse=_refuse(found["refuse"], found["begin_ms"]) if "refuse" in found else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: cannot be read ({error!r}); run it again") from error


def _emergency(found: Mapping[str, object]) -> EmergencyScore:
    calls = found["calls"]
    units = found["units"]
    assert isinstance(calls, list)
    assert isinstance(units, list)
    turns = found.get("turns", [])
    assert isinstance(turns, list)
    return EmergencyScore(
        calls=tuple(_call(call) for call in calls), units=len(units), offload=_offload(calls, len(turns))
    )


def _offload(calls: Sequence[Mapping[str, int]], turned: int) -> OffloadScore | None:
    def clock(name: str) -> I64:
        return np.array([call.get(name, -1) for call in calls], np.int64)

    at_door, bay, free = clock("at_hospital_ms"), clock("bay_ms"), clock("free_ms")
    done = (at_door >= 0) & (free >= 0)
    if not done.any():
        return None
    minutes = (free[done] - at_door[done]) / 60_000.0
    none = np.empty(0, np.int64)
    over = offload_shares(Clocks(none, none, none, none, none, at_hospital_ms=at_door, free_ms=free))
    begun = (at_door >= 0) & (bay > at_door)
    return OffloadScore(
        handovers=int(done.sum()),
        mean_min=float(minutes.mean()),
        longest_min=float(minutes.max()),
        over_15_min=over[0],
        over_30_min=over[1],
        over_60_min=over[2],
        waited=int(begun.sum() + ((at_door >= 0) & (bay < 0) & (free < 0)).sum()),
        wait_min=float((bay[begun] - at_door[begun]).mean()) / 60_000.0 if begun.any() else 0.0,
        turned=turned,
    )


def _call(call: Mapping[str, int]) -> CallScore:
    received_ms = call["received_ms"]
    arrived = call["arrived_ms"] >= 0
    return CallScore(
        number=call["number"],
        priority=call["priority"],
        response_s=(call["arrived_ms"] - received_ms) / 1000 if arrived else None,
        dispatch_s=(call["dispatched_ms"] - received_ms) / 1000 if arrived else None,
        drive_s=(call["arrived_ms"] - call["mobile_ms"]) / 1000 if arrived else None,
        by_brain=bool(call["by_brain"]),
        called_off=bool(call["called_off"]),
    )


def _refuse(found: Mapping[str, list[float]], begin_ms: int) -> RefuseScore:
    end, thrown = np.array(found["fill_at_end"]), np.array(found["thrown_next_day"])
    lifts = [lift["fill"] for lift in found["lifts"]]  # type: ignore[index]  # a list of records
    broken_ms = int(found["broken_ms"])  # type: ignore[call-overload]  # one number
    return RefuseScore(
        containers=len(end),
        stops=tuple(int(stops) for stops in found["stops"]),
        broken_after_s=None if broken_ms < 0 else (broken_ms - begin_ms) / 1000,
        home=sum(status == 5 for status in found["status"]),
        fill_at_stop=fmean(lifts) if lifts else None,
        overfull_begin=int((np.array(found["fill_at_begin"]) > 1).sum()),
        overfull_end=int((end > 1).sum()),
        overfull_tomorrow=int((end + thrown > 1).sum()),
    )


def without_services(trips: Trips) -> tuple[Trips, int]:
    """Return the trips of the city's own traffic, and how many service vehicles were left out.

    Ambulances and trucks stand in yards and bays for most of a run: they are measured by their calls and stops.
    """
    keep = np.array([not name.startswith(_TYPES) for name in trips.type_id], np.bool_)
    if keep.all():
        return trips, 0
    rows = np.flatnonzero(keep).tolist()
    return Trips(
        type_id=tuple(trips.type_id[row] for row in rows),
        depart_lane=tuple(trips.depart_lane[row] for row in rows),
        depart_s=trips.depart_s[keep],
        depart_delay_s=trips.depart_delay_s[keep],
        arrival_s=trips.arrival_s[keep],
        time_loss_s=trips.time_loss_s[keep],
        waiting_s=trips.waiting_s[keep],
        stops=trips.stops[keep],
        duration_s=trips.duration_s[keep],
        removed=trips.removed[keep],
    ), int((~keep).sum())


def service_lines(runs: Mapping[str, Sequence[ServicesScore | None]]) -> list[str]:
    """Say in words how the services of each arm went; runs of an arm in the order of the seeds."""
    lines = []
    for arm, scores in runs.items():
        emergency = [score.emergency for score in scores if score is not None and score.emergency is not None]
        if emergency:
            lines.append(f"{arm}: {_said_of_calls(emergency)}")
            lines += [f"{arm}: {said}" for said in _said_of_doors(emergency)]
    lines += _paired(runs)
    for arm, scores in runs.items():
        refuse = [score.refuse for score in scores if score is not None and score.refuse is not None]
        if refuse:
            lines.append(f"{arm}: {_said_of_round(refuse)}")
    return lines


def _said_of_calls(scores: Sequence[EmergencyScore]) -> str:
    calls = [call for score in scores for call in score.calls if not call.called_off]
    there = [call.response_s for call in calls if call.response_s is not None]
    high = [call.response_s for call in calls if call.response_s is not None and call.priority == 1]
    mean = f", mean response {fmean(there):.0f} s" if there else ""
    first = f", of the {len(high)} most urgent {fmean(high):.0f} s" if high else ""
    return f"ambulances at {len(there)} of {len(calls)} calls{mean}{first}"


def _said_of_doors(scores: Sequence[EmergencyScore]) -> list[str]:
    """Say how it went at hospitals' doors; nothing where nobody waited there or was turned round."""
    doors = [score.offload for score in scores if score.offload is not None]
    waited, turned = sum(one.waited for one in doors), sum(one.turned for one in doors)
    if not waited and not turned:
        return []
    count = sum(one.handovers for one in doors)
    mean = sum(one.handovers * one.mean_min for one in doors) / count
    late = sum(one.handovers * one.over_15_min for one in doors)
    longest = max(one.longest_min for one in doors)
    said = f"{count} handovers, {mean:.1f} min from the hospital's door to free in the mean, {longest:.1f} at most, "
    said += f"{late:.0f} longer than 15 min; {waited} waited for a bay"
    return [said + (f"; {turned} turned round, since their hospital had closed" if turned else "")]


def _paired(runs: Mapping[str, Sequence[ServicesScore | None]]) -> list[str]:
    """Hold the same calls against one another, of the first and the last arm."""
    arms = list(runs)
    if len(arms) < 2:
        return []
    times = [_responses(runs[arm]) for arm in (arms[0], arms[-1])]
    both = sorted(set(times[0]) & set(times[1]))
    if not both:
        return []
    gain_s = fmean(times[0][number] - times[1][number] for number in both)
    word = "sooner" if gain_s >= 0 else "later"
    said = f"the same {len(both)} calls: {arms[-1]} {abs(gain_s):.0f} s {word} than {arms[0]} in the mean"
    return [f"{said}; too few to tell a gain from chance"]


def _responses(scores: Sequence[ServicesScore | None]) -> dict[int, float]:
    return {
        call.number: call.response_s
        for score in scores
        if score is not None and score.emergency is not None
        for call in score.emergency.calls
        if call.response_s is not None
    }


def _said_of_round(scores: Sequence[RefuseScore]) -> str:
    stops = sum(sum(score.stops) for score in scores)
    fills = [score.fill_at_stop for score in scores if score.fill_at_stop is not None]
    found = f", {100 * fmean(fills):.0f} % full in the mean" if fills else ""
    left = sum(score.overfull_tomorrow for score in scores)
    now = sum(score.overfull_end for score in scores)
    broken = ", one truck broken down" if any(score.broken_after_s is not None for score in scores) else ""
    return f"{stops} containers emptied{found}{broken}; overfull at the end {now}, a day later {left} if nobody comes"


def service_section(runs: Mapping[str, Sequence[ServicesScore | None]]) -> str:
    """Return the report's section, empty where no run had services."""
    lines = service_lines(runs)
    if not lines:
        return ""
    arms = list(runs)
    times = [_responses(runs[arm]) for arm in arms]
    known = {
        call.number: call.priority
        for scores in runs.values()
        for score in scores
        if score is not None and score.emergency is not None
        for call in score.emergency.calls
        if not call.called_off
    }
    head = "".join(f'<th scope="col">{escape(arm)} [s]</th>' for arm in arms)
    rows = "".join(
        f'<tr><th scope="row">{number}</th><td>{priority}</td>'
        + "".join(f"<td>{of[number]:.0f}</td>" if number in of else "<td>not by the end</td>" for of in times)
        + "</tr>"
        for number, priority in sorted(known.items())
    )
    table = (
        '<div class="wide"><table><caption>Response to each call: from the call answered to somebody there.</caption>'
        f'<thead><tr><th scope="col">Call</th><th scope="col">Priority</th>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )
    said = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        "<h2>Ambulances and refuse on the same streets</h2>"
        "<p>Made-up calls, stations, containers and a depot, in the same twin as the cars. So few calls and one round "
        "show that the loop closes; they prove no gain. Service vehicles are left out of every other figure.</p>"
        f"<ul>{said}</ul>{table if known else ''}"
    )
