"""``multipart/mixed`` of HTTP requests and responses, as OData batches use it (RFC 2046, OData 4.0 part 1, 11.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cityloop.kernel.errors import InputError

__all__ = [
    "MultipartError",
    "PartRequest",
    "boundary_of",
    "join_parts",
    "parse_request",
    "response_bytes",
    "split_parts",
]

_MOST_PARTS = 10_000
_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,\-./:=? ]{1,70}?)"?\s*(?:;|\Z)')
_REQUEST_LINE = re.compile(r"([A-Z]{3,10}) (\S{1,8000})(?: HTTP/\d(?:\.\d)?)?\Z")


class MultipartError(InputError):
    """A multipart body that cannot be read."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers, with names in lower case, and its body."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class PartRequest:
    """The HTTP request that a part holds."""

    verb: str
    address: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def boundary_of(content_type: str) -> str:
    """Return the boundary that a content type names."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise MultipartError("Content-Type multipart/mixed needs a boundary")
    return match[1]


def split_parts(body: bytes, boundary: str) -> list[Part]:
    """Return the parts of a body."""
    mark = b"--" + boundary.encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(mark), body)
    if len(pieces) < 2 or (not pieces[-1].lstrip().startswith(b"--") and pieces[-1].strip() != b"--"):
        raise MultipartError(f"the multipart body does not end with --{boundary}--")
    if len(pieces) > _MOST_PARTS:
        raise MultipartError(f"more than {_MOST_PARTS} parts; send fewer at once")
    return [_part(piece) for piece in pieces[1:-1]]


def parse_request(body: bytes) -> PartRequest:
    """Return the HTTP request in a part's body."""
    head, _, rest = _halves(body.lstrip(b"\r\n"))
    lines = head.decode("utf-8", "replace").splitlines()
    match = _REQUEST_LINE.match(lines[0].strip()) if lines else None
    if match is None:
        raise MultipartError(
            f"request line {(lines[0] if lines else '')[:60]!r} cannot be read; write GET Things HTTP/1.1"
        )
    return PartRequest(match[1], match[2], _headers(lines[1:]), rest.rstrip(b"\r\n"))


def response_bytes(status: int, headers: dict[str, str], body: bytes) -> bytes:
    """Return an HTTP response as the body of a part."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".rstrip()]
    lines += [f"{name.title()}: {value}" for name, value in {**headers, "content-length": str(len(body))}.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def join_parts(parts: Iterable[tuple[dict[str, str], bytes]], boundary: str) -> bytes:
    """Return a body of parts."""
    pieces = []
    for headers, body in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--{boundary}\r\n{lines}\r\n".encode() + body + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def _part(piece: bytes) -> Part:
    head, _, body = _halves(piece.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n"))
    return Part(_headers(head.decode("utf-8", "replace").splitlines()), body)


def _halves(data: bytes) -> tuple[bytes, bytes, bytes]:
    crlf, lf = data.find(b"\r\n\r\n"), data.find(b"\n\n")
    if lf >= 0 and (crlf < 0 or lf < crlf):
        return data.partition(b"\n\n")
    return data.partition(b"\r\n\r\n")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines[:100]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


_PHRASES = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    424: "Failed Dependency",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
