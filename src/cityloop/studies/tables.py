"""A comparison as plain text, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cityloop.studies.summary import ArmSummary, Estimate, Summary

__all__ = ["summary_lines"]


def summary_lines(summary: Summary) -> Iterable[str]:
    """Yield a table of the arms, the paired verdicts, what got worse, and what must be known."""
    seeds = ", ".join(map(str, summary.seeds)) or "none in common"
    yield (
        f"{summary.city}: simulated (SUMO {summary.sumo_version}), {summary.calibration}, "
        f"scale {summary.scale:g}, sensing {summary.sensing}, seeds {seeds}"
    )
    header = (
        "arm",
        "delay [s] (95 % CI)",
        "worst seed",
        "unsafe",
        "longest red",
        "wait on foot",
        "not arrived",
    )
    yield from _table([header, *(_row(arm) for arm in summary.arms)])
    for pair in summary.pairs:
        if pair.measure == "delay_s":
            best = " (the best other arm)" if pair.theirs == summary.best_other else ""
            yield f"{pair.words}{best}; worst seed {pair.worst_seed}"
    if summary.compared:
        among = f"{len(summary.losses)} of {summary.compared} measures and junctions"
        yield f"{among} are worse than with {summary.best_other}{':' if summary.losses else '.'}"
    for loss in summary.losses:
        yield f"  {loss.label}: {loss.ours_mean:.1f} against {loss.theirs_mean:.1f} {loss.unit}".rstrip()
    for failure in summary.failures:
        yield f"FAILED {failure.arm}, seed {failure.seed}: {failure.reason}"
    for warning in summary.warnings:
        yield f"warning: {warning}"


def _row(arm: ArmSummary) -> tuple[str, ...]:
    worst = "-" if arm.worst_delay_s is None else f"{arm.worst_seed}: {arm.worst_delay_s:.1f}"
    return (
        arm.arm,
        _estimate(arm.measures.get("delay_s")),
        worst,
        f"{arm.unsafe} of {arm.opportunities}",
        "-" if arm.longest_red_s is None else f"{arm.longest_red_s:.0f} s",
        _estimate(arm.measures.get("walk_waiting_s")),
        _estimate(arm.measures.get("not_arrived")),
    )


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.1f} (one seed)"
    return f"{estimate.mean:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
