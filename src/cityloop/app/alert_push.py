"""Alerts pushed to whoever repairs: a webhook with a signature, tried again while the other side is away.

Each change of an alert is one POST of JSON, with the CAP 1.2 message in it. ``X-Cityloop-Signature`` is the HMAC-SHA256
of the body with the room's own key, so that the receiver knows who sent it. A receiver that stays away for long loses
the oldest; the feed at ``/api/v1/alerts.cap`` and the list have everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import queue
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cityloop.kernel.errors import ConfigError

__all__ = ["AlertPush", "push_key"]

_MOST_WAITING = 1000
_TRIES = 6
_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 1.0
_KEY_FILE = "webhook.key"


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: an alert goes where it was meant to, or nowhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class AlertPush:
    """Pushes alerts, to each receiver in a thread of its own: one that is slow or away makes nobody wait."""

    def __init__(
        self,
        urls: tuple[str, ...],
        key: bytes,
        cap_of: Callable[[Mapping[str, Any]], str],
        pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        for url in urls:
            parts = urllib.parse.urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigError(f"--webhook {url[:80]}: give an http or https address")
        self._cap_of = cap_of
        self._lines = [_Line(url, key, pause_s) for url in urls]

    @property
    def sent(self) -> int:
        """Messages that were taken."""
        return sum(line.sent for line in self._lines)

    @property
    def lost(self) -> int:
        """Messages not taken after every try, or pushed out by newer ones."""
        return sum(line.lost for line in self._lines)

    def tell(self, kind: str, body: Any) -> None:
        """Take an event of the server; only alerts are pushed."""
        if kind != "alert" or not self._lines:
            return
        data = json.dumps({"alert": body, "cap": self._cap_of(body)}, default=str).encode()
        for line in self._lines:
            line.put(data)

    def close(self) -> None:
        """End; what waits is left to the feed. Safe to call twice."""
        for line in self._lines:
            line.end()
        for line in self._lines:
            line.join()


class _Line:
    """To one receiver; owns its thread and what waits for it."""

    def __init__(self, url: str, key: bytes, pause_s: float) -> None:
        self._url, self._key, self._pause_s = url, key, pause_s
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._opener = urllib.request.build_opener(_Straight())
        self._closing = threading.Event()
        self.sent = self.lost = 0
        self._thread = threading.Thread(target=self._run, name="alert-push", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Let a message wait its turn; the oldest makes room where too many wait."""
        while True:
            try:
                self._waiting.put_nowait(data)
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
                    self.lost += 1

    def end(self) -> None:
        """Try no more."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def join(self) -> None:
        """Wait until what is on its way is over."""
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            data = self._waiting.get()
            if data is None:
                return
            if self._push(data):
                self.sent += 1
            else:
                self.lost += 1

    def _push(self, data: bytes) -> bool:
        signature = hmac.new(self._key, data, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Cityloop-Signature": f"sha256={signature}"}
        pause_s = self._pause_s
        for _ in range(_TRIES):
            try:
                with self._opener.open(urllib.request.Request(self._url, data, headers), timeout=_TIMEOUT_S):
                    return True
            except urllib.error.HTTPError as error:
                if 400 <= error.code < 500 and error.code not in (408, 429):
                    return False
            except (OSError, ValueError):
                pass
            if self._closing.wait(pause_s):
                return False
            pause_s *= 2
        return False


def push_key(data: Path) -> bytes:
    """Return the room's key for signatures; made at first, readable by its owner alone."""
    path = data / _KEY_FILE
    if path.is_file():
        return path.read_bytes().strip()
    made = secrets.token_hex(32).encode()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(made + b"\n")
    return made
