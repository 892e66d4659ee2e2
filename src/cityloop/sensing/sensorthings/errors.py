"""What a client is told: a status, and one line that names the key and the fix."""

from __future__ import annotations

import logging
import math

import orjson

from cityloop.kernel.errors import CityloopError, InputError
from cityloop.kernel.readings import Overloaded, StoreFull

__all__ = ["Forbidden", "NotAllowed", "NotFound", "Reply", "TooLarge", "Unauthorised", "error_reply", "json_reply"]


class Unauthorised(InputError):  # noqa: N818 - names are those of the statuses
    """Nobody, or nobody known, asks."""


class Forbidden(InputError):  # noqa: N818 - as above
    """Who asks may not do this."""


class NotFound(InputError):  # noqa: N818 - as above
    """There is nothing at this address."""


class NotAllowed(InputError):  # noqa: N818 - as above
    """There is something at this address, and this cannot be done with it."""


class TooLarge(InputError):  # noqa: N818 - as above
    """A body larger than is taken."""


class Reply:
    """A response: status, headers, body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Return a reply of JSON."""
    return Reply(status, orjson.dumps(value), {"content-type": "application/json;charset=utf-8", **(headers or {})})


def error_reply(error: Exception) -> Reply:
    """Return the reply that tells of an error; one of our own faults is logged and not shown."""
    headers: dict[str, str] = {}
    match error:
        case Unauthorised():
            status = 401
            headers["www-authenticate"] = 'Basic realm="cityloop", charset="UTF-8"'
        case Forbidden():
            status = 403
        case NotFound():
            status = 404
        case NotAllowed():
            status = 405
        case TooLarge():
            status = 413
        case Overloaded():
            status = 429
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        case StoreFull():
            status = 507
        case InputError():
            # A store says in its own class that something is missing; the name is the contract.
            status = 404 if type(error).__name__ == "Missing" else 400
        case CityloopError():
            status = 503
            headers["retry-after"] = "1"
        case _:
            logging.getLogger(__name__).error("a request failed", exc_info=error)
            return json_reply(_told(500, "the service failed; its log tells more"), 500)
    return json_reply(_told(status, str(error)), status, headers)


def _told(status: int, message: str) -> dict[str, object]:
    # The shape of OData 4 beside the one that servers of SensorThings have always used.
    return {"code": status, "type": "error", "message": message, "error": {"code": str(status), "message": message}}
