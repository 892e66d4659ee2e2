"""The dashboard's files, health, metrics, and the API's own description."""

from __future__ import annotations

import asyncio
import html
import mimetypes
import re
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response

import cityloop
from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer
from cityloop.web.people_routes import set_cookie
from cityloop.web.policy import POLICY, PUBLIC, ROLES
from cityloop.web.ports import Desk

__all__ = ["HANDLERS", "SECURITY_HEADERS", "openapi"]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_NO_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>cityloop</title>
<body><h1>cityloop</h1><p>The dashboard's files are not part of this installation. The API is at
<a href="/api/v1/docs">/api/v1/docs</a>.</p></body></html>"""

_WRONG_TOKEN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>cityloop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><body><main><h1>cityloop</h1>
<p>The token in this address is wrong, or was replaced. It is what CITYLOOP_TOKEN says where the server was started,
or else lies in the file named token of its data directory.</p>
<p lang="zh-Hans">此地址中的令牌有误或已更换。</p>
<p><a href="/">Sign in with a name · 用户名登录</a></p></main></body></html>"""
"""For people; programs are told in JSON."""


async def index(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Hand out the dashboard; a token in the query becomes a session and leaves the address."""
    token = request.query_params.get("token")
    if token is not None:
        host = request.client.host if request.client else ""
        if not desk.gate.is_token(token):
            desk.gate.sign_in_allowed(f"host {host}")
            if "text/html" in request.headers.get("accept", ""):
                return HTMLResponse(_WRONG_TOKEN, 401)
            raise ApiError(401, "token", "that token is wrong; it lies in the file named token of the data directory")
        secret, _ = desk.accounts.open_session("token", _wall_ms())
        response: Response = RedirectResponse("/", 303)
        set_cookie(desk, response, secret)
        return response
    return await asyncio.to_thread(_page, desk)


def _page(desk: Desk) -> Response:
    page = desk.static / "index.html"
    if not page.is_file():
        return HTMLResponse(_NO_PAGE)
    return FileResponse(page, headers={"Cache-Control": "no-cache"}, media_type="text/html")


async def asset(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Hand out one file of the dashboard, compressed beforehand where that was done."""
    accepted = request.headers.get("accept-encoding", "")
    return await asyncio.to_thread(_asset, desk, request.path_params["path"], accepted)


def _asset(desk: Desk, name: str, accepted: str) -> Response:
    root = (desk.static / "assets").resolve()
    # A null byte is in no file's name, and the system refuses to be asked.
    path = root if "\0" in name else (root / name).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ApiError(404, "not_found", "there is no such file")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    packed = Path(f"{path}.gz")
    if packed.is_file() and "gzip" in accepted:
        return FileResponse(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=kind)
    return FileResponse(path, headers=headers, media_type=kind)


async def alive(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Say that the process lives."""
    return PlainTextResponse("ok\n")


async def ready(desk: Desk, request: Request, who: Principal | None) -> Response:
    """Say whether store, API and page answer."""
    fault = await asyncio.to_thread(desk.store_ready)
    return PlainTextResponse(f"{fault or 'ready'}\n", 503 if fault else 200)


async def metrics(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell the server's figures."""
    board = desk.board
    tick = board.tick
    states = desk.sensors.columns()[3]
    figures: list[tuple[str, str, str, float]] = [
        ("cityloop_up", "gauge", "Whether the city runs.", float(board.silent_s() < 10.0)),
        ("cityloop_ticks_total", "counter", "Steps heard of.", float(board.ticks)),
        ("cityloop_tick_late_ms", "gauge", "Lateness of the newest step.", 0.0 if tick is None else tick.late_ms),
        ("cityloop_tick_late_worst_ms", "gauge", "Greatest lateness since the start.", board.worst_late_ms),
        ("cityloop_ticks_late_total", "counter", "Steps more than 100 ms late.", float(board.late_ticks)),
        ("cityloop_tick_took_ms", "gauge", "Duration of the newest step.", 0.0 if tick is None else tick.took_ms),
        ("cityloop_watchers", "gauge", "Live feeds open.", float(board.watchers)),
        ("cityloop_sensors", "gauge", "Sensors known.", float(len(states))),
        ("cityloop_sensors_not_good", "gauge", "Sensors in any state but good.", float((states != 0).sum())),
        ("cityloop_alerts_open", "gauge", "Open alerts.", float(len(desk.alerts.listed("open", 1000)))),
        ("cityloop_holds_active", "gauge", "Operators' acts in force.",
         float(len(desk.holds.orders(now_ms=desk.now_ms())))),
    ]  # fmt: skip
    lines = []
    for name, kind, text, value in figures:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


async def policy_table(desk: Desk, request: Request, who: Principal) -> Response:
    """Tell who may do what."""
    items = [
        {
            "name": rule.name,
            "method": rule.method,
            "path": rule.path,
            "roles": list(ROLES) if PUBLIC in rule.roles else sorted(rule.roles),
            "summary": rule.summary,
            "act": rule.act,
            "district": rule.district,
            "two_people": rule.two_people,
        }
        for rule in POLICY
    ]
    return answer({"roles": ROLES, "items": items})


async def openapi_json(desk: Desk, request: Request, who: Principal) -> Response:
    """Describe the API."""
    return answer(openapi())


def openapi() -> dict[str, Any]:
    """Return the API's description, made from the policy table."""
    from cityloop.web.bodies import body_schemas

    schemas, bodies = body_schemas()
    paths: dict[str, dict[str, Any]] = {}
    for rule in POLICY:
        if rule.method == "WS" or rule.name in ("page.index", "page.asset"):
            continue
        path = re.sub(r":\w+}", "}", rule.path)
        operation: dict[str, Any] = {
            "operationId": rule.name,
            "summary": rule.summary,
            "tags": [rule.name.partition(".")[0]],
            "x-roles": ["public"] if PUBLIC in rule.roles else sorted(rule.roles),
            "parameters": [
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "schema": {"type": "integer" if kind else "string"},
                }
                for name, kind in re.findall(r"{(\w+)(:int)?}", rule.path)
            ],
            "responses": {
                "2XX": {"description": "Done."},
                "4XX": {
                    "description": "What is wrong, in one line.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
        }
        if PUBLIC in rule.roles:
            operation["security"] = []
        if rule.name in bodies:
            content = {"application/json": {"schema": bodies[rule.name]}}
            operation["requestBody"] = {"required": True, "content": content}
        paths.setdefault(path, {})[rule.method.lower()] = operation
    error = {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "field": {"type": ["string", "null"]},
                },
                "required": ["code", "message"],
            }
        },
        "required": ["error"],
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "cityloop", "version": cityloop.__version__, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": error},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "cityloop_session"},
            },
        },
    }


