"""The supervised child process in which a twin's simulation runs.

A crash of SUMO, or its killing, reaches the brain as one ``CityError``. The child ends with its parent: the
socket between them closes.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cityloop
from cityloop.cities.sumo.launch import Launch
from cityloop.cities.sumo.sumo_tools import sumo_home
from cityloop.cities.sumo.twin_wire import (
    Close,
    Closed,
    Failed,
    LeaseMessage,
    Observe,
    Ready,
    Seen,
    receive,
    send,
)
from cityloop.kernel.errors import CityError

__all__ = ["TwinProcess"]

_CLOSE_LIMIT_S = 120.0
_EXIT_LIMIT_S = 10.0


class TwinProcess:
    """A child process with one simulation; owns the process and the socket to it."""

    def __init__(self, city: str, launch: Launch) -> None:
        self._city = city
        self._now_ms = launch.begin_ms
        self.cpu_s = 0.0
        """Processor time that the child has used. [s]"""
        self._log = os.fdopen(os.memfd_create("sumo-messages"), "w+b")
        here, there = socket.socketpair()
        self._connection: socket.socket | None = here
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cityloop.cities.sumo.child", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=_environment(),
            )
        try:
            here.sendall(pickle.dumps(launch))
        except ConnectionError:
            self._raise_death()
        if not isinstance(self._reply(), Ready):
            self._raise_death()

    @property
    def pid(self) -> int:
        """Process number of the child."""
        return self._process.pid

    def observe(self, until_ms: int, commands: Sequence[LeaseMessage]) -> Seen:
        """Hand over commands and let time pass, in one round trip."""
        reply = self._ask(Observe(until_ms, tuple(commands)))
        if not isinstance(reply, Seen):
            self._raise_death()
        self._now_ms, self.cpu_s = reply.now_ms, reply.cpu_s
        return reply

    def close(self) -> None:
        """Let SUMO finish its outputs and end the child; a child that is gone already is no fault."""
        if self._connection is None:
            return
        try:
            self._connection.settimeout(_CLOSE_LIMIT_S)
            send(self._connection, Close())
            reply = receive(self._connection)
            if isinstance(reply, Closed):
                self.cpu_s = reply.cpu_s
        except OSError:
            pass
        self._release()

    def _ask(self, message: Observe) -> object:
        if self._connection is None:
            raise CityError(f"the SUMO twin of {self._city} is closed")
        try:
            send(self._connection, message)
        except ConnectionError:
            self._raise_death()
        return self._reply()

    def _reply(self) -> object:
        connection = self._connection
        reply = None if connection is None else receive(connection)
        if isinstance(reply, Failed):
            self._now_ms = reply.now_ms
            self._raise_death(reply.what)
        return reply

    def _raise_death(self, what: str = "") -> NoReturn:
        """Say in one line how the child ended, and leave nothing of it behind."""
        code, complaint = self._release()
        at = f"at {self._now_ms / 1000:g} s"
        if code < 0:
            raise CityError(f"the SUMO twin of {self._city} died (signal {-code}) {at}; the run folder is incomplete")
        cause = " ".join((complaint or what or f"exit {code}").split()).rstrip(".")
        raise CityError(f"the SUMO twin of {self._city} failed {at}: {cause}; the run folder is incomplete")

    def _release(self) -> tuple[int, str]:
        """Close the socket, see the child off, and return its exit and SUMO's first complaint."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            code = self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        complaint = ""
        if not self._log.closed:
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", "replace").splitlines()
            complaint = next((line.removeprefix("Error: ") for line in lines if line.startswith("Error:")), "")
            self._log.close()
        return code, complaint


def _environment() -> dict[str, str]:
    """Return the child's environment: SUMO's own home, and this very package first on the path."""
    source = str(Path(cityloop.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "SUMO_HOME": str(sumo_home()),
        "PYTHONPATH": path,
        # Keeps libsumo from printing about another Arrow than it was built with; the child imports none.
        "LIBSUMO_AS_TRACI": "quiet",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
