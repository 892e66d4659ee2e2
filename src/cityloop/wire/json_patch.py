"""JSON Patch (RFC 6902) on decoded JSON."""

from __future__ import annotations

import copy
from typing import Any

from cityloop.kernel.errors import InputError

__all__ = ["PatchError", "apply_patch"]

_MOST = 1000


class PatchError(InputError):
    """A patch that cannot be applied; the message names the operation and the path."""


def apply_patch(document: Any, operations: Any) -> Any:
    """Return a document with operations applied in order; the document given stays as it is.

    Raises
    ------
    PatchError
        For the first operation that cannot be applied.
    """
    if not isinstance(operations, list) or len(operations) > _MOST:
        raise PatchError(f"a JSON Patch is a list of at most {_MOST} operations")
    # The root is held in a list so that replacing the whole document needs no special case.
    holder = [copy.deepcopy(document)]
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise PatchError(f"operation {number} must be an object of op and path")
        _apply(holder, operation, number)
    return holder[0]


def _apply(holder: list[Any], operation: dict[str, Any], number: int) -> None:
    verb = operation.get("op")
    path = _pointer(operation, "path", number)
    match verb:
        case "add":
            _add(holder, path, _value(operation, number), number)
        case "remove":
            _remove(holder, path, number)
        case "replace":
            value = _value(operation, number)
            _remove(holder, path, number)
            _add(holder, path, value, number)
        case "move":
            source = _pointer(operation, "from", number)
            if path[: len(source)] == source and path != source:
                raise PatchError(f"operation {number}: {operation['from']!r} cannot be moved into itself")
            _add(holder, path, _remove(holder, source, number), number)
        case "copy":
            source = _pointer(operation, "from", number)
            _add(holder, path, copy.deepcopy(_get(holder, source, number)), number)
        case "test":
            if not _same(_get(holder, path, number), _value(operation, number)):
                raise PatchError(f"operation {number}: {operation['path']!r} does not hold the value tested for")
        case _:
            raise PatchError(
                f"operation {number}: op is {str(verb)[:20]!r}; give add, remove, replace, move, copy or test"
            )


def _pointer(operation: dict[str, Any], key: str, number: int) -> list[str]:
    text = operation.get(key)
    if not isinstance(text, str) or (text and not text.startswith("/")) or len(text) > 4096:
        raise PatchError(f"operation {number}: {key} is {str(text)[:40]!r}; give a JSON Pointer such as /name")
    return ["0", *(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])]


def _value(operation: dict[str, Any], number: int) -> Any:
    if "value" not in operation:
        raise PatchError(f"operation {number}: value is missing")
    return copy.deepcopy(operation["value"])


def _parent(holder: list[Any], path: list[str], number: int) -> Any:
    return holder if len(path) == 1 else _get(holder, path[:-1], number)


def _get(holder: list[Any], path: list[str], number: int) -> Any:
    at: Any = holder
    for step in path:
        if isinstance(at, dict) and step in at:
            at = at[step]
        elif isinstance(at, list) and _is_index(step) and int(step) < len(at):
            at = at[int(step)]
        else:
            raise PatchError(f"operation {number}: there is nothing at {step[:40]!r}")
    return at


def _add(holder: list[Any], path: list[str], value: Any, number: int) -> None:
    parent, step = _parent(holder, path, number), path[-1]
    if parent is holder:
        holder[:] = [value]
    elif isinstance(parent, dict):
        parent[step] = value
    elif isinstance(parent, list) and step == "-":
        parent.append(value)
    elif isinstance(parent, list) and _is_index(step) and int(step) <= len(parent):
        parent.insert(int(step), value)
    else:
        raise PatchError(f"operation {number}: nothing can be added at {step[:40]!r}")


def _remove(holder: list[Any], path: list[str], number: int) -> Any:
    parent, step = _parent(holder, path, number), path[-1]
    found = _get(holder, path, number)
    if parent is holder:
        holder[:] = [None]
    elif isinstance(parent, dict):
        del parent[step]
    else:
        del parent[int(step)]
    return found


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdecimal() and len(step) < 10 and (step == "0" or step[0] != "0")


def _same(a: Any, b: Any) -> bool:
    """Compare as JSON does: a truth value is no number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
