"""JSON Patch, by the examples of RFC 6902, appendix A."""

from __future__ import annotations

import pytest

from cityloop.wire.json_patch import PatchError, apply_patch


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/1", "value": "x"}], {"foo": ["a", "x", "b"]}),
        ({"baz": 1, "foo": 2}, [{"op": "remove", "path": "/baz"}], {"foo": 2}),
        ({"foo": [1, 2, 3]}, [{"op": "remove", "path": "/foo/1"}], {"foo": [1, 3]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"f": [1, 2, 3]}, [{"op": "move", "from": "/f/0", "path": "/f/2"}], {"f": [2, 3, 1]}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"a": "x"}, [{"op": "test", "path": "/a", "value": "x"}], {"a": "x"}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": [1]}], [1]),
        ({"a": []}, [{"op": "add", "path": "/a/-", "value": 1}], {"a": [1]}),
    ],
)
def test_operations_do_what_the_standard_says(before, operations, after):
    """The result is as told, and the document given stays as it was."""
    kept = {**before}
    assert apply_patch(before, operations) == after
    assert before == kept


@pytest.mark.parametrize(
    ("operations", "told"),
    [
        ({}, "a JSON Patch is a list"),
        ([1], "operation 0 must be an object"),
        ([{"op": "add", "path": "/a/b/c", "value": 1}], "nothing at 'b'"),
        ([{"op": "remove", "path": "/x"}], "nothing at 'x'"),
        ([{"op": "add", "path": "/l/9", "value": 1}], "nothing can be added"),
        ([{"op": "add", "path": "/l/01", "value": 1}], "nothing can be added"),
        ([{"op": "test", "path": "/one", "value": True}], "does not hold"),
        ([{"op": "add", "path": "a", "value": 1}], "JSON Pointer"),
        ([{"op": "add", "path": "/a"}], "value is missing"),
        ([{"op": "move", "from": "/a", "path": "/a/b"}], "into itself"),
        ([{"op": "brew", "path": "/a"}], "op is 'brew'"),
    ],
)
def test_operation_that_cannot_be_done_is_named(operations, told):
    """The error tells which operation, and why."""
    with pytest.raises(PatchError, match=told):
        apply_patch({"a": {}, "l": [], "one": 1}, operations)
