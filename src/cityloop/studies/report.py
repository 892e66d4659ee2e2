"""The report: one HTML file that needs no network, no script and no other file.

It is written from run folders: their scorecards, SUMO's own records of the lamps, the journal, and the
network for the map.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from cityloop.cities.sumo.netfile import NetFile, read_netfile
from cityloop.cities.sumo.outputs import EDGES_FILE, read_edge_loss
from cityloop.domains.signals.schema import Reason, ShowStage
from cityloop.kernel.errors import LayoutError, StoreError
from cityloop.storage.run_folder import RunReader
from cityloop.storage.run_toml import read_run_toml
from cityloop.studies import report_parts as parts
from cityloop.studies.compare import OURS, find_runs
from cityloop.studies.junction_delay import JunctionScore
from cityloop.studies.lamp_history import busiest_corridor, read_window
from cityloop.studies.pictures import delay_by_arm, delay_map, delay_over_time
from cityloop.studies.scorecard import RunScore, read_scorecard
from cityloop.studies.services import service_section
from cityloop.studies.summary import Summary, summarise
from cityloop.studies.svg import clock
from cityloop.studies.timing_pictures import Change, green_band_picture, timeline_picture

__all__ = ["render_report", "write_report"]

_CSS_FILE = Path(__file__).parent / "report.css"
_BAND_WINDOW_S = 600.0
_TIMELINE_WINDOW_S = 240.0
_REASONS = {
    Reason.CHANGE_LEAST_DELAY: "changing now has the least expected delay",
    Reason.CHANGE_WAIT_BOUND: "somebody would wait past the longest red allowed",
    Reason.CHANGE_PRESSURE: "another stage has the greater pressure",
}


class _Run(msgspec.Struct, frozen=True):
    folder: Path
    score: RunScore


def write_report(folders: Sequence[Path], out: Path) -> Path:
    """Write the report of the runs in and under ``folders``, whole or not at all."""
    page = render_report(find_runs(folders))
    part = out.with_name(f".{out.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(page)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(out)
    return out


def render_report(run_dirs: Sequence[Path]) -> str:
    """Return the report of scored runs as one HTML page."""
    groups = _groups([_Run(folder, read_scorecard(folder)) for folder in run_dirs])
    bodies, title = [], ""
    for row, arms in enumerate(groups):
        summary = summarise({arm: [run.score for run in runs] for arm, runs in arms.items()}, _ours(arms))
        title = title or f"{summary.city}: {_listed(list(arms))}"
        bodies.append(_section(f"g{row}", summary, arms, alone=len(groups) == 1))
    title = title if len(groups) == 1 else f"{len(groups)} studies"
    css = _CSS_FILE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)} – cityloop</title>'
        f'<style>{css}</style></head><body><a class="skip" href="#main">To the findings</a>'
        f'<header><p class="eyebrow">cityloop · signals in the digital '
        f"twin</p><h1>{escape(title)}</h1></header>"
        f'<main id="main">{"".join(bodies)}</main>'
        "<footer><p>Simulated, not observed. Written by cityloop from the folders of the runs; every figure "
        "can be "
        "computed again with <code>cityloop report DIR --rescore</code>.</p></footer></body></html>\n"
    )


def _listed(names: Sequence[str]) -> str:
    """Return 'a, b and c'."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _groups(runs: Sequence[_Run]) -> list[dict[str, list[_Run]]]:
    """Group runs that can be compared, each group by arm; runs of one arm at two levels are two arms."""
    levels: dict[str, set[str]] = {}
    for run in runs:
        levels.setdefault(run.score.arm, set()).add(run.score.sensing)
    found: dict[tuple[object, ...], dict[str, list[_Run]]] = {}
    for run in runs:
        score = run.score
        key = (
            score.city,
            score.digests.get("case"),
            score.scale,
            score.begin_s,
            score.end_s,
            score.sumo_version,
        )
        many = score.arm in ("max-pressure", OURS) and len(levels[score.arm]) > 1
        arm = f"{score.arm} ({score.sensing})" if many else score.arm
        seeds = found.setdefault(key, {}).setdefault(arm, [])
        if all(run.score.seed != other.score.seed for other in seeds):
            seeds.append(run)
    return [{arm: sorted(of, key=lambda run: run.score.seed) for arm, of in _ordered(arms)} for arms in found.values()]


def _ordered(arms: dict[str, list[_Run]]) -> Iterator[tuple[str, list[_Run]]]:
    """Yield the brain last, the others in the order they came."""
    yield from ((arm, runs) for arm, runs in arms.items() if not arm.startswith(OURS))
    yield from ((arm, runs) for arm, runs in arms.items() if arm.startswith(OURS))


def _ours(arms: dict[str, list[_Run]]) -> str:
    return next((arm for arm in arms if arm.startswith(OURS)), list(arms)[-1])


def _section(name: str, summary: Summary, arms: dict[str, list[_Run]], *, alone: bool) -> str:
    scores = {arm: [run.score for run in runs] for arm, runs in arms.items()}
    net = _network(arms)
    shown = [arm for arm in (summary.best_other, summary.ours) if arm is not None]
    by_arm = {arm: _mean_junctions(scores[arm]) for arm in shown}
    several = len(arms) > 1
    blocks = [
        "" if alone else f"<h2>{escape(summary.city)}, demand × {summary.scale:g}</h2>",
        parts.labels(summary),
        parts.headline(summary),
        parts.notices(summary),
        parts.cards(summary),
        "<h2>Delay</h2>",
        delay_by_arm(name, summary, scores) if several else "",
        delay_over_time(name, scores),
        parts.measures_table(summary),
        f"<h2>What got worse</h2>{parts.losses(summary)}" if several else "",
        "<h2>Where the time is lost</h2>",
        _maps(name, by_arm, net),
        parts.junction_table(summary, by_arm) if all(by_arm.values()) else "",
        "<h2>Safety of the lamps</h2>",
        parts.safety_table(summary),
        *_timing(name, arms, shown, net, by_arm),
        service_section({arm: [score.services for score in of] for arm, of in scores.items()}),
        f"<h2>How it was measured</h2>{parts.method(summary, scores)}",
    ]
    return f'<section aria-label="{escape(summary.city)}">{"".join(blocks)}</section>'


