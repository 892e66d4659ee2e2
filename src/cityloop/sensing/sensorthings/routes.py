"""SensorThings as Starlette routes under ``/sta/v1.1``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from cityloop.kernel.errors import ConfigError
from cityloop.sensing.access import Principal
from cityloop.sensing.sensorthings.batch import handle_batch
from cityloop.sensing.sensorthings.errors import Reply, TooLarge, Unauthorised, error_reply
from cityloop.sensing.sensorthings.observations import create_observations
from cityloop.sensing.sensorthings.service import Request, SensorThings

__all__ = ["ROOT", "sensorthings_routes"]

ROOT: Final = "/sta/v1.1"
_METHODS: Final = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]
_CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, prefer",
    "access-control-expose-headers": "location",
}

Authenticate = Callable[[HttpRequest], Principal | None]
"""Who asks, None for nobody known."""


def sensorthings_routes(
    service: SensorThings,
    authenticate: Authenticate,
    *,
    most_bytes: int = 32 << 20,
    public_url: str = "",
    allow_origins: bool = False,
) -> Sequence[Route]:
    """Return the routes of the service.

    Parameters
    ----------
    most_bytes
        Largest body taken.
    public_url
        Address that clients know the server by, such as ``https://city.example``; empty: what each request was sent to.
    allow_origins
        Whether pages of other origins may ask, with credentials that they were given.
    """
    if public_url and not public_url.startswith(("http://", "https://")):
        raise ConfigError(f"public_url is {public_url!r}; it must begin with http:// or https://")

    async def endpoint(http: HttpRequest) -> Response:
        if http.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(_METHODS), **(_CORS if allow_origins else {})})
        try:
            reply = await _answer(http)
        except Exception as error:
            reply = error_reply(error)
        headers = {**reply.headers, **(_CORS if allow_origins else {})}
        return Response(b"" if http.method == "HEAD" else reply.body, reply.status, headers)

    async def _answer(http: HttpRequest) -> Reply:
        principal = authenticate(http)
        if principal is None:
            raise Unauthorised("no valid token: send Authorization: Bearer TOKEN, or Basic with user token")
        raw_path = http.scope.get("raw_path", http.scope["path"].encode()).decode("latin-1").partition("?")[0]
        root = f"{http.scope.get('root_path', '')}{ROOT}"
        path = raw_path[raw_path.find(ROOT) + len(ROOT) :]
        request = Request(
            verb=http.method,
            path=path,
            query=http.scope["query_string"].decode("latin-1"),
            body=await _body(http, most_bytes),
            content_type=http.headers.get("content-type", ""),
            base=f"{public_url.rstrip('/')}{ROOT}" if public_url else f"{http.url.scheme}://{http.url.netloc}{root}",
            principal=principal,
            minimal="return=minimal" in http.headers.get("prefer", ""),
        )
        step = path.strip("/")
        if request.verb == "POST" and step == "$batch":
            return await handle_batch(service, request)
        if request.verb == "POST" and step == "CreateObservations":
            return await create_observations(service, request)
        return await service.handle(request)

    return [
        Route(ROOT, endpoint, methods=_METHODS),
        Route(ROOT + "/{path:path}", endpoint, methods=_METHODS),
    ]


async def _body(http: HttpRequest, most_bytes: int) -> bytes:
    length = http.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most_bytes:
        raise TooLarge(f"the body has {length} bytes; at most {most_bytes} are taken, send it in parts")
    pieces, total = [], 0
    async for piece in http.stream():
        total += len(piece)
        if total > most_bytes:
            raise TooLarge(f"the body has more than {most_bytes} bytes; send it in parts")
        pieces.append(piece)
    return b"".join(pieces)