async def docs(desk: Desk, request: Request, who: Principal) -> Response:
    """Show the API's description as a page without scripts."""
    rows = []
    described = openapi()["paths"]
    for path, methods in described.items():
        for method, operation in methods.items():
            rows.append(
                f"<tr><th scope=row><code>{method.upper()} {html.escape(path)}</code></th>"
                f"<td>{html.escape(operation['summary'])}</td><td>{', '.join(operation['x-roles'])}</td></tr>"
            )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>cityloop API</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;"
        "padding:0 1rem;color-scheme:light dark}table{border-collapse:collapse;width:100%}th,td{text-align:left;"
        "padding:.3rem .6rem;border-bottom:1px solid #8888;vertical-align:top}th{font-weight:normal}</style>"
        "<body><main><h1>cityloop API</h1><p>Machine-readable: <a href=/api/v1/openapi.json>openapi.json</a>. Send "
        "<code>Authorization: Bearer TOKEN</code>, or Basic with the user <code>token</code>.</p>"
        f"<table><thead><tr><th>Route<th>What<th>Roles</thead><tbody>{''.join(rows)}</tbody></table></main>"
    )
    return HTMLResponse(page)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


HANDLERS = {
    "page.index": index,
    "page.asset": asset,
    "health.alive": alive,
    "health.ready": ready,
    "metrics.read": metrics,
    "docs.openapi": openapi_json,
    "docs.page": docs,
    "docs.policy": policy_table,
}
