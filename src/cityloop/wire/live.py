"""What the running city and the server say to one another, over one socket between two processes.

The running city sends a ``Tick`` a step, and one at once when it was steered; the server sends the whole
``Steering`` each time, so that a message lost to a restart leaves nothing half set. Arrays travel as the raw
bytes of small integers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Began", "CallEntry", "Died", "Downward", "Order", "Steering", "Stop", "Tick", "Upward"]
__all__ += ["decode_down", "decode_up", "encode"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's act in force at one target."""

    id: str
    kind: str
    """``hold``, ``plan`` or ``release``; of a unit ``send``; of a round ``replan``."""
    target: int
    domain: str = "signals"
    stages: tuple[tuple[int, float], ...] = ()
    """A hold: one stage; a plan: stages and greens [s]; a dispatch: the call's number."""
    action: bytes = b""
    """A plan of rounds to be asked for, as it was proposed."""
    placed_at_ms: int
    expires_at_ms: int


class CallEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that was taken down outside the running city."""

    number: int
    priority: int
    determinant: int
    x_m: float | None
    y_m: float | None
    received_at_ms: int
    over: bool = False


class Steering(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Everything that people have set: orders, rungs and the plug."""

    token: int
    """Comes back with the tick that first heeds it."""
    orders: tuple[Order, ...] = ()
    rungs: Mapping[str, Mapping[int, int]] = {}
    """By domain and target."""
    unplugged_until_ms: int = 0
    minimums: tuple[tuple[int, int, float], ...] = ()
    """Junction, stage and a least green [s] longer than the network's own."""
    calls: tuple[CallEntry, ...] = ()
    """Calls from outside that are not closed, and for a while those that were called off."""
    conflicts: tuple[tuple[int, int, int], ...] = ()
    """Junction and two of its links that must not be green together, beyond the network's own."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The running city closes and ends."""


class Began(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The city stands and the loop begins."""

    at_ms: int
    lap: int


class Died(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The city stopped answering; it is started again."""

    what: str
    at_ms: int


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """One step of the running city: what was seen, decided, sent and answered."""

    at_ms: int
    """The city's clock."""
    wall_ms: int
    sim_s: float
    """The twin's own time of day."""
    number: int
    lap: int = 1
    epoch: int = 1
    unplugged: bool = False
    steered: int = 0
    """Token of the steering in force."""
    at_once: bool = False
    """Between two steps, because somebody steered."""
    late_ms: float = 0.0
    """How much after its due time the step began, wall clock."""
    took_ms: float = 0.0
    arrays: dict[str, bytes] = {}
    """One byte, or as the name's suffix says (``_f32``), a row."""
    decisions: list[bytes] = []
    """Canonical bytes."""
    forecasts: list[tuple[int, float, float, float]] = []
    """Row among the decisions, value expected, horizon [s], age of the oldest reading it rests on (NaN: none) [s]."""
    receipts: list[tuple[str, int, int, int, int, str]] = []
    """Domain, target, sequence, status, at_ms, detail."""
    shown: dict[str, bytes] = {}
    """For the map alone and not recorded: the simulation's truth."""
    views: dict[str, bytes] = {}
    """Tables that services publish, packed, by domain. Not recorded: places of calls and tracks are health data."""


Upward = Began | Died | Tick
Downward = Steering | Stop
_ENCODER = msgspec.msgpack.Encoder()
_UP = msgspec.msgpack.Decoder(Upward)
_DOWN = msgspec.msgpack.Decoder(Downward)


def encode(message: Upward | Downward) -> bytes:
    """Return a message's bytes."""
    return _ENCODER.encode(message)


def decode_up(data: bytes) -> Upward:
    """Return what the running city said."""
    message: Upward = _UP.decode(data)
    return message


def decode_down(data: bytes) -> Downward:
    """Return what the server said."""
    message: Downward = _DOWN.decode(data)
    return message
