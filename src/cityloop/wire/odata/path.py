"""The resource path of a request: steps of sets, keys, navigation and properties."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from cityloop.wire.odata.ast import ODataError

__all__ = ["Step", "parse_path"]

MAX_STEPS = 40
_STEP = re.compile(r"(?P<name>[$@]?[\w.\-@:]+)(?:\((?P<key>-?\d+|'(?:[^']|'')*')\))?\Z")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``Things(1)``, ``Datastreams``, ``properties`` or ``$ref``."""

    name: str
    key: str | None = None
    """Text of the key, without quotes; None when there is none."""


def parse_path(text: str, *, escaped: bool = True) -> tuple[Step, ...]:
    """Return the steps of a path below the service root.

    Raises
    ------
    ODataError
        Naming the step that cannot be read.
    """
    steps = []
    for raw in _pieces(text.strip("/")):
        try:
            piece = unquote(raw, errors="strict") if escaped else raw
        except UnicodeDecodeError:
            raise ODataError(f"path step {raw[:40]!r} is not UTF-8") from None
        match = _STEP.match(piece)
        if match is None:
            raise ODataError(f"path step {piece[:60]!r} cannot be read; write Things(1) or Observations('id')")
        key = match["key"]
        if key is not None and key.startswith("'"):
            key = key[1:-1].replace("''", "'")
        steps.append(Step(match["name"], key))
    if len(steps) > MAX_STEPS:
        raise ODataError(f"path has {len(steps)} steps; at most {MAX_STEPS} are taken")
    return tuple(steps)


def _pieces(text: str) -> list[str]:
    """Split at slashes outside of quotes."""
    if not text:
        return []
    if "'" not in text and "%27" not in text:
        return text.split("/")
    plain = text.replace("%27", "'")
    pieces, quoted, begin = [], False, 0
    for at, character in enumerate(plain):
        if character == "'":
            quoted = not quoted
        elif character == "/" and not quoted:
            pieces.append(plain[begin:at])
            begin = at + 1
    pieces.append(plain[begin:])
    return pieces
