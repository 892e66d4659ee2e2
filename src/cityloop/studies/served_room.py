"""A served operations room in a process of its own, to be measured: asked, waited for, killed and started again."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cityloop.kernel.errors import ConfigError

__all__ = ["ServedRoom", "serving"]

_START_S = 300.0
_PATIENCE_S = 600.0
_END_S = 20.0


class ServedRoom:
    """A server on a port and a data folder that outlast it; owns its process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log, self.data = folder / "serve.log", folder / "data"
        self._arguments = (*arguments, "--port", str(port), "--data", str(self.data))
        self.token = secrets.token_urlsafe(24)
        self.base = f"http://127.0.0.1:{port}"
        # A proxy that the machine may have set up is no way to the machine itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.start()

    @property
    def pid(self) -> int:
        """Number of the server's process."""
        return self._process.pid

    def start(self) -> None:
        """Run the command; again after it was killed."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cityloop", "serve", *self._arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CITYLOOP_TOKEN": self.token},
            )

    def ask(self, path: str, body: Any = None, *, patience_s: float = 60.0) -> Any:
        """Return what the server answers to an administrator."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else msgspec.json.encode(body)
        asked = urllib.request.Request(self.base + path, data, headers)
        with self._opener.open(asked, timeout=patience_s) as answer:
            return msgspec.json.decode(answer.read())

    def wait(self, what: Callable[[], Any], limit_s: float = _PATIENCE_S) -> Any:
        """Ask until the answer is there.

        Raises
        ------
        ConfigError
            If the server ends, or gives no such answer in time.
        """
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            try:
                if found := what():
                    return found
            except (urllib.error.URLError, OSError):
                pass
            if self._process.poll() is not None:
                told = re.sub(r"\s+", " ", self._log.read_text(encoding="utf-8", errors="replace"))
                raise ConfigError(f"The server ended: {told.strip()[-300:]}")
            time.sleep(0.05)
        raise ConfigError(f"The served city gave no answer within {limit_s:.0f} s.")

    def is_ready(self) -> bool:
        """Tell whether store, interface and page answer."""
        with self._opener.open(f"{self.base}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """End the server as an operator does."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def serving(*arguments: str) -> Iterator[ServedRoom]:
    """Serve on a free port with a data folder of its own until it is ready, and end it."""
    with tempfile.TemporaryDirectory(prefix="cityloop-room-") as folder:
        room = ServedRoom(Path(folder), *arguments)
        try:
            room.wait(room.is_ready, _START_S)
            yield room
        finally:
            room.end()
