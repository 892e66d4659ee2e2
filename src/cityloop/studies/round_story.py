"""The story of a refuse round from a run's own record: when routes were planned, for what, and how many stops moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cityloop.domains.refuse.schema import PlanReason, PlanRound
from cityloop.kernel.layout import StreamKind
from cityloop.storage.run_folder import RunReader

__all__ = ["round_lines"]


def round_lines(run_dir: Path) -> list[str]:
    """Return a line a plan that was asked for and handed over; none where the city has no trucks."""
    reader = RunReader(run_dir)
    layout = reader.layout()
    if "refuse" not in layout.tables:
        return []
    begin_s = reader.run.begin_s
    asked = {
        (action.round, action.version): (decision.decided_at_ms, action)
        for decision in reader.decisions()
        if isinstance(action := decision.proposal.action, PlanRound) and decision.sequence >= 0
    }
    lines = []
    for (number, version), (told_ms, moved, taken, left_out) in sorted(_answers(reader).items()):
        if (number, version) not in asked:
            continue
        asked_ms, action = asked[number, version]
        stops = len(action.containers)
        at_s = asked_ms / 1000 - begin_s
        after_s = (told_ms - asked_ms) / 1000
        if action.reason == PlanReason.MORNING:
            line = f"round of {stops} containers planned at {at_s:.0f} s"
        else:
            gone = ", ".join(_broken(layout.names["trucks"], action))
            line = (
                f"{gone} broke down; new plan asked for at {at_s:.0f} s, in force {after_s:.0f} s later: {taken} stops "
                f"taken over by the others, {moved} of their own stops moved"
            )
        lines.append(line + (f", {left_out} left open" if left_out else ""))
    return lines


def _broken(names: tuple[str, ...], action: PlanRound) -> Iterator[str]:
    return (name for name, out in zip(names, action.truck_out, strict=True) if out)


def _answers(reader: RunReader) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Return, by round and plan, when it was first handed over and how many stops it moves, takes over and leaves."""
    kinds = reader.layout().streams.kind
    found: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for now_ms, batch in reader.readings():
        kind = kinds[batch.stream]
        for at in np.flatnonzero(kind == StreamKind.PLAN_VERSION).tolist():
            key = divmod(int(batch.value[at]), 100)
            told = batch.value[kind == StreamKind.PLAN_MOVED]
            left_out = int((kind == StreamKind.PLAN_LEFT_OUT).sum())
            found.setdefault(key, (now_ms, int((told == 1).sum()), int((told == 2).sum()), left_out))
    return found
