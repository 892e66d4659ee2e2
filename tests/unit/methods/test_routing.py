"""Least travel times: exact on graphs small and random, closed roads, other times on the same order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from cityloop.kernel.errors import LayoutError
from cityloop.methods.routing import FAR_MS, RoadGraph, build_router


def graph_of(n, arcs):
    rows = np.array(arcs, np.int32).reshape(-1, 3)
    place = np.arange(n, dtype=np.float64)
    graph, given_arc = RoadGraph.from_arcs(place, place, rows[:, 0], rows[:, 1], np.ones(len(rows)))
    return graph, rows[given_arc, 2]


def test_a_way_is_the_sum_of_its_arcs():
    """0 to 2 by way of 1 takes 5 + 7 ms, less than 20 ms straight."""
    router = build_router(*graph_of(3, [(0, 1, 5), (1, 2, 7), (0, 2, 20)]))
    assert router.time_ms(0, 2) == 12
    way = router.way(0, 2)
    assert way.nodes.tolist() == [0, 1, 2]
    assert way.passed_ms.tolist() == [0, 5, 12]


def test_no_way_is_far_and_has_no_nodes():
    """Node 1 leads nowhere."""
    router = build_router(*graph_of(2, [(0, 1, 5)]))
    assert router.time_ms(1, 0) == FAR_MS
    assert len(router.way(1, 0).nodes) == 0


def test_a_closed_arc_is_gone_round_and_comes_back():
    """Retimed with the middle closed the way is the long one; retimed again it is the short one."""
    graph, arc_ms = graph_of(3, [(0, 1, 5), (1, 2, 7), (0, 2, 20)])
    router = build_router(graph, arc_ms)
    closed = arc_ms.copy()
    closed[(graph.tail == 1) & (graph.head == 2)] = FAR_MS
    assert router.retimed(closed).time_ms(0, 2) == 20
    assert router.retimed(closed).retimed(arc_ms).time_ms(0, 2) == 12


@given(st.integers(2, 25), st.integers(0, 2**31), st.floats(1.0, 5.0))
def test_every_time_is_the_one_of_dijkstra(n, seed, density):
    """All pairs of a random graph, one-way streets and unreachable nodes among them."""
    rng = np.random.default_rng(seed)
    count = int(n * density)
    tail, head = rng.integers(0, n, count), rng.integers(0, n, count)
    graph, arc_ms = graph_of(n, np.column_stack((tail, head, rng.integers(1, 1000, count))))
    least = np.full((n, n), np.inf)
    np.minimum.at(least, (graph.tail, graph.head), arc_ms)
    sparse = csr_array(np.where(np.isfinite(least), least, 0))
    truth = dijkstra(sparse)
    router = build_router(graph, arc_ms)
    found = router.matrix_ms(np.arange(n), np.arange(n)).astype(float)
    found[found >= FAR_MS] = np.inf
    assert np.array_equal(found, truth)
    way = router.way(0, n - 1)
    if np.isfinite(truth[0, n - 1]):
        assert way.passed_ms[-1] == truth[0, n - 1]
        assert way.nodes[[0, -1]].tolist() == [0, n - 1]


def test_an_arc_to_nowhere_is_named():
    """Node 7 is not there."""
    with pytest.raises(LayoutError, match=r"Arc 0: leads to node 7, must be 0 to 1"):
        graph_of(2, [(0, 7, 5)])


def test_a_free_arc_is_refused():
    """A road takes time."""
    graph, _ = graph_of(2, [(0, 1, 5)])
    with pytest.raises(LayoutError, match="at least 1 ms"):
        build_router(graph, np.zeros(1, np.int32))
