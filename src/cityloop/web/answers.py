"""Requests in, answers out: typed bodies, one-line errors, JSON."""

from __future__ import annotations

import gzip
from typing import Any, TypeVar

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cityloop.kernel.errors import CityloopError

__all__ = ["MAX_BODY_BYTES", "ApiError", "answer", "body_of", "cached", "instant", "number", "problem_response"]

MAX_BODY_BYTES = 256 * 1024
"""Of a request to the API; sensing has limits of its own."""

_WHOLE = (-(2**63), 2**63 - 1)

T = TypeVar("T")


class ApiError(CityloopError):
    """Something that the caller is told in one line."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, retry_s: int | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.retry_s = status, code, message, field, retry_s
        self.more = more


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as JSON; NaN and infinity become null."""
    data = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(data, status, headers=kept, media_type="application/json")


def problem_response(problem: ApiError) -> Response:
    """Return a problem as JSON."""
    error = {"code": problem.code, "message": problem.message, "field": problem.field}
    headers = {} if problem.retry_s is None else {"Retry-After": str(problem.retry_s)}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="cityloop"'
    return answer({"error": error, **problem.more}, problem.status, headers)


def cached(request: Request, data: bytes, etag: str, media_type: str) -> Response:
    """Return bytes that seldom change, compressed where asked, or 304 where the caller has them."""
    tag = f'"{etag}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(data, headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)
    return Response(gzip.decompress(data), headers=headers, media_type=media_type)


async def body_of(request: Request, kind: type[T]) -> T:
    """Return a request's body as a typed value, or say which key is wrong."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes; send less")
    try:
        body = msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        text = str(error)
        field = text.split("$.")[-1].rstrip("`") if "$." in text else None
        raise ApiError(422, "invalid", text.replace(" - at `$", " at `"), field=field) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ApiError(400, "not_json", f"the body is not JSON ({error})") from error
    field = _too_great(msgspec.to_builtins(body), "")
    if field is not None:
        low, high = _WHOLE
        raise ApiError(422, "invalid", f"{field}: the number is out of range; give {low} to {high}", field=field)
    return body


def _too_great(value: Any, path: str) -> str | None:
    """Return where a whole number stands that no journal, audit or answer could hold."""
    match value:
        case int():
            return None if _WHOLE[0] <= value <= _WHOLE[1] else path or "the body"
        case dict():
            inside = ((f"{path}.{key}" if path else str(key), one) for key, one in value.items())
        case list() | tuple():
            inside = ((f"{path}[{row}]", one) for row, one in enumerate(value))
        case _:
            return None
    return next((found for where, one in inside if (found := _too_great(one, where)) is not None), None)


def number(request: Request, key: str, usual: int, low: int, high: int) -> int:
    """Return a whole number of the query, within bounds."""
    text = request.query_params.get(key)
    if text is None or text == "":
        return usual
    try:
        value = int(text)
    except ValueError:
        raise ApiError(422, "invalid", f"{key}: {text[:40]!r} is no whole number", field=key) from None
    if not low <= value <= high:
        raise ApiError(422, "invalid", f"{key}: {value} is out of range; give {low} to {high}", field=key)
    return value


_LATEST_MS = 253_402_214_400_000
"""The last day that a calendar of four-digit years shows in every zone."""


def instant(request: Request, key: str, usual: int) -> int:
    """Return an instant of the query. [ms]"""
    return number(request, key, usual, 0, _LATEST_MS)
