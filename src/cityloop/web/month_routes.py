"""Certificates and shadow back-tests of a city's own months, as ``cityloop month`` left them beside the served data."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cityloop.web.access import Principal
from cityloop.web.answers import ApiError, answer
from cityloop.web.ports import Desk

__all__ = ["HANDLERS"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE, _PAGE = "certificate.json", "certificate.html"
_RATE = ("days", "checked_days", "n", "bias", "mae", "mase", "coverage", "nominal", "calibrated")
_SHADOW = ("n", "recorded_s", "brain_s", "difference_s", "low_s", "high_s", "verdict")
_LARGEST = 64 << 20


async def months(desk: Desk, request: Request, who: Principal) -> Response:
    """List the months that were studied, the last made first."""
    return answer({"items": await asyncio.to_thread(_listed, desk.months), "next": None})


async def month(desk: Desk, request: Request, who: Principal) -> Response:
    """Hand out one month's page."""
    name = request.path_params["name"]
    path = None if desk.months is None or not _NAME.fullmatch(name) else desk.months / name / _PAGE
    if path is None or not path.is_file():
        raise ApiError(404, "not_found", f"no month {name[:60]!r} lies in the data directory's folder months")
    return HTMLResponse(await asyncio.to_thread(path.read_text, encoding="utf-8"))


def _listed(folder: Path | None) -> list[dict[str, Any]]:
    if folder is None or not folder.is_dir():
        return []
    found = []
    for path in folder.glob(f"*/{_FILE}"):
        if not _NAME.fullmatch(path.parent.name) or path.stat().st_size > _LARGEST:
            continue
        made_ms = int(path.stat().st_mtime * 1000)
        try:
            found.append({"name": path.parent.name, "made_ms": made_ms, **_told(orjson.loads(path.read_bytes()))})
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            # One file that was cut short must not hide the others.
            fault = f"{_FILE} cannot be read: {type(error).__name__}; run cityloop month again"
            found.append({"name": path.parent.name, "made_ms": made_ms, "fault": fault})
    return sorted(found, key=lambda one: -int(one["made_ms"]))


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "begin": found["begin"],
        "end": found["end"],
        "days": found["days"],
        "whole_days": found["whole_days"],
        "set_aside": found["set_aside"],
        "warnings": found["warnings"],
        "rates": [
            {"kind": kind, "rows": found["kinds"][kind], **{key: one[key] for key in _RATE}}
            for kind, one in found["rates"].items()
        ],
        "signals": [_signal(one) for one in found["signals"]],
        "fault": None,
    }


def _signal(found: dict[str, Any]) -> dict[str, Any]:
    shadow = found["shadow"]
    told = dict.fromkeys(_SHADOW) if shadow is None else {key: shadow[key] for key in _SHADOW}
    hours = [] if shadow is None else shadow["hours"]
    return {
        "name": found["name"],
        "why_not": found["why_not"],
        "hours": len(hours),
        "unsure": sum(bool(hour["unsure"]) for hour in hours),
        **told,
    }


HANDLERS = {"months.list": months, "months.read": month}
