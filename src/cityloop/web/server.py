"""The ASGI application: every route of the policy table with its handler, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from cityloop.kernel.errors import CityloopError, InputError
from cityloop.web import (
    acts_routes,
    cad_routes,
    case_file,
    changes_routes,
    city_routes,
    evidence_routes,
    halves_routes,
    month_routes,
    oidc_routes,
    pages,
    people_routes,
    service_acts,
    service_routes,
    signals_routes,
)
from cityloop.web.answers import ApiError, problem_response
from cityloop.web.halves_routes import left_half
from cityloop.web.live_feed import live_feed
from cityloop.web.policy import POLICY, Rule
from cityloop.web.ports import Desk

__all__ = ["build_app"]

_LOG = logging.getLogger(__name__)
Handler = Callable[[Desk, Request, Any], Awaitable[Response]]


async def _events(desk: Desk, request: Request, who: Any) -> Response:
    return await desk.events.listen(request)


HANDLERS: dict[str, Handler] = {
    **city_routes.HANDLERS,
    **signals_routes.HANDLERS,
    **acts_routes.HANDLERS,
    **changes_routes.HANDLERS,
    **evidence_routes.HANDLERS,
    **people_routes.HANDLERS,
    **month_routes.HANDLERS,
    **oidc_routes.HANDLERS,
    **halves_routes.HANDLERS,
    **case_file.HANDLERS,
    **service_routes.HANDLERS,
    **service_acts.HANDLERS,
    **cad_routes.HANDLERS,
    **pages.HANDLERS,
    "live.events": _events,
}


def build_app(desk: Desk) -> Starlette:
    """Return the application; a rule without handler, or a handler without rule, is refused here."""
    routes: list[BaseRoute] = []
    for rule in POLICY:
        if rule.method == "WS":
            routes.append(WebSocketRoute(rule.path, _socket(desk, rule), name=rule.name))
        else:
            endpoint = _guarded(desk, rule, HANDLERS[rule.name])
            routes.append(Route(rule.path, endpoint, methods=[rule.method], name=rule.name))
    unruled = set(HANDLERS) - {rule.name for rule in POLICY}
    if unruled:
        raise CityloopError(f"no policy for {', '.join(sorted(unruled))}")
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Beside, desk=desk), Middleware(_Headers), Middleware(_SmallGzip)],
        exception_handlers={ApiError: _on_problem, HTTPException: _on_http, Exception: _on_fault},
        lifespan=_lifespan(desk),
    )
    app.router.redirect_slashes = False
    app.state.prepared = city_routes.prepared(desk)
    return app


def _lifespan(desk: Desk) -> Callable[[Starlette], Any]:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for begin in desk.startup:
            await begin()
        try:
            yield
        finally:
            desk.events.close()
            for end in desk.shutdown:
                await end()

    return lifespan


def _guarded(desk: Desk, rule: Rule, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        who = desk.gate.admit(request, rule)
        if not rule.act:
            try:
                return await handler(desk, request, who)
            except InputError as error:
                raise ApiError(422, "invalid", str(error)) from error
        request.state.target, request.state.detail = "", {}
        outcome = "failed"
        try:
            response = await handler(desk, request, who)
            waits = response.status_code == 202 and rule.name != "jobs.start"
            outcome = "waits for a second person" if waits else "done"
            return response
        except ApiError as error:
            outcome = f"refused: {error.code}"
            raise
        except InputError as error:
            outcome = "refused: invalid"
            raise ApiError(422, "invalid", str(error)) from error
        finally:
            await asyncio.to_thread(
                desk.audit.append,
                time.time_ns() // 1_000_000,
                who.name if who else "",
                who.roles if who else (),
                rule.name,
                request.state.target,
                outcome,
                request.state.detail,
            )

    return endpoint


def _socket(desk: Desk, rule: Rule) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        try:
            who = desk.gate.admit(socket, rule)
            left = left_half(desk, socket)
        except ApiError as error:
            codes = {401: 4401, 403: 4403, 429: 4429}
            # Accepted first, for a browser is told a close code only of a socket that was open.
            await socket.accept()
            await socket.close(codes.get(error.status, 4400), error.message[:120])
            return
        assert who is not None
        await live_feed(desk, socket, who, desk.board if left is None else left.board)

    return endpoint


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return problem_response(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    messages = {404: "there is no such route", 405: "that method is not for this route"}
    message = messages.get(error.status_code, str(error.detail))
    return problem_response(ApiError(error.status_code, "not_found" if error.status_code == 404 else "http", message))


async def _on_fault(request: Request, error: Exception) -> Response:
    _LOG.error("internal error in %s %s", request.method, request.url.path, exc_info=error)
    return problem_response(ApiError(500, "internal", "an error of ours; the server's log has it"))


class _Beside:
    """Hands what belongs to other rooms to them, whole; they know their own callers."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http":
            for head, app in self._desk.beside.items():
                if path == head or path.startswith(head + "/"):
                    await app(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class _Headers:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in pages.SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _SmallGzip:
    """Compresses the API's own JSON; feeds, and what is mounted, are left as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packing = GZipMiddleware(app, minimum_size=1500, compresslevel=4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        packs = scope["type"] == "http" and path.startswith("/api/v1/") and not path.endswith("/events")
        await (self._packing if packs else self._plain)(scope, receive, send)