def _network(arms: dict[str, list[_Run]]) -> NetFile | None:
    """Read the network of the runs, or None where it is no longer at hand: then the map has no streets."""
    run = next(iter(arms.values()))[0]
    for one in read_run_toml(run.folder).inputs:
        if one.role == "network":
            try:
                return read_netfile(Path(one.path))
            except LayoutError:
                return None
    return None


def _mean_junctions(scores: Sequence[RunScore]) -> list[JunctionScore]:
    """Return each junction's mean over the seeds; of reds the longest."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    found = []
    for row, first in enumerate(scores[0].junctions):
        of = [score.junctions[row] for score in scores]
        found.append(
            msgspec.structs.replace(
                first,
                delay_veh_h=mean([one.delay_veh_h for one in of]),
                vehicles=mean([one.vehicles for one in of]),
                delay_per_vehicle_s=mean([one.delay_per_vehicle_s for one in of]),
                longest_red_s=max((one.longest_red_s for one in of if one.longest_red_s is not None), default=None),
            )
        )
    return found


def _maps(name: str, by_arm: dict[str, list[JunctionScore]], net: NetFile | None) -> str:
    drawn = {arm: of for arm, of in by_arm.items() if of and any(one.delay_veh_h is not None for one in of)}
    if not drawn:
        return "<p>These runs did not record time lost by edge, so there is no map.</p>"
    most = max(one.delay_veh_h or 0.0 for of in drawn.values() for one in of)
    maps = [delay_map(f"{name}-map{row}", arm, net, of, most) for row, (arm, of) in enumerate(drawn.items())]
    return f'<div class="maps">{"".join(maps)}</div>'


def _timing(
    name: str,
    arms: dict[str, list[_Run]],
    shown: Sequence[str],
    net: NetFile | None,
    by_arm: dict[str, list[JunctionScore]],
) -> Iterator[str]:
    """Yield the greens along the busiest corridor, and the signals of the junction with the most delay."""
    if net is None:
        return
    run = arms[shown[-1]][0]
    middle_s = (run.score.begin_s + run.score.end_s) / 2
    corridor = busiest_corridor(net, read_edge_loss(run.folder / "sumo" / EDGES_FILE))
    if corridor is not None:
        window = (middle_s, min(middle_s + _BAND_WINDOW_S, run.score.end_s))
        yield "<h2>Along the busiest corridor</h2>"
        for row, arm in enumerate(shown):
            states = arms[arm][0].folder / "sumo" / "tls_states.xml"
            spans = read_window(states, {stop.junction for stop in corridor.stops}, *window)
            yield green_band_picture(f"{name}-band{row}", arm, corridor, spans, window, run.score.begin_s)
    if not by_arm[shown[-1]]:
        return
    worst = max(by_arm[shown[-1]], key=lambda one: one.delay_veh_h or 0.0).junction
    window = (middle_s, min(middle_s + _TIMELINE_WINDOW_S, run.score.end_s))
    spans = read_window(run.folder / "sumo" / "tls_states.xml", {worst}, *window)
    crossings = frozenset(
        way.link_index for way in net.connections if way.tls == worst and _is_crossing(net, way.to_edge)
    )
    changes = list(_changes(run.folder, worst, *window))
    yield f"<h2>One junction, second by second</h2><p>Junction {escape(worst)} under {escape(shown[-1])}, "
    yield (
        f"seed {run.score.seed}, from {clock(window[0], run.score.begin_s, seconds=True)}: the one that "
        f"loses most time.</p>"
    )
    yield timeline_picture(f"{name}-line", worst, spans.get(worst, []), crossings, changes, window, run.score.begin_s)
    if changes:
        rows = [
            [str(count), clock(at_s, run.score.begin_s, seconds=True), escape(reason)]
            for count, (at_s, reason) in enumerate(changes, 1)
        ]
        yield parts.table("Changes that were decided, from the journal.", ["", "When", "Why"], rows, words=2)


def _is_crossing(net: NetFile, edge_id: str) -> bool:
    edge = net.edges.get(edge_id)
    return edge is not None and edge.function == "crossing"


def _changes(folder: Path, junction: str, begin_s: float, end_s: float) -> Iterator[Change]:
    """Yield a junction's changes of stage from the journal: when each was first decided, and why."""
    reader = RunReader(folder)
    try:
        target = reader.layout().names["junctions"].index(junction)
        asked: int | None = None
        for decision in reader.decisions():
            action, at_s = decision.proposal.action, decision.decided_at_ms / 1000
            if decision.proposal.target != target or not isinstance(action, ShowStage):
                continue
            if at_s > end_s:
                return
            new = asked is not None and action.stage != asked
            asked = action.stage
            words = _REASONS.get(Reason(decision.proposal.reason))
            if new and at_s >= begin_s and words is not None:
                gain = (
                    f", {decision.proposal.gain:.0f} vehicle seconds better than staying"
                    if decision.proposal.gain > 0
                    else ""
                )
                yield at_s, f"to stage {action.stage}: {words}{gain}"
    except (StoreError, ValueError, KeyError):
        # A run without decisions, or one cut off: the lamps are still worth showing.
        return
