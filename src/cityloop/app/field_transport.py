"""How a field's gateway reaches the brain: MQTT or HTTP, and nothing that is not public."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import quote, urlsplit

import msgspec

from cityloop.kernel.errors import CityError, ConfigError
from cityloop.sensing.mqtt.client import ClientParams, MqttClient
from cityloop.wire import arrow, senml
from cityloop.wire.field import FieldReport, FieldState, encode_report
from cityloop.wire.mqtt.packets import Will

__all__ = ["PACK_KINDS", "HttpTransport", "MqttTransport", "Transport", "TransportError", "transport_of"]

_POLL_S = 2.0
PACK_KINDS = {"arrow": ("packs/arrow", arrow.MEDIA_TYPE), "senml": ("packs/senml-json", senml.MEDIA_TYPE_JSON)}


class TransportError(CityError):
    """The brain cannot be reached now; it is tried again."""


class Transport(Protocol):
    """One connection to the brain at a time; every method may be called from any thread."""

    def connect(self) -> None:
        """Connect anew; raise ``TransportError`` when that cannot be."""

    def readings(self, number: int, body: bytes) -> None:
        """Send a pack; the number is told again when it is acknowledged, which may be at once."""

    def say(self, kind: str, payload: bytes) -> None:
        """Send ``receipts`` or ``state``."""

    def close(self) -> None:
        """End. Safe to call twice."""


class Told(Protocol):
    """Who is told what came."""

    def arrived(self, payload: bytes) -> None:
        """Take a pack of leases."""

    def acknowledged(self, number: int) -> None:
        """Note that a pack would survive a power cut at the brain's."""

    def refused(self, number: int, why: str) -> None:
        """Note that a pack will never be taken."""

    def broken(self) -> None:
        """Note that the connection is gone."""


def transport_of(url: str, token: str, device: str, kind: str, told: Told) -> Transport:
    """Return the transport of an address: ``mqtt://HOST:PORT`` or ``http://HOST:PORT``."""
    parts = urlsplit(url)
    if kind not in PACK_KINDS:
        raise ConfigError(f"pack {kind!r} is not one of {', '.join(PACK_KINDS)}")
    if parts.scheme not in ("mqtt", "http") or not parts.hostname:
        raise ConfigError(f"address {url!r}, must be mqtt://HOST:PORT or http://HOST:PORT")
    if parts.scheme == "mqtt":
        return MqttTransport(parts.hostname, parts.port or 1883, token, device, kind, told)
    return HttpTransport(parts.hostname, parts.port or 80, token, device, kind, told)


