"""What the sender of a message with QoS 1 is told of it."""

from __future__ import annotations

from collections.abc import Sequence

from cityloop.kernel.errors import CityloopError, InputError
from cityloop.kernel.quarantine import DeadLetter
from cityloop.kernel.readings import Overloaded, StoreFull
from cityloop.sensing.inbox import Taken
from cityloop.sensing.offers import reasons
from cityloop.wire.mqtt.properties import Reason

__all__ = ["outcome", "set_aside"]


def outcome(version: int, error: Exception | None, taken: Taken | None) -> tuple[Reason, str] | None:
    """Return reason and words of an acknowledgement; None for none, so that the message is sent again.

    What cannot be read is acknowledged to 3.1.1 too: sent again it would fail again.
    """
    if error is None:
        if taken is None or not taken.letters:
            return Reason.SUCCESS, ""
        return set_aside(taken.letters, whole=not taken.stored and not taken.duplicate)
    if isinstance(error, InputError):
        return Reason.PAYLOAD_INVALID, str(error)
    if version != 5:
        return None
    full = isinstance(error, StoreFull | Overloaded)
    return Reason.QUOTA_EXCEEDED if full else Reason.UNSPECIFIED, str(error) if isinstance(error, CityloopError) else ""


def set_aside(letters: Sequence[DeadLetter], *, whole: bool) -> tuple[Reason, str]:
    """Return reason and words for a message of which some, or the whole, was set aside."""
    return Reason.PAYLOAD_INVALID if whole else Reason.SUCCESS, "; ".join(reasons(letters))
