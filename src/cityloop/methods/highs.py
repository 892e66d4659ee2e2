"""How a model is handed to HiGHS: one thread, a gap and a budget of nodes, so that any machine answers the same."""

from __future__ import annotations

from typing import Any

import highspy

__all__ = ["solved"]


def solved(model: Any, *, gap: float, nodes: int) -> Any:
    """Return the solver after it has run.

    Parameters
    ----------
    model
        A ``highspy.HighsLp``.
    gap
        Relative gap at which the search stops.
    nodes
        Most nodes of the search.
    """
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy annotates no constructor
    for option, setting in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", gap),
        ("mip_max_nodes", nodes),
    ):
        solver.setOptionValue(option, setting)
    solver.passModel(model)
    solver.run()
    return solver
