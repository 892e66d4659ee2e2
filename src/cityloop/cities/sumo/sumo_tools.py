"""Where SUMO lives, and how its programs are run as children.

SUMO's tools read `SUMO_HOME`; it is set in the child's environment only, so that a SUMO that the user has
installed elsewhere is neither used by accident nor disturbed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import sumo

from cityloop.kernel.errors import CityError

__all__ = ["run_binary", "run_tool", "sumo_home", "sumo_version"]


@cache
def sumo_home() -> Path:
    """Return the home folder of the SUMO that ships with cityloop."""
    return Path(sumo.SUMO_HOME)


@cache
def sumo_version() -> str:
    """Return the version of the SUMO that ships with cityloop."""
    return version("eclipse-sumo")


def run_binary(name: str, arguments: Sequence[str]) -> None:
    """Run a SUMO program to its end, or raise with the first error it printed."""
    _run(name, [str(sumo_home() / "bin" / name), *arguments])


def run_tool(script: str, arguments: Sequence[str]) -> None:
    """Run one of SUMO's Python tools to its end, or raise with the first error it printed."""
    _run(script, [sys.executable, str(sumo_home() / "tools" / script), *arguments])


def _run(name: str, command: list[str]) -> None:
    environment = dict(os.environ, SUMO_HOME=str(sumo_home()))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CityError(f"SUMO's {name} failed (exit {done.returncode}): {_first_error(done.stderr)}")


def _first_error(stderr: str) -> str:
    """Pick the line that says what went wrong; SUMO's last line is always 'Quitting (on error)'."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")]
    return (errors or lines[-1:] or ["no message"])[0]
