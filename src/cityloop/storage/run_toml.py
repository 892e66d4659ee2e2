"""`run.toml`: what a run was made of, and whether it came to its end.

It says nothing of when or how fast the run was made, so that equal runs have equal files save for paths.
"""

from __future__ import annotations

import json
import os
import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

import cityloop
from cityloop.kernel.errors import StoreError
from cityloop.storage.journal_log import sync_folder

__all__ = [
    "FORMAT",
    "RUN_FILE",
    "InputFile",
    "Result",
    "RunToml",
    "Span",
    "read_run_toml",
    "versions_here",
    "write_run_toml",
]

FORMAT = 1
"""Version of the run folder; another one is refused."""

RUN_FILE = "run.toml"

_PACKAGES = ("eclipse-sumo", "libsumo", "msgspec", "numba", "numpy", "pyarrow")


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the run was made from."""

    role: str
    """``network``, ``routes``, ``additional``, ``plans`` or ``faults``."""

    path: str
    sha256: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time, begin included."""

    begin_s: float
    end_s: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What sealing a run adds."""

    decisions: int
    decisions_digest: str
    steps: int
    ended_ms: int
    files: dict[str, str]
    """SHA-256 of each recorded file by its path inside the folder."""


class RunToml(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `run.toml`."""

    city: str
    """As given on the command line."""

    case: str
    """The city's own name."""

    control: str
    sensing: str
    seed: int
    scale: float
    begin_s: float
    end_s: float
    leased: bool
    """Whether the control sends leases; the others are modes of the twin."""

    own_plan: str
    """The program that runs without a lease: ``shipped``, ``fixed``, ``fixed-tuned``, ..."""

    case_digest: str
    layout_digest: str
    versions: dict[str, str]
    faults: str = ""
    """File of sensor faults, also among the inputs."""

    calibration: str = ""
    """How far the demand has been proved against counts."""

    format: int = FORMAT
    state: str = "incomplete"
    """``incomplete`` until everything is written, then ``complete``."""

    blackouts: tuple[Span, ...] = ()
    """Spans without a brain, since the begin of the run."""

    inputs: tuple[InputFile, ...] = ()
    result: Result | None = None

    @property
    def complete(self) -> bool:
        """Whether the run came to its end and everything of it is written."""
        return self.state == "complete"


def read_run_toml(folder: Path) -> RunToml:
    """Read a folder's `run.toml`."""
    path = folder / RUN_FILE
    if not path.is_file():
        raise StoreError(f"{folder}: not a run folder, it has no {RUN_FILE}; give the DIR of a cityloop run")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if raw.get("format") != FORMAT:
            raise StoreError(
                f"{path}: format is {raw.get('format')!r}, must be {FORMAT}; use the release that wrote it"
            )
        return msgspec.convert(raw, RunToml)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error


def write_run_toml(folder: Path, run: RunToml) -> None:
    """Write `run.toml` whole or not at all: to a sibling first, synced, then renamed."""
    path = folder / RUN_FILE
    part = folder / f".{RUN_FILE}.part"
    with part.open("w", encoding="utf-8") as stream:
        stream.write(_toml(msgspec.to_builtins(run)))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    sync_folder(folder)


def versions_here() -> dict[str, str]:
    """Return the versions of cityloop, Python and the packages that a run's figures depend on."""
    found = {"cityloop": cityloop.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def _toml(document: dict[str, Any]) -> str:
    """Encode plain keys first, then tables; None is left out."""
    lines = ["# A run of cityloop; see docs/run-folder.md."]
    lines += _plain(document)
    for key, value in document.items():
        if isinstance(value, dict):
            lines += _table(key, value)
        elif _is_rows(value):
            for row in value:
                lines += ["", f"[[{key}]]", *_plain(row)]
    return "\n".join(lines) + "\n"


def _table(name: str, table: dict[str, Any]) -> list[str]:
    lines = ["", f"[{name}]", *_plain(table)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(f"{name}.{key}", value)
    return lines


def _plain(table: dict[str, Any]) -> list[str]:
    return [
        f"{_key(key)} = {_value(value)}"
        for key, value in table.items()
        if value is not None and not isinstance(value, dict) and not _is_rows(value)
    ]


def _value(value: Any) -> str:
    # A JSON scalar or list is a TOML one, but for the delete character, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], dict)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)
