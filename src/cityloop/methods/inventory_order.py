"""In what order customers are put back into rounds of several days, and which days seem dear meanwhile."""

from __future__ import annotations

from typing import Any

from cityloop.methods.vrp_insert import draw
from cityloop.methods.vrp_kernel import compiled

__all__ = ["lean_days", "shuffle"]


@compiled
def lean_days(problem: Any, store: Any, choice: Any, often: float) -> None:
    """Make days dearer or cheaper: a round moves to another day only where its first stop does not pay for the way."""
    node = choice.visits[choice.begin[choice.out[0]], 0]
    way = 2.0 * problem.distance[problem.start[0], node] if node >= 0 else 0.0
    some = draw(store.dice) < often
    for d in range(len(choice.lean)):
        choice.lean[d] = int(way * (2.0 * draw(store.dice) - 1.0)) if some else 0


@compiled
def shuffle(problem: Any, store: Any, choice: Any, count: int) -> None:
    """Order the customers that are out by chance, by load or by distance."""
    way = draw(store.dice)
    order = store.order
    for i in range(count):
        node = choice.visits[choice.begin[choice.out[i]], 0]
        order[i] = draw(store.dice)
        if node >= 0 and 0.5 <= way < 0.8:
            order[i] = -float(problem.demand[node, 0])
        elif node >= 0 and way >= 0.8:
            order[i] = -float(problem.distance[problem.start[0], node])
    for i in range(1, count):
        key, c = order[i], choice.out[i]
        j = i - 1
        while j >= 0 and order[j] > key:
            order[j + 1], choice.out[j + 1] = order[j], choice.out[j]
            j -= 1
        order[j + 1], choice.out[j + 1] = key, c
