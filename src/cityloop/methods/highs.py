"""How a model is handed to HiGHS: one thread, a gap and a budget of nodes, so that any machine answers the same."""

from __future__ import annotations

from typing import Any

import highspy

__all__ = ["solved", "solver_with"]


def solver_with(*, nodes: int, **options: float) -> Any:
    """Return a silent solver of one thread, without a model.

    Parameters
    ----------
    nodes
        Most nodes of the search.
    options
        Further options by the solver's own names.
    """
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy annotates no constructor
    for option, setting in {"output_flag": False, "threads": 1, "mip_max_nodes": nodes, **options}.items():
        solver.setOptionValue(option, setting)
    return solver


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
    solver = solver_with(nodes=nodes, mip_rel_gap=gap)
    solver.passModel(model)
    solver.run()
    return solver
