"""The report's words and tables: what was found, what got worse, how safe it was, and how it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from cityloop.studies.junction_delay import JunctionScore
from cityloop.studies.measures import PERSONS_SOURCE
from cityloop.studies.pictures import junction_numbers
from cityloop.studies.scorecard import RunScore
from cityloop.studies.summary import MEASURES, Estimate, Pair, Summary
from cityloop.studies.svg import number

__all__ = [
    "cards",
    "headline",
    "junction_table",
    "labels",
    "losses",
    "measures_table",
    "method",
    "notices",
    "safety_table",
    "table",
]

_CLASS = {"better": "better", "worse": "worse"}


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 0) -> str:
    """Return a table whose first column heads its rows; cells are HTML.

    Parameters
    ----------
    words
        How many of the last columns hold words rather than figures.
    """
    wordy = len(head) - words

    def mark(column: int) -> str:
        return ' class="words"' if column >= wordy else ""

    top = "".join(f'<th scope="col"{mark(c)}>{escape(cell)}</th>' for c, cell in enumerate(head))
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{mark(c)}>{cell}</td>" for c, cell in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" '
        f'aria-label="{escape(_plain(caption))}"><table><caption>{caption}'
        f"</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def labels(summary: Summary, walkable: bool = False) -> str:
    """Return what every reader must see first: that it is simulated, and how far to trust the demand."""
    loud = "" if summary.calibration == "CALIBRATED" else ' class="loud"'
    seeds = len(summary.seeds)
    items = [
        '<li class="loud">SIMULATED</li>',
        f"<li{loud}>{escape(summary.calibration)}</li>",
        f"<li>SUMO {escape(summary.sumo_version)}</li>",
        f"<li>sensing {escape(summary.sensing)}</li>",
        f"<li>demand × {summary.scale:g}</li>",
        f"<li>{seeds} seed{'' if seeds == 1 else 's'}</li>",
    ]
    return f'<ul class="labels" aria-label="What this is">{"".join(items)}</ul>'


def headline(summary: Summary) -> str:
    """Return the finding in one sentence a rival."""
    pairs = [pair for pair in summary.pairs if pair.measure == "delay_s"]
    if not pairs:
        arm = summary.arms[0]
        found = arm.measures.get("delay_s")
        said = f"Mean delay of a vehicle: {number(found.mean)} s" if found else "No vehicle departed"
        alone = "One control only, so nothing is compared."
        return f'<p class="verdict">{said} under {escape(arm.arm)}. {alone}</p>'
    best = next((pair for pair in pairs if pair.theirs == summary.best_other), pairs[0])
    others = [pair for pair in pairs if pair is not best]
    lines = [f'<p class="verdict">{_verdict(best)}. Worst seed: {best.worst_seed}.</p>']
    lines += [f"<p>{_verdict(pair)}. Worst seed: {pair.worst_seed}.</p>" for pair in others]
    return "".join(lines)


def notices(summary: Summary) -> str:
    """Return failures and warnings, loudly; nothing where there are none."""
    items = [f"Failed: {f.arm}, seed {f.seed}: {f.reason}" for f in summary.failures] + list(summary.warnings)
    if not items:
        return ""
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<section class="notice" aria-label="Warnings"><h3>Read this first</h3><ul>{listed}</ul></section>'


def cards(summary: Summary) -> str:
    """Return the arm of interest in a handful of figures."""
    mine = next((arm for arm in summary.arms if arm.arm == summary.ours), summary.arms[0])
    rival = next((arm for arm in summary.arms if arm.arm == summary.best_other), None)

    def card(label: str, key: str, unit: str, digits: int = 1) -> str:
        found = mine.measures.get(key)
        if found is None:
            return ""
        other = rival.measures.get(key) if rival else None
        beside = f"<small>{escape(rival.arm)}: {number(other.mean, digits)}{unit}</small>" if rival and other else ""
        return f"<div><dt>{label}</dt><dd>{number(found.mean, digits)}{unit}{beside}</dd></div>"

    among = f"in {_count(mine.opportunities)} opportunities"
    unsafe = "none" if mine.unsafe == 0 else str(mine.unsafe)
    shown = [
        card("Mean delay", "delay_s", " s"),
        card("95th percentile of delay", "delay_p95_s", " s"),
        card("Stops of a vehicle", "stops", "", 2),
        card("Mean wait on foot", "walk_waiting_s", " s"),
        card("Longest red, mean of seeds", "longest_red_s", " s", 0),
        f"<div><dt>Unsafe lamp states</dt><dd>{unsafe}<small>{among}</small></dd></div>",
    ]
    return f'<dl class="cards" aria-label="{escape(mine.arm)} in figures">{"".join(shown)}</dl>'


def measures_table(summary: Summary) -> str:
    """Return every measure of every arm with intervals, and what may be said of it."""
    best = {pair.measure: pair for pair in summary.pairs if pair.theirs == summary.best_other}
    rows = []
    for measure in MEASURES:
        if not any(measure.key in arm.measures for arm in summary.arms):
            continue
        unit = f" [{measure.unit}]" if measure.unit else ""
        row = [f"{escape(measure.label)}{unit}"]
        row += [_estimate(arm.measures.get(measure.key)) for arm in summary.arms]
        if best:
            row.append(_gain(best.get(measure.key)))
        rows.append(row)
    head = ["Measure", *(arm.arm for arm in summary.arms)]
    if best:
        head.append(f"{summary.ours} against {summary.best_other}")
    seeds = ", ".join(map(str, summary.seeds))
    caption = (
        f"Means over the seeds {escape(seeds)}, with 95 % intervals (Student's t). Of every measure less is "
        f"better. "
        "Gains are paired by seed, with Fieller's interval."
    )
    return table(caption, head, rows, words=1 if best else 0)


def losses(summary: Summary) -> str:
    """Name what got worse, and say so when nothing did."""
    if summary.best_other is None:
        return ""
    chance = (
        f"Of {summary.compared} comparisons about {number(summary.compared / 40, 1)} come out worse by chance alone."
    )
    if len(summary.seeds) < 2:
        return "<p>One seed only: nothing can be said of gains and losses.</p>"
    if not summary.losses:
        return (
            f"<p>No measure and no junction is worse under {escape(summary.ours)} than under "
            f"{escape(summary.best_other)} "
            f"beyond its interval. {chance}</p>"
        )
    rows = [
        [
            escape(pair.label),
            f"{number(pair.ours_mean, 2)} {pair.unit}",
            f"{number(pair.theirs_mean, 2)} {pair.unit}",
            _gain(pair),
            str(pair.worst_seed),
        ]
        for pair in summary.losses
    ]
    caption = (
        f"Worse under {escape(summary.ours)} than under {escape(summary.best_other)}, beyond the interval. {chance}"
    )
    return table(caption, ["What", summary.ours, summary.best_other, "Difference", "Worst seed"], rows)


def safety_table(summary: Summary) -> str:
    """Return unsafe lamp states beside the number of times each could have happened."""
    kinds = list(summary.arms[0].unsafe_by_kind)
    rows = [
        [escape(kind.capitalize()), *(_of(*arm.unsafe_by_kind.get(kind, (0, 0))) for arm in summary.arms)]
        for kind in kinds
    ]
    rows.append(["Longest red of a vehicle link", *(f"{number(arm.longest_red_s, 0)} s" for arm in summary.arms)])
    rows.append(["Longest red of a crossing", *(_seconds(arm.longest_crossing_red_s) for arm in summary.arms)])
    rows.append(["Collisions (SUMO)", *(str(arm.collisions) for arm in summary.arms)])
    rows.append(["Emergency stops (SUMO)", *(_known(arm.emergency_stops) for arm in summary.arms)])
    rows.append(["Teleports (must be 0)", *(str(arm.teleports) for arm in summary.arms)])
    caption = (
        "Unsafe lamp states of all seeds together, found by a separate checker in SUMO's own record of the "
        "lamps, one a "
        "second. Reds are of any link, with or without somebody waiting."
    )
    return table(caption, ["Kind", *(arm.arm for arm in summary.arms)], rows)


def junction_table(summary: Summary, by_arm: Mapping[str, Sequence[JunctionScore]]) -> str:
    """Return delay and longest red of every junction, numbered as on the map."""
    arms = list(by_arm)
    numbers = junction_numbers(by_arm[arms[0]])
    rows = []
    for row, junction in enumerate(by_arm[arms[0]]):
        cells = [f"{numbers[junction.junction]} <small>{escape(junction.junction)}</small>"]
        for arm in arms:
            one = by_arm[arm][row]
            each = f"<small>{number(one.delay_per_vehicle_s)} s a vehicle</small>"
            cells.append(f"{number(one.delay_veh_h)}{each}")
        cells += [f"{number(by_arm[arm][row].longest_red_s, 0)} s" for arm in arms]
        rows.append(cells)
    head = ["Junction", *(f"{arm}: veh h" for arm in arms), *(f"{arm}: longest red" for arm in arms)]
    return table("Delay by junction, mean of the seeds; longest red of any seed.", head, rows)


def method(summary: Summary, scores: Mapping[str, Sequence[RunScore]]) -> str:
    """Return how each figure is defined, and what the runs were made of."""
    first = next(runs[0] for runs in scores.values() if runs)
    carried = ", ".join(f"{name} {count:g}" for name, count in first.persons.occupancy.items())
    digests = "".join(
        f"<dt>{escape(arm)}, seed {run.seed}</dt><dd>tripinfo.xml "
        f"<code>{run.digests.get('sumo/tripinfo.xml', '')}</code></dd>"
        for arm, runs in scores.items()
        for run in runs
    )
    return (
        "<p><strong>Delay</strong> is RESCO's: the mean over all vehicles of time loss plus departure delay; "
        "vehicles still "
        "under way at the end are included, and those that never departed count as end minus planned "
        "departure. "
        "<strong>Percentiles</strong> are nearest-rank. <strong>Standing time</strong> is below 0.1 m/s. "
        "<strong>Waits on "
        "foot</strong> are a person's standing times added up over the whole walk. <strong>A person's "
        "delay</strong> weighs "
        f"each vehicle by its occupants ({escape(carried)}). {escape(PERSONS_SOURCE)}</p>"
        "<p><strong>Seeds</strong> are SUMO's; both arms of a pair have the same seed and demand. “No clear "
        "difference” "
        "means that the 95 % interval of the paired difference holds zero. The best other control is chosen "
        "on these very "
        "seeds, which favours it.</p>"
        f'<dl class="facts"><dt>City</dt><dd>{escape(summary.city)}</dd><dt>Hours</dt><dd>{first.begin_s:g} '
        f"to "
        f"{first.end_s:g} s</dd><dt>Digest of the city's "
        f"files</dt><dd><code>{escape(summary.case_digest)}</code></dd>"
        f"<dt>cityloop</dt><dd>{escape(first.cityloop_version)}</dd></dl>"
        f'<details><summary>Digests of the runs</summary><dl class="facts">{digests}</dl></details>'
    )


def _verdict(pair: Pair) -> str:
    style = _CLASS.get(pair.verdict, "same")
    words = escape(pair.words[0].upper() + pair.words[1:])
    said = "no clear difference" if pair.verdict not in _CLASS else f"is {pair.verdict} than"
    marked = said.capitalize() if words.startswith(said.capitalize()) else said
    return words.replace(marked, f'<span class="{style}">{marked}</span>', 1)


def _gain(pair: Pair | None) -> str:
    if pair is None:
        return "–"
    style = _CLASS.get(pair.verdict, "same")
    if pair.verdict not in _CLASS:
        return f'<span class="{style}">{escape(pair.verdict)}</span>'
    if pair.gain_frac is None or pair.gain_low is None or pair.gain_high is None:
        between = f"<small>{_signed(pair.difference.low)} to {_signed(pair.difference.high)}</small>"
        return f'<span class="{style}">{_signed(pair.difference.mean)} {pair.unit}</span>{between}'
    sign = 1 if pair.verdict == "better" else -1
    low, high = sorted((100 * sign * pair.gain_low, 100 * sign * pair.gain_high))
    span = f"<small>{number(low)} to {number(high)} %</small>"
    return f'<span class="{style}">{number(100 * sign * pair.gain_frac)} % {pair.verdict}</span>{span}'


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{number(found.mean)}<small>one seed</small>"
    return f"{number(found.mean)}<small>{number(found.low)} to {number(found.high)}</small>"


def _of(violations: int, opportunities: int) -> str:
    style = "better" if violations == 0 and opportunities else "worse" if violations else "same"
    return f'<span class="{style}">{violations}</span><small>of {_count(opportunities)}</small>'


def _count(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{number(value, 0)} s"


def _known(value: int | None) -> str:
    return "not recorded" if value is None else str(value)


def _plain(caption: str) -> str:
    return caption.replace("<strong>", "").replace("</strong>", "")
