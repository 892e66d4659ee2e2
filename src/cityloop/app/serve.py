"""Wiring of ``cityloop serve``: one data directory, one port, and whatever runs the city beside it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import functools
import logging
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

import cityloop.web
from cityloop.app.alert_push import AlertPush, push_key
from cityloop.app.basemap import read_basemap
from cityloop.app.city_source import CitySource, city_facts, load_facts
from cityloop.app.refuse_preview import RoundPreview
from cityloop.app.sensing_mount import mount_sensing
from cityloop.app.watching import Watch
from cityloop.domains.refuse.schema import RoundsTable
from cityloop.kernel.errors import CityloopError, ConfigError
from cityloop.kernel.ladder import Rung
from cityloop.sensing.mqtt.bridge import BridgeParams
from cityloop.sensing.pack_protocol import PackProtocol
from cityloop.storage.accounts import Accounts
from cityloop.storage.alerts import AlertStore
from cityloop.storage.audit_log import AuditLog
from cityloop.storage.call_intake import CallIntake
from cityloop.storage.holds import Holds
from cityloop.storage.office import OfficeDatabase
from cityloop.storage.trace_log import TraceReader
from cityloop.web.access import Gatekeeper
from cityloop.web.board import Board
from cityloop.web.cap import cap_message
from cityloop.web.events import Events
from cityloop.web.oidc import Oidc
from cityloop.web.oidc_params import OidcParams
from cityloop.web.policy import ADMIN, ROLES
from cityloop.web.ports import CityFacts, Desk
from cityloop.web.room_server import RoomServer
from cityloop.web.server import build_app
from cityloop.web.steering import heard, steering
from cityloop.web.watchers import ActWatch
from cityloop.wire.live import Began, Died, Tick

__all__ = ["ServeSpec", "read_or_make_token", "serve"]

_LOG = logging.getLogger(__name__)
_TOKEN_FILE = "token"
_TOKEN_GIVEN = "CITYLOOP_TOKEN"
_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec:
    """What is served, and how."""

    city: str | None
    """None: the load test."""
    data: Path
    port: int
    host: str = "127.0.0.1"
    mqtt_port: int | None = None
    pace: float = 1.0
    control: str = "brain"
    sensing: str = "area:150"
    seed: int = 1
    scale: float = 1.0
    rung: str = "shadow"
    """Where the ladder stands before anybody has set it."""
    keep_days: float = 7.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_clients: Path | None = None
    """Authorities whose certificates clients may show; devices are then known by their subject."""
    webhooks: tuple[str, ...] = ()
    """Where alerts are pushed."""
    bridges: tuple[BridgeParams, ...] = ()
    """Brokers of others that are listened to."""
    oidc: OidcParams | None = None
    """Who vouches for people beside passwords."""
    basemap: Path | None = None
    """GeoJSON that is drawn under the network."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0.1 <= self.pace <= 100:
            raise ConfigError(f"--pace {self.pace:g}; give 0.1 to 100 seconds of the city's a second")
        if not 0.01 <= self.keep_days <= 3660:
            raise ConfigError(f"--keep-days {self.keep_days:g}; give 0.01 to 3660")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key go together; give both or neither")
        if self.tls_clients is not None and self.tls_cert is None:
            raise ConfigError("--tls-clients takes --tls-cert and --tls-key as well")
        if self.host not in _LOCAL and self.tls_cert is None:
            raise ConfigError(
                f"--host {self.host}: other machines may connect only over TLS; give --tls-cert and --tls-key, "
                "or leave --host out"
            )


def serve(spec: ServeSpec, say: Callable[[str], None]) -> None:
    """Serve until told to stop; whatever was started ends with it."""
    spec.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as closing:
        closing.enter_context(_only_one(spec.data))
        given = os.environ.get(_TOKEN_GIVEN, "")
        token = read_or_make_token(spec.data, given)
        database = OfficeDatabase(spec.data)
        closing.callback(database.close)
        audit = AuditLog(spec.data)
        closing.callback(audit.close)
        trace = TraceReader(spec.data / "trace")
        facts, source = _source(spec)
        closing.callback(source.close)
        if spec.basemap is not None:
            base = read_basemap(spec.basemap, facts.frame, facts.shapes.box)
            facts = dataclasses.replace(facts, basemap=base)
        desk = _desk(spec, facts, source, database, audit, trace, token)
        if spec.webhooks:
            live = facts.mode == "live"
            push = AlertPush(
                spec.webhooks, push_key(spec.data), functools.partial(cap_message, live=live, frame=facts.frame)
            )
            closing.callback(push.close)
            desk.events.also.append(push.tell)
        http: type[PackProtocol] | None = None
        tls = _tls(spec)
        if spec.city is not None:
            http = mount_sensing(
                desk,
                spec.data,
                token,
                spec.mqtt_port,
                spec.host,
                tls,
                closing,
                source=source,
                bridges=spec.bridges,
            )
        app = build_app(desk)
        listener = _listen(spec)
        closing.callback(listener.close)
        scheme = "https" if spec.tls_cert else "http"
        say(f"cityloop serves {facts.name} at {scheme}://{spec.host}:{listener.getsockname()[1]}/")
        where = f"is the one given by {_TOKEN_GIVEN}" if given else f"lies in {spec.data / _TOKEN_FILE}"
        say(f"  {facts.label}; the token {where}, open the page with /?token=TOKEN")
        config = uvicorn.Config(
            app,
            http=http or "auto",
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=20.0,
            ws_max_size=64 * 1024,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
            limit_concurrency=2000,
            ssl_certfile=None if spec.tls_cert is None else str(spec.tls_cert),
            ssl_keyfile=None if spec.tls_key is None else str(spec.tls_key),
            ssl_ca_certs=None if spec.tls_clients is None else str(spec.tls_clients),
            ssl_cert_reqs=ssl.CERT_NONE if spec.tls_clients is None else ssl.CERT_OPTIONAL,
        )
        with contextlib.suppress(KeyboardInterrupt):
            RoomServer(config, desk).run(sockets=[listener])


