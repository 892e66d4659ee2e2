"""Signing in and out, and accounts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cityloop.kernel.errors import InputError
from cityloop.kernel.office import Person
from cityloop.web.access import COOKIE, Principal
from cityloop.web.answers import ApiError, answer, body_of
from cityloop.web.policy import ROLES
from cityloop.web.ports import Desk

__all__ = ["HANDLERS", "set_cookie"]


class SignInBody(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: str
    password: str


class PersonBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new account."""

    name: str
    password: str
    roles: tuple[str, ...]
    districts: tuple[str, ...] = ("*",)


class PersonChange(msgspec.Struct, forbid_unknown_fields=True):
    """What changes of an account."""

    password: str | None = None
    roles: tuple[str, ...] | None = None
    districts: tuple[str, ...] | None = None
    disabled: bool | None = None


def set_cookie(desk: Desk, response: Response, secret: str) -> None:
    """Give the browser its session."""
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=desk.secure, path="/")


async def sign_in(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Begin a session."""
    body = await body_of(request, SignInBody)
    host = request.client.host if request.client else ""
    desk.gate.sign_in_allowed(f"host {host}")
    desk.gate.sign_in_allowed(f"name {body.name[:64]}")
    name = body.name[:64]
    person = await asyncio.to_thread(desk.accounts.check_password, name, body.password[:1024])
    known: tuple[str, ...] = () if person is None else person.roles
    outcome = "refused" if person is None else "done"
    await asyncio.to_thread(desk.audit.append, _now_ms(), name, known, "session.open", host, outcome, {})
    if person is None:
        raise ApiError(401, "password", "name or password is wrong")
    secret, session = desk.accounts.open_session(person.name, _now_ms())
    signed_in = Principal(
        name=person.name,
        roles=person.roles,
        districts=person.districts,
        csrf=session.csrf,
        expires_at_ms=session.expires_at_ms,
    )
    response = answer(_session(signed_in), 201)
    set_cookie(desk, response, secret)
    return response


async def session(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell who is signed in."""
    return answer(_session(who))


def _session(who: Principal) -> dict[str, Any]:
    return {
        "user": who.name,
        "roles": who.roles,
        "districts": who.districts,
        "csrf": who.csrf,
        "expires_at_ms": who.expires_at_ms,
        "may": who.acts(),
    }


async def sign_out(desk: Desk, request: Request, who: Principal) -> Response:
    """End a session."""
    secret = request.cookies.get(COOKIE, "")
    if secret:
        desk.accounts.close_session(secret)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


async def people(desk: Desk, request: Request, who: Principal) -> Response:
    """List accounts."""
    return answer({"items": [_person(one) for one in desk.accounts.people()], "next": None})


async def add(desk: Desk, request: Request, who: Principal) -> Response:
    """Make an account."""
    body = await body_of(request, PersonBody)
    request.state.target, request.state.detail = body.name[:64], {"roles": body.roles, "districts": body.districts}
    _check(desk, body.roles, body.districts)
    person = Person(name=body.name, roles=body.roles, districts=body.districts)
    try:
        await asyncio.to_thread(desk.accounts.add, person, body.password, _now_ms())
    except InputError as error:
        raise ApiError(422, "invalid", str(error), field=str(error).partition(":")[0]) from error
    return answer(_person(person), 201)


async def change(desk: Desk, request: Request, who: Principal) -> Response:
    """Change an account."""
    body = await body_of(request, PersonChange)
    person = _known(desk, request)
    request.state.detail = {"roles": body.roles, "districts": body.districts, "password": body.password is not None}
    roles = person.roles if body.roles is None else body.roles
    districts = person.districts if body.districts is None else body.districts
    _check(desk, roles, districts)
    disabled = person.disabled if body.disabled is None else body.disabled
    after = Person(name=person.name, roles=roles, districts=districts, disabled=disabled)
    try:
        await asyncio.to_thread(desk.accounts.change, after, body.password)
    except InputError as error:
        raise ApiError(422, "invalid", str(error), field="password") from error
    return answer(_person(after))


async def remove(desk: Desk, request: Request, who: Principal) -> Response:
    """Take an account away."""
    desk.accounts.remove(_known(desk, request).name)
    return Response(status_code=204)


def _known(desk: Desk, request: Request) -> Person:
    name = request.path_params["name"]
    request.state.target = name[:64]
    person = desk.accounts.person(name)
    if person is None:
        raise ApiError(404, "not_found", f"nobody is called {name[:64]!r}")
    return person


def _check(desk: Desk, roles: tuple[str, ...], districts: tuple[str, ...]) -> None:
    wrong = [role for role in roles if role not in ROLES]
    if wrong or not roles:
        raise ApiError(422, "invalid", f"roles: give some of {', '.join(ROLES)}", field="roles")
    known = {"*", *(district.id for district in desk.city.districts)}
    strange = [district for district in districts if district not in known]
    if strange:
        message = f"districts: there is no {strange[0][:40]!r}; there are {', '.join(sorted(known))}"
        raise ApiError(422, "invalid", message, field="districts")


def _person(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "roles": person.roles,
        "districts": person.districts,
        "disabled": person.disabled,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


HANDLERS = {
    "session.open": sign_in,
    "session.read": session,
    "session.close": sign_out,
    "people.list": people,
    "people.add": add,
    "people.change": change,
    "people.remove": remove,
}
