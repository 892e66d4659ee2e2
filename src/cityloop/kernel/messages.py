"""What rooms say to one another. Frozen, complete, and safe to journal.

``msgspec.Struct`` rather than a frozen dataclass: a decision a junction a second is made, and a Struct costs a fifth.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

__all__ = [
    "Action",
    "Allowed",
    "Alternative",
    "Command",
    "Decision",
    "Outcome",
    "PassJunction",
    "Priority",
    "Proposal",
    "Receipt",
    "ReceiptStatus",
    "Refused",
    "Request",
    "RequestStatus",
    "Trimmed",
    "Verdict",
]


class Action(msgspec.Struct, frozen=True, tag=True):
    """What a domain may ask of a target; each domain's ``schema`` declares its own."""


class PassJunction(Action, frozen=True, array_like=True, gc=False):
    """What a unit on its way asks of a signal on its own route: to pass without having to stop."""

    unit: int
    """Row of ``layout.tables["units"]``."""
    incident: int
    """Number of the call that it drives to."""
    from_edge: int
    to_edge: int
    """The edges that it comes in by and leaves by."""
    arrives_ms: int
    """When it is at the stop line if nothing holds it up."""
    latest_ms: int
    """When it is there by its own reckoning at the latest."""


class Priority(IntEnum):
    """Who goes first when several ask for one target; rail above all, since it can neither stop nor turn aside."""

    TRANSIT = 100
    EMERGENCY = 200
    EMERGENCY_HIGH = 300
    RAIL = 400


class RequestStatus(IntEnum):
    """What became of a request, in the words and numbers of SAE J2735's PrioritizationResponseStatus."""

    UNKNOWN = 0
    REQUESTED = 1
    """Heard, and not yet looked at."""
    PROCESSING = 2
    """Admitted; nothing is done for it yet: too early, somebody goes before it, or the network is too full."""
    WATCH_OTHER_TRAFFIC = 3
    """Being served, but somebody else may still be in the way: a change is under way, people are on a crossing."""
    GRANTED = 4
    """Its stage is shown. Whoever drives keeps the duty of care: the road is not said to be clear."""
    REJECTED = 5
    MAX_PRESENCE = 6
    """It was served for as long as anybody may be."""
    RESERVICE_LOCKED = 7
    """It was served a moment ago, and others go first now."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One domain asking another, with priority, bounds and expiry."""

    domain: str
    """Who is asked."""
    sender: str
    target: int
    """Row of the asset concerned."""
    action: Action
    priority: int
    """Greater goes first."""
    not_before_ms: int
    expires_at_ms: int


class Alternative(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An action that was weighed and rejected."""

    action: int
    """The domain's code of the action (for signals: the local stage)."""
    cost: float
    """Its expected cost, in the unit of the policy's objective."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would like to do."""

    target: int
    action: Action
    reason: int
    """The policy's reason code; the domain's schema gives its words."""
    cost: float
    """Expected cost of the action, in the unit of the policy's objective."""
    gain: float
    """Expected cost of leaving things as they are, less ``cost``."""
    alternatives: tuple[Alternative, ...] = ()


class Allowed(msgspec.Struct, frozen=True, tag=True):
    """The guard lets the proposal pass as it is."""

    action: Action


class Trimmed(msgspec.Struct, frozen=True, tag=True):
    """The guard lets a lesser action pass."""

    action: Action
    rule: int
    """Which rule trimmed it; the domain's schema gives its words and source."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The guard lets nothing pass: the target keeps what it does."""

    rule: int


Verdict = Allowed | Trimmed | Refused


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A lease: the target does this until told otherwise or until ``not_after_ms``, then minds itself."""

    domain: str
    target: int
    action: Action
    epoch: int
    """Greater after every restart of the brain; a lesser epoch is stale."""
    sequence: int
    issued_at_ms: int
    not_after_ms: int


class ReceiptStatus(IntEnum):
    """What the city says became of a command."""

    ACCEPTED = 0
    PENDING = 1
    """Taken, waiting for a legal moment."""
    REFUSED = 2
    STALE = 3
    EXPIRED = 4


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The city's answer to a command."""

    domain: str
    target: int
    sequence: int
    status: ReceiptStatus
    at_ms: int
    detail: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The journalled record that ties proposal, verdict and command together."""

    decided_at_ms: int
    domain: str
    policy: str
    proposal: Proposal
    verdict: Verdict
    sequence: int
    """Sequence of the command sent, -1 when none was."""
    not_after_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed afterwards; completes a decision and is not part of its digest."""

    sequence: int
    domain: str
    status: ReceiptStatus
    at_ms: int