def _source(spec: ServeSpec) -> tuple[CityFacts, CitySource]:
    if spec.city is None:
        return load_facts()
    return city_facts(
        spec.city,
        data=spec.data,
        pace=spec.pace,
        control=spec.control,
        sensing=spec.sensing,
        seed=spec.seed,
        scale=spec.scale,
        keep_days=spec.keep_days,
    )


def _desk(
    spec: ServeSpec,
    facts: CityFacts,
    source: CitySource,
    database: OfficeDatabase,
    audit: AuditLog,
    trace: TraceReader,
    token: str,
) -> Desk:
    holds, accounts, alerts = Holds(database), Accounts(database), AlertStore(database)
    if holds.setting("first_rung") is None:
        holds.keep_setting("first_rung", str(int(Rung[spec.rung.upper()])))
    board = Board(facts.shapes.box, len(facts.shapes.links), facts.pace)
    events = Events()
    # Whoever owns the data directory of a simulated city is alone with it; over a real one the token only administers.
    roles = (ADMIN,) if facts.mode == "live" else ROLES
    desk = Desk(
        city=facts,
        gate=Gatekeeper(token, roles, accounts),
        accounts=accounts,
        audit=audit,
        holds=holds,
        trace=trace,
        sensors=source.sensors(facts, board, trace),
        alerts=alerts,
        jobs=source.jobs(facts, events, lambda: None if board.tick is None else board.tick.sim_s),
        board=board,
        events=events,
        steer=source.steer,
        static=Path(cityloop.web.__file__).parent / "static",
        store_ready=functools.partial(_store_ready, database, spec.data),
        secure=spec.tls_cert is not None,
        rounds=_rounds(facts),
        months=spec.data / "months",
        calls=CallIntake(database, spec.keep_days) if facts.mode == "simulation" and _has_service(facts) else None,
        oidc=None if spec.oidc is None else Oidc(spec.oidc),
    )
    watch = Watch(facts, alerts, events.send)
    acts = ActWatch(desk)
    loops: list[asyncio.AbstractEventLoop] = []

    def hear(message: Tick | Began | Died) -> None:
        """Take what the running city says, from its reading thread, into the server's loop."""
        if loops and not loops[0].is_closed():
            with contextlib.suppress(RuntimeError):
                loops[0].call_soon_threadsafe(take, message)

    def take(message: Tick | Began | Died) -> None:
        match message:
            case Tick():
                board.publish(message)
                heard(desk, message)
                watch.step(message)
                acts.step(message)
            case Began():
                board.began_ms = message.at_ms
                desk.steer(steering(desk))
            case Died():
                board.fault = message.what
                watch.died(message.what, message.at_ms)

    async def begin() -> None:
        loops.append(asyncio.get_running_loop())
        source.start(hear)

    desk.startup = [begin]
    return desk


def _has_service(facts: CityFacts) -> bool:
    return "emergency" in facts.layout.tables


def _rounds(facts: CityFacts) -> RoundPreview | None:
    table = facts.layout.tables.get("refuse")
    return RoundPreview(table) if isinstance(table, RoundsTable) and facts.mode == "simulation" else None


def _store_ready(database: OfficeDatabase, data: Path) -> str:
    try:
        database.one("SELECT 1")
        probe = data / ".probe"
        probe.write_bytes(b"1")
        probe.unlink()
    except (CityloopError, OSError) as error:
        return f"the store does not answer: {error}"
    return ""


def read_or_make_token(data: Path, given: str) -> str:
    """Return the administrator's token: the one given by the environment, else the kept one, else a new one."""
    if given:
        if len(given) < 16:
            raise ConfigError(f"{_TOKEN_GIVEN} is shorter than 16 characters; give a longer one, or none")
        return given
    path = data / _TOKEN_FILE
    if path.is_file():
        path.chmod(0o600)
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) >= 16:
            return kept
    made = secrets.token_urlsafe(32)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, made.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    return made


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Refuse a second server on the same data; the lock of a killed one is gone with it."""
    handle = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for attempt in range(20):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 19:
                    message = f"{data}: another cityloop serve works there; stop it, or give another --data"
                    raise ConfigError(message) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _tls(spec: ServeSpec) -> ssl.SSLContext | None:
    if spec.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(spec.tls_cert, spec.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"--tls-cert {spec.tls_cert}: certificate and key cannot be used ({error})") from error
    if spec.tls_clients is not None:
        try:
            context.load_verify_locations(spec.tls_clients)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"--tls-clients {spec.tls_clients}: no certificates of authorities ({error})") from error
        # Asked for and checked, not demanded: people and devices with tokens have none.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _listen(spec: ServeSpec) -> socket.socket:
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A server that was killed leaves connections that linger; they must not keep the next from its port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((spec.host, spec.port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"--port {spec.port}: {error.strerror or error}; give another") from error
    listener.listen(2048)
    return listener
