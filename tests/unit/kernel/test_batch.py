"""Batches join in order and keep their types."""

from __future__ import annotations

import numpy as np

from cityloop.kernel.batch import Batch, concat, empty_batch


def test_an_empty_batch_has_the_declared_types():
    """Nothing heard is still typed, so that joining it changes no type."""
    kinds = [getattr(empty_batch(), name).dtype for name in Batch.__slots__]
    assert kinds == [np.int32, np.int64, np.int64, np.float64, np.uint8]
    assert len(empty_batch()) == 0


def test_nothing_joined_is_an_empty_batch():
    """Joining no batches gives an empty one."""
    assert len(concat([])) == 0


def test_joining_keeps_the_order():
    """Readings stay in the order of arrival."""
    one = Batch(*(np.array([1], getattr(empty_batch(), name).dtype) for name in Batch.__slots__))
    two = Batch(*(np.array([2], getattr(empty_batch(), name).dtype) for name in Batch.__slots__))
    joined = concat([two, empty_batch(), one])
    assert joined.stream.tolist() == [2, 1]
    assert joined.stream.dtype == np.int32