class MqttTransport:
    """Packs with QoS 1 to ``packs/``, leases from ``devices/<device>/leases``."""

    def __init__(self, host: str, port: int, token: str, device: str, kind: str, told: Told) -> None:
        self._topic, self._base, self._told = PACK_KINDS[kind][0], f"devices/{device}", told
        self._params = ClientParams(
            host=host,
            port=port,
            client_id=f"{device}-gateway",
            user=device,
            password=token,
            topics=(f"{self._base}/leases",),
            will=Will(topic=f"{self._base}/state", payload=encode_report(FieldReport(state=FieldState.LOST)), qos=1),
        )
        self._client: MqttClient | None = None
        self._lock = threading.Lock()
        self._numbers: dict[int, int] = {}
        """Packs by packet identifier."""

    def connect(self) -> None:
        """Connect anew."""
        self.close()
        with self._lock:
            self._numbers.clear()
        try:
            self._client = MqttClient(
                self._params, heard=self._heard, acknowledged=self._acknowledged, broken=self._told.broken
            )
        except OSError as error:
            where = f"{self._params.host}:{self._params.port}"
            raise TransportError(f"broker {where} cannot be reached ({error.strerror or error})") from error

    def readings(self, number: int, body: bytes) -> None:
        """Send a pack."""
        # Held over the sending, so that no acknowledgement comes before it can be told whose it is.
        with self._lock, _sending():
            self._numbers[self._connected().publish(self._topic, body)] = number

    def say(self, kind: str, payload: bytes) -> None:
        """Send receipts or the state."""
        with _sending():
            self._connected().publish(f"{self._base}/{kind}", payload, retain=kind == "state")

    def close(self) -> None:
        """Say goodbye."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> MqttClient:
        client = self._client
        if client is None:
            raise TransportError("not connected")
        return client

    def _heard(self, _topic: str, payload: bytes) -> None:
        self._told.arrived(payload)

    def _acknowledged(self, packet_id: int, reason: int) -> None:
        with self._lock:
            number = self._numbers.pop(packet_id, None)
        if number is None:
            return
        if reason < 0x80:
            self._told.acknowledged(number)
        elif reason in (0x87, 0x99):
            self._told.refused(number, f"reason 0x{reason:02x}")
        # Anything else is a refusal for now: the pack is sent again later.


class HttpTransport:
    """Packs to ``POST /ingest``, leases by a long poll of ``GET /field/leases``."""

    def __init__(self, host: str, port: int, token: str, device: str, kind: str, told: Told) -> None:
        self._device = quote(device)
        self._host, self._port, self._media, self._told = host, port, PACK_KINDS[kind][1], told
        self._headers = {"Authorization": f"Bearer {token}"}
        self._lanes: dict[str, http.client.HTTPConnection] = {}
        self._locks = {lane: threading.Lock() for lane in ("readings", "say")}
        self._round = 0
        """Number of the connection; a poll of an older one ends."""
        self._after = 0

    def connect(self) -> None:
        """Ask once whether the brain answers, then poll for leases."""
        self.close()
        self._round += 1
        poll = http.client.HTTPConnection(self._host, self._port, timeout=_POLL_S + 10)
        status, body = self._ask(poll, "GET", self._leases(0.0), b"", "")
        if status in (401, 403, 404):
            said = body[:200].decode("utf-8", "replace")
            raise CityError(f"http://{self._host}:{self._port}/field answers {status}: {said}")
        if status != 200:
            raise TransportError(f"/field answers {status}")
        threading.Thread(target=self._poll, args=(poll, self._round), name="field-leases", daemon=True).start()

    def readings(self, number: int, body: bytes) -> None:
        """Send a pack and wait for its acknowledgement."""
        status, answer = self._post("readings", "/ingest", body, self._media)
        if status == 200:
            self._told.acknowledged(number)
        elif status in (400, 401, 403, 413, 415):
            self._told.refused(number, f"{status} {answer[:120].decode('utf-8', 'replace')}")

    def say(self, kind: str, payload: bytes) -> None:
        """Send receipts or the state."""
        self._post("say", f"/field/{kind}?device={self._device}", payload, "application/json")

    def close(self) -> None:
        """Close the connections; a poll under way ends by itself."""
        self._round += 1
        for lane, connection in tuple(self._lanes.items()):
            with self._locks[lane]:
                connection.close()
        self._lanes.clear()

    def _leases(self, wait_s: float) -> str:
        return f"/field/leases?device={self._device}&after={self._after}&wait_s={wait_s:g}"

    def _post(self, lane: str, path: str, body: bytes, media_type: str) -> tuple[int, bytes]:
        with self._locks[lane]:
            connection = self._lanes.get(lane)
            if connection is None:
                connection = self._lanes[lane] = http.client.HTTPConnection(self._host, self._port, timeout=30)
            return self._ask(connection, "POST", path, body, media_type)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, media_type: str
    ) -> tuple[int, bytes]:
        headers = {**self._headers, "Content-Type": media_type} if media_type else self._headers
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise TransportError(f"http://{self._host}:{self._port} cannot be reached ({error})") from error

    def _poll(self, connection: http.client.HTTPConnection, number: int) -> None:
        try:
            while number == self._round:
                status, body = self._ask(connection, "GET", self._leases(_POLL_S), b"", "")
                if status != 200:
                    break
                said = msgspec.json.decode(body, type=_Packs)
                self._after = said.next
                for pack in said.packs:
                    self._told.arrived(bytes(pack))
        except (TransportError, msgspec.MsgspecError):
            pass
        finally:
            connection.close()
            if number == self._round:
                self._told.broken()


class _Packs(msgspec.Struct, frozen=True):
    next: int
    packs: list[msgspec.Raw]


@contextlib.contextmanager
def _sending() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransportError(f"the connection broke ({error})") from error
