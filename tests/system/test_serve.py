"""The served city as its users meet it: one command, one port, and everything there again after kill -9."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from serving import wait_for

from cityloop.storage.audit_log import verify_audit

TOKEN = "a-token-of-the-administrator"
_PATIENCE_S = 240.0


class Served:
    """A server in a process of its own."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        where = ["--port", str(self.port), "--data", str(self.data)]
        return subprocess.Popen(
            [sys.executable, "-m", "cityloop", "serve", "adlershof", *where],
            env={**os.environ, "CITYLOOP_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, path: str, body: Any = None, method: str | None = None, token: str | None = TOKEN) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
        return json.loads(text) if answer.headers["content-type"] == "application/json" else text

    def wait(self, what: Any) -> Any:
        """Ask until the answer is there."""
        return wait_for(what, self.process, _PATIENCE_S)

    def ready(self) -> None:
        self.wait(lambda: self.ask("/readyz", token=None) == "ready\n")

    def kill(self) -> str:
        """End it at once; return what it had said."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.communicate()[0]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Served(tmp_path / "room", port)
    yield server
    server.process.terminate()
    try:
        server.process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        server.kill()


def _children(pid: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.add(int(path.parent.name))
    return found | {grand for child in found for grand in _children(child)}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.timeout(900)  # on a machine that others load too, two starts take their time
def test_what_was_answered_is_there_after_a_kill(served: Served) -> None:
    """Holds, rungs, people and the audit chain survive kill -9; children die; the port is free at once."""
    served.ready()
    served.wait(lambda: served.ask("/api/v1/city")["running"])
    people = {"name": "anna", "password": "a long password", "roles": ["operator"]}
    served.ask("/api/v1/users", people)
    rung = {"domain": "signals", "district": "north-east", "rung": "live"}
    served.ask("/api/v1/ladder", rung)
    hold = {"kind": "hold", "junction": 3, "stage": 1, "expires_in_s": 900, "why": "test"}
    placed = served.ask("/api/v1/holds", hold)
    assert placed["receipt"]["status"] in ("PENDING", "ACCEPTED")
    children = _children(served.process.pid)
    assert len(children) >= 2
    said = served.kill()
    assert "the token is the one given by CITYLOOP_TOKEN" in said
    assert not (served.data / "token").exists()
    served.wait(lambda: not any(map(_alive, children)))
    served.process = served.start()
    served.ready()
    (active,) = [one for one in served.ask("/api/v1/holds")["items"] if one["status"] == "active"]
    assert (active["id"], active["expires_at_ms"]) == (placed["id"], placed["expires_at_ms"])
    rungs = {(one["domain"], one["district"]): one["rung"] for one in served.ask("/api/v1/ladder")["rungs"]}
    assert rungs["signals", "north-east"] == "live"
    assert rungs["signals", "south-west"] == "shadow"
    assert [one["name"] for one in served.ask("/api/v1/users")["items"]] == ["anna"]
    assert verify_audit(served.data).ok
    # The hold is in force again as soon as the city runs, without anybody's doing.
    served.wait(lambda: served.ask("/api/v1/signals/3")["stage"] == 1)
    decisions = served.ask("/api/v1/decisions?junction=3&limit=50")["items"]
    assert any(one["reason"]["code"] == "OPERATOR_HOLD" for one in decisions)
    second = subprocess.run(
        [sys.executable, "-m", "cityloop", "serve", "--load-test", "--port", "0", "--data", str(served.data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "another cityloop serve works there" in second.stderr


def test_a_token_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    """Made at the first start with mode 0600, found again, never shorter than it should be."""
    from cityloop.app.serve import read_or_make_token

    made = read_or_make_token(tmp_path, "")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert read_or_make_token(tmp_path, "") == made
    assert read_or_make_token(tmp_path, "x" * 20) == "x" * 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adlershof", "--host", "0.0.0.0"], "only over TLS"),
        (["adlershof", "--pace", "0"], "--pace 0"),
        (["nowhere"], "no such built-in city"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    """One line that names the option and the fix, exit code 1."""
    command = [sys.executable, "-m", "cityloop", "serve", *arguments, "--port", "0", "--data", str(tmp_path / "d")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.timeout(600)
def test_whoever_watches_is_let_go_when_the_server_ends(tmp_path: Path) -> None:
    """A page that is open, with its feed and its events, neither holds the server up nor makes it complain."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--port", str(port), "--data", str(tmp_path / "room")]
    process = subprocess.Popen(
        [sys.executable, "-m", "cityloop", "serve", "--load-test", *where],
        env={**os.environ, "CITYLOOP_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    base, own = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"}
    try:
        wait_for(lambda: urllib.request.urlopen(f"{base}/readyz", timeout=60).status == 200, process, _PATIENCE_S)
        events = urllib.request.urlopen(urllib.request.Request(f"{base}/api/v1/events", headers=own), timeout=60)
        with connect(f"ws://127.0.0.1:{port}/api/v1/live", additional_headers=own, max_size=None, proxy=None) as feed:
            feed.recv(timeout=60)
            assert events.readline()
            process.terminate()
            with suppress(ConnectionClosed):
                while True:
                    feed.recv(timeout=60)
        while events.readline():
            pass
        said = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert "Traceback" not in said
    assert "ERROR" not in said
