"""Tests of alerts pushed to a receiver, and of floods as one line."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import xml.etree.ElementTree as ET
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cityloop.app.alert_flood import Flood
from cityloop.app.alert_push import AlertPush, push_key
from cityloop.kernel.errors import ConfigError
from cityloop.methods.utm import MapFrame
from cityloop.web.cap import cap_feed, cap_message

_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
_ALERT = {
    "id": "a1", "kind": "stopped traffic", "severity": 1, "text": "stands <here> & there",
    "since_ms": 1_767_225_600_000, "last_ms": 1_767_225_660_000, "status": "open", "escalated": False,
    "owner": None, "place": {"district": "north"},
}  # fmt: skip


class _Receiver:
    """A real receiver on a loopback port, which answers as it is told."""

    def __init__(self, answers: list[int]) -> None:
        self.got: list[tuple[str, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.headers["X-Cityloop-Signature"], body))
                self.send_response(answers.pop(0) if answers else 200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/orders"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _wait(done) -> None:
    until_s = time.monotonic() + 60
    while not done() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert done()


def test_alert_arrives_signed_though_the_receiver_was_away(tmp_path):
    """After a refusal for now it is tried again; the signature is the key's, and the CAP message is in it."""
    receiver, key = _Receiver([503, 200]), push_key(tmp_path)
    push = AlertPush((receiver.url,), key, partial(cap_message, live=False), pause_s=0.01)
    try:
        push.tell("decision", {})
        push.tell("alert", _ALERT)
        _wait(lambda: push.sent == 1)
    finally:
        push.close()
        receiver.close()
    assert len(receiver.got) == 2
    signature, body = receiver.got[-1]
    assert signature == "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    assert ET.fromstring(json.loads(body)["cap"]).tag == _CAP + "alert"
    assert push_key(tmp_path) == key
    assert (tmp_path / "webhook.key").stat().st_mode & 0o777 == 0o600


def test_refusal_is_not_tried_again():
    """A receiver that says no is believed, and the loss is counted."""
    receiver = _Receiver([400])
    push = AlertPush((receiver.url,), b"k", partial(cap_message, live=True), pause_s=0.01)
    try:
        push.tell("alert", _ALERT)
        _wait(lambda: push.lost == 1)
    finally:
        push.close()
        receiver.close()
    assert len(receiver.got) == 1


def test_a_receiver_that_is_away_holds_nobody_else_up():
    """While the first is tried again and again the second has its alert already."""
    away, there = _Receiver([503] * 100), _Receiver([])
    push = AlertPush((away.url, there.url), b"k", partial(cap_message, live=True), pause_s=30.0)
    try:
        push.tell("alert", _ALERT)
        _wait(lambda: push.sent == 1)
        assert len(there.got) == 1
    finally:
        push.close()
        away.close()
        there.close()


def test_the_same_alert_told_again_is_the_same_message_and_says_where():
    """Number and instant stay, so that what refers to it finds it; the point is of the globe."""
    frame = MapFrame(zone=33, south=False, east_m=-393_000.0, north_m=-5_809_000.0)
    place = {"district": "north", "x_m": 1000.0, "y_m": 500.0}
    again = {**_ALERT, "last_ms": _ALERT["since_ms"] + 60_000, "place": place}
    first = ET.fromstring(cap_message({**_ALERT, "place": place}, live=True, frame=frame))
    repeated = ET.fromstring(cap_message(again, live=True, frame=frame))
    for name in ("identifier", "sent"):
        assert first.findtext(_CAP + name) == repeated.findtext(_CAP + name)
    update = ET.fromstring(cap_message({**again, "escalated": True}, live=True, frame=frame))
    told = f"cityloop,{first.findtext(_CAP + 'identifier')},{first.findtext(_CAP + 'sent')}"
    assert update.findtext(_CAP + "references") == told
    lat_deg, lon_deg = map(float, first.findtext(f"{_CAP}info/{_CAP}area/{_CAP}circle").split()[0].split(","))
    x_m, y_m = frame.place_m(lat_deg, lon_deg)
    assert abs(x_m - 1000.0) < 0.2
    assert abs(y_m - 500.0) < 0.2


def test_webhook_must_be_an_address():
    """Anything but http or https is refused when the server starts."""
    with pytest.raises(ConfigError, match="--webhook file:///etc/passwd"):
        AlertPush(("file:///etc/passwd",), b"k", lambda alert: "")


def test_cap_tells_alert_update_and_cancel():
    """Text is escaped, required elements are there in order, and a later message refers to the first."""
    first = ET.fromstring(cap_message(_ALERT, live=True))
    names = [one.tag.removeprefix(_CAP) for one in first]
    assert names == ["identifier", "sender", "sent", "status", "msgType", "scope", "restriction", "info"]
    assert first.findtext(f"{_CAP}status") == "Actual"
    assert first.findtext(f"{_CAP}info/{_CAP}headline") == "stands <here> & there"
    over = ET.fromstring(cap_message({**_ALERT, "status": "resolved"}, live=False))
    assert over.findtext(f"{_CAP}msgType") == "Cancel"
    assert over.findtext(f"{_CAP}references") == "cityloop,a1.0,2026-01-01T00:00:00+00:00"
    update = ET.fromstring(cap_message({**_ALERT, "escalated": True}, live=False))
    assert update.findtext(f"{_CAP}msgType") == "Update"
    assert ET.fromstring(cap_feed([_ALERT], "<c>", live=True)).find("{http://www.w3.org/2005/Atom}entry") is not None


def test_flood_is_one_line_and_urgent_alerts_stay_outside():
    """Three stand alone, the fourth on go together; severity 1 never; it ends when the last cause is gone."""
    flood = Flood()
    taken = [flood.takes(f"k/{n}", "detector silent", f"d{n}", 2, n * 1000) for n in range(6)]
    assert taken == [False] * 3 + [True] * 3
    assert not flood.takes("s/x", "stopped traffic", "d1", 1, 7000)
    assert flood.text() == "3 more alerts within ten minutes: detector silent (3) in d3, d4, d5"
    assert [flood.leaves(f"k/{n}") for n in (0, 3, 4, 5)] == [None, False, False, True]
    assert not flood.takes("k/9", "detector silent", "d9", 2, 700_000)
