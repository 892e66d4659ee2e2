"""What tests of a server in a process of its own share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

__all__ = ["wait_for"]


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], patience_s: float) -> Any:
    """Ask until there is an answer; a server that has ended meanwhile fails with what it said."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        try:
            found = what()
            if found:
                return found
        except OSError:
            assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.3)
    raise AssertionError("it never came")
