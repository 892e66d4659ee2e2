"""The way to the city's issuer and back: nobody comes in unless every check holds, and each answer is noted."""

from __future__ import annotations

import asyncio
import hashlib
import html
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cityloop.kernel.errors import InputError
from cityloop.kernel.office import Person
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer
from cityloop.web.oidc import Oidc, OidcRefusedError, Told
from cityloop.web.people_routes import set_cookie
from cityloop.web.ports import Desk

__all__ = ["HANDLERS"]

_COOKIE = "cityloop_signin"
_COOKIE_PATH = "/api/v1/session/oidc"
_COOKIE_S = 600
_FAULT_OF_OTHERS = ("unreachable", "discovery")


async def ways(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Tell how one may sign in."""
    return answer({"password": True, "oidc": None if desk.oidc is None else {"name": desk.oidc.params.label}})


async def begin(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Send the browser to the issuer."""
    oidc, host = _oidc(desk), _host(request)
    desk.gate.sign_in_allowed(f"host {host}")
    try:
        begun = await asyncio.to_thread(oidc.begin)
    except OidcRefusedError as error:
        return await _refused(desk, host, error)
    response = RedirectResponse(begun.url, 303, headers={"Cache-Control": "no-store"})
    # Lax, as the issuer leads back from another site; it opens nothing but the sign-in that it was made for.
    response.set_cookie(
        _COOKIE, begun.secret, max_age=_COOKIE_S, path=_COOKIE_PATH, httponly=True, samesite="lax", secure=desk.secure
    )
    return response


async def finish(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Take the browser back from the issuer, and begin its session where every check holds."""
    oidc, host = _oidc(desk), _host(request)
    desk.gate.sign_in_allowed(f"host {host}")
    query = {key: value[:4096] for key, value in request.query_params.items()}
    try:
        told = await asyncio.to_thread(oidc.finish, query, request.cookies.get(_COOKIE, ""), _now_ms())
        person = await asyncio.to_thread(_kept, desk, oidc, told)
    except OidcRefusedError as error:
        return await _refused(desk, host, error)
    detail = {"by": "oidc", "issuer": oidc.params.issuer, "subject": told.subject[:80]}
    await asyncio.to_thread(
        desk.audit.append, _now_ms(), person.name, person.roles, "session.open", host, "done", detail
    )
    secret, _ = desk.accounts.open_session(person.name, _now_ms())
    response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    set_cookie(desk, response, secret)
    response.delete_cookie(_COOKIE, path=_COOKIE_PATH)
    return response


async def _refused(desk: Desk, host: str, error: OidcRefusedError) -> Response:
    """Note a refusal, and say it on a page: whoever stands before it came by a link, not by a script."""
    detail = {"by": "oidc", "why": error.code, "message": str(error)}
    await asyncio.to_thread(
        desk.audit.append, _now_ms(), error.name, (), "session.open", host, f"refused: {error.code}", detail
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>Sign-in refused</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:40rem;"
        "padding:0 1rem;color-scheme:light dark}</style><body><main><h1>You are not signed in</h1>"
        f"<p role=alert>{html.escape(str(error))}</p><p><a href='/'>Back to the sign-in</a></p></main>"
    )
    status = 502 if error.code in _FAULT_OF_OTHERS else 403
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})


def _kept(desk: Desk, oidc: Oidc, told: Told) -> Person:
    """Keep the account of whom the issuer vouches for; districts that are not there are nobody's."""
    known = {"*", *(district.id for district in desk.city.districts)}
    districts = tuple(one for one in told.districts if one in known)
    if not districts:
        held = ", ".join(told.districts)[:80] or "none"
        raise OidcRefusedError("district", f"no district here is yours; the issuer names {held}", name=told.name[:64])
    person = Person(name=told.name, roles=told.roles, districts=districts)
    try:
        desk.accounts.keep_outside(person, _mark(oidc, told), _now_ms())
    except InputError as error:
        raise OidcRefusedError("name", str(error), name=told.name[:64]) from error
    return person


def _mark(oidc: Oidc, told: Told) -> str:
    return hashlib.sha256(f"{oidc.params.issuer}\n{told.subject}".encode()).hexdigest()


def _oidc(desk: Desk) -> Oidc:
    if desk.oidc is None:
        raise ApiError(404, "not_found", "no issuer is set up here; sign in with name and password")
    return desk.oidc


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


HANDLERS: dict[str, Any] = {"session.ways": ways, "session.oidc": begin, "session.oidc-return": finish}
