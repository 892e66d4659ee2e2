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
    "Proposal",
    "Receipt",
    "ReceiptStatus",
    "Refused",
    "Request",
    "Trimmed",
    "Verdict",
]


class Action(msgspec.Struct, frozen=True, tag=True):
    """What a domain may ask of a target; each domain's ``schema`` declares its own."""


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
