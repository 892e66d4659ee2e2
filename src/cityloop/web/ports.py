"""What the server asks of the rooms beside it; the wiring gives the real things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cityloop.kernel.columns import F64, U8
from cityloop.kernel.layout import Layout
from cityloop.kernel.office import AuditEntry, Change, HeldOrder, Person, RungSet, Session, Verified
from cityloop.kernel.shapes import BaseMap, MapShapes
from cityloop.methods.utm import MapFrame
from cityloop.wire.calls import CallReport, TakenCall
from cityloop.wire.live import Steering, Tick

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from cityloop.web.access import Gatekeeper
    from cityloop.web.board import Board
    from cityloop.web.events import Events
    from cityloop.web.oidc import Oidc

__all__ = [
    "AccountsPort", "AlertsPort", "AuditPort", "CallsPort", "CityFacts", "Desk", "District", "Halves", "HoldsPort",
    "JobsPort", "RoundsPort", "SensorItem", "SensorsPort", "TracePort",
]  # fmt: skip


class AccountsPort(Protocol):
    """People and sessions."""

    def people(self) -> list[Person]: ...
    def person(self, name: str) -> Person | None: ...
    def add(self, person: Person, password: str, now_ms: int) -> None: ...
    def change(self, person: Person, password: str | None) -> None: ...
    def remove(self, name: str) -> bool: ...
    def keep_outside(self, person: Person, mark: str, now_ms: int) -> None: ...
    def check_password(self, name: str, password: str) -> Person | None: ...
    def open_session(self, name: str, now_ms: int) -> tuple[str, Session]: ...
    def session(self, secret: str, now_ms: int) -> Session | None: ...
    def close_session(self, secret: str) -> None: ...


class AuditPort(Protocol):
    """The audit log."""

    def append(
        self,
        at_ms: int,
        who: str,
        roles: tuple[str, ...],
        act: str,
        target: str,
        outcome: str,
        detail: Mapping[str, Any],
    ) -> AuditEntry: ...
    def newest(self, limit: int, before: int | None = None) -> list[AuditEntry]: ...
    def verify(self) -> Verified: ...


class HoldsPort(Protocol):
    """Acts in force."""

    def place(self, order: HeldOrder) -> HeldOrder: ...
    def answered(self, order_id: str, answer: Mapping[str, Any]) -> None: ...
    def lift(self, order_id: str, by: str, now_ms: int) -> bool: ...
    def orders(self, *, now_ms: int | None = None, limit: int = 500) -> list[HeldOrder]: ...
    def order(self, order_id: str) -> HeldOrder | None: ...
    def set_rung(self, rung: RungSet) -> None: ...
    def rungs(self) -> list[RungSet]: ...
    def ask(self, change: Change) -> Change: ...
    def changes(self, limit: int = 100) -> list[Change]: ...
    def change(self, change_id: str) -> Change | None: ...
    def settle(self, change_id: str, status: str, second: str, now_ms: int) -> bool: ...
    def setting(self, key: str) -> str | None: ...
    def keep_setting(self, key: str, value: str) -> None: ...


class TracePort(Protocol):
    """Recorded steps."""

    def span(self) -> tuple[int, int] | None: ...
    def between(self, begin_ms: int, end_ms: int, *, stride_ms: int = 0, limit: int = 0) -> Iterator[bytes]: ...


class RoundsPort(Protocol):
    """The planner of rounds, asked what would change."""

    @property
    def capacity_kg(self) -> Sequence[float]: ...
    def preview(self, fields: Mapping[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorItem:
    """One sensor, in words."""

    row: int
    name: str
    kind: int
    x_m: float
    y_m: float
    state: int
    reason: str
    value: float | None
    unit: str
    observed_at_ms: int | None
    received_at_ms: int | None
    junction: int | None = None


class SensorsPort(Protocol):
    """Sensors as columns, and one by one."""

    def columns(self) -> tuple[F64, F64, U8, U8]:
        """Return x_m, y_m, kind and state of every sensor."""

    def item(self, row: int) -> SensorItem: ...
    def find(self, text: str, states: Sequence[int], begin: int, limit: int) -> list[int]: ...
    def history(self, row: int, begin_ms: int, end_ms: int) -> list[tuple[int, float]]: ...


class AlertsPort(Protocol):
    """Alerts that became work."""

    def listed(self, status: str | None, limit: int) -> list[dict[str, Any]]: ...
    def get(self, alert_id: str) -> dict[str, Any] | None: ...
    def change(self, alert_id: str, **fields: Any) -> dict[str, Any] | None: ...


class CallsPort(Protocol):
    """Calls that other systems or people took down."""

    def keep(self, report: CallReport, by: str, at_ms: int) -> TakenCall: ...
    def listed(self, limit: int = 500) -> list[TakenCall]: ...
    def numbered(self, number: int) -> TakenCall | None: ...
    def named(self, incident: str) -> TakenCall | None: ...


class JobsPort(Protocol):
    """What-if runs."""

    def choices(self) -> dict[str, Any]: ...
    def start(self, spec: Mapping[str, Any], by: str) -> dict[str, Any]: ...
    def listed(self) -> list[dict[str, Any]]: ...
    def get(self, job_id: str) -> dict[str, Any] | None: ...
    def cancel(self, job_id: str) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """A part of the city that rungs and operators are bound to."""

    id: str
    name: str
    junctions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CityFacts:
    """What does not change while the city runs."""

    name: str
    case: str
    mode: str
    label: str
    zone: str
    pace: float
    layout: Layout
    shapes: MapShapes
    districts: tuple[District, ...]
    domains: tuple[str, ...]
    acting: tuple[str, ...]
    """Domains that command something."""
    horizon_s: float = 40.0
    lease_s: float = 4.0
    frame: MapFrame | None = None
    """How its map lies on the globe; None where nobody has said."""
    basemap: BaseMap | None = None
    """What is drawn under the network; None where nothing was configured."""

    def district_of(self, junction: int) -> str:
        """Return the district of a junction."""
        return next((d.id for d in self.districts if junction in d.junctions), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """The same city once more under another control, for the left half of a split map; the room itself is the right."""

    left: str
    """The control of the left half."""
    right: str
    board: Board
    trace: TracePort
    told: Callable[[], dict[str, Any]]
    """How both do so far, and what may be said of the difference."""
    report: Callable[[], Path | None]
    """The page that compares them, once it is written."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """Everything that the routes work with."""

    city: CityFacts
    gate: Gatekeeper
    accounts: AccountsPort
    audit: AuditPort
    holds: HoldsPort
    trace: TracePort
    sensors: SensorsPort
    alerts: AlertsPort
    jobs: JobsPort
    board: Board
    events: Events
    steer: Callable[[Steering], None]
    """Hand the running city everything that people have set; returns at once."""
    static: Path
    store_ready: Callable[[], str]
    """Empty when the store answers, or what is wrong."""
    rounds: RoundsPort | None = None
    """None where no refuse rounds run."""
    calls: CallsPort | None = None
    """None where calls come in by no other way than the city's own dispatch centre."""
    months: Path | None = None
    """Where ``cityloop month`` left its folders."""
    oidc: Oidc | None = None
    """Who vouches for people beside passwords; None: nobody."""
    halves: Halves | None = None
    """None where one city is shown."""
    beside: Mapping[str, ASGIApp] = field(default_factory=dict)
    """Applications of other rooms, by the head of their paths."""
    startup: Sequence[Callable[[], Awaitable[None]]] = ()
    shutdown: Sequence[Callable[[], Awaitable[None]]] = ()
    secure: bool = False
    """Whether TLS is on: cookies are then marked Secure."""
    token_counter: int = 0
    waiting: dict[int, Any] = field(default_factory=dict)
    """Futures by steering token."""
    drill: dict[str, Any] = field(default_factory=dict)
    previewing: bool = False
    """Whether a plan is being made to be looked at: one at a time, as it takes a processor."""
    readers: dict[str, float] = field(default_factory=dict)
    """When a person's reading of calls was noted last, on the monotonic clock. [s]"""

    def now_ms(self) -> int:
        """Return the city's clock."""
        return self.board.now_ms()

    def step_ms(self) -> int:
        """Return the instant of the newest step: what is placed at it is in force at once."""
        return self.now_ms() if self.board.tick is None else self.board.tick.at_ms

    def newest(self) -> Tick | None:
        """Return the newest step."""
        return self.board.tick
