"""What the fast lanes and SensorThings are, as an OpenAPI description: read at ``/ingest/openapi.json``."""

from __future__ import annotations

from typing import Any

from cityloop.kernel.readings import DataKind
from cityloop.sensing.codecs import Codecs
from cityloop.sensing.sensorthings.routes import ROOT

__all__ = ["ingest_openapi"]

_ENTITIES = (
    "Things",
    "Locations",
    "HistoricalLocations",
    "Datastreams",
    "MultiDatastreams",
    "Sensors",
    "ObservedProperties",
    "Observations",
    "FeaturesOfInterest",
)
_NUMBERS = {"type": "array", "items": {"type": "integer"}}
_NAMES = {"name": "streams", "in": "query", "schema": {"type": "string"}, "description": "Names, joined by commas."}
_STREAM = {
    "type": "object",
    "required": ["name", "unit"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "unit": {"type": "string"},
        "low": {"type": "number"},
        "high": {"type": "number"},
        "device": {"type": "string", "description": "Who alone may write it; empty: anybody."},
        "kind": {
            "enum": [int(kind) for kind in DataKind],
            "description": "0 measurement, 1 vehicle, 2 person, 3 control.",
        },
        "lon_deg": {"type": "number", "minimum": -180, "maximum": 180},
        "lat_deg": {"type": "number", "minimum": -90, "maximum": 90},
        "interval_s": {"type": "number", "exclusiveMinimum": 0},
    },
}
_DEVICE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"device": {"type": "string", "minLength": 1, "maxLength": 200}, "subject": {"type": "string"}},
}
_TAKEN = {
    "type": "object",
    "properties": {
        **{
            what: {"type": "integer", "minimum": 0}
            for what in ("stored", "suspect", "late", "duplicate", "quarantined")
        },
        "why": {"type": "array", "items": {"type": "string"}, "description": "Of what was set aside, at most six."},
    },
    "required": ["stored", "suspect", "late", "duplicate", "quarantined"],
}
_REFUSALS = {
    "400": "Cannot be read; nothing of it was kept.",
    "401": "No token, and no certificate that stands for a device.",
    "403": "Not for a device to do.",
    "404": "There is nothing of that name.",
    "405": "Not a method of this path.",
    "408": "The body took too long.",
    "413": "Too large.",
    "415": "A media type that is not understood.",
    "429": "More than is taken now; nothing was kept, send again after Retry-After.",
    "507": "The disk is full; nothing was kept.",
}


def ingest_openapi(codecs: Codecs) -> dict[str, Any]:
    """Return the description of everything below ``/ingest``, and of SensorThings."""
    bytes_of = {"schema": {"type": "string", "format": "binary"}}
    packs = dict.fromkeys(sorted(codecs.media_types), bytes_of)
    paths: dict[str, Any] = {"/ingest": {"post": _post("Send readings.", packs, _TAKEN)}}
    for name in sorted(codecs.paths):
        found = _post(f"Send readings as {name} tells them.", {"application/octet-stream": bytes_of}, _TAKEN)
        asked = {"nmea": "receiver", "hires": "zone"}.get(name)
        if asked:
            found["parameters"] = [{"name": asked, "in": "query", "schema": {"type": "string"}}]
        paths[f"/ingest/{name}"] = {"post": found}
    streams = _json({"type": "array", "items": _STREAM})
    rows = {"type": "object", "properties": {"rows": {"type": "object"}}}
    paths["/ingest/streams"] = {
        "get": _get("Rows of streams by name, -1 where there is none.", [_NAMES]),
        "post": _post("Register streams, as an administrator.", streams, rows),
    }
    paths["/ingest/live"] = {"get": _get("The newest readings.", [_NAMES])}
    paths["/ingest/health"] = {"get": _get("Which streams are not well, and why.", [_NAMES])}
    paths["/ingest/counts"] = {"get": _get("How many readings came, wait, and were held against.")}
    paths["/ingest/changes"] = {
        "get": _get("The newest readings as they change, as server-sent events.", [_NAMES, _whole("interval_ms")])
    }
    paths["/ingest/letters"] = {
        "get": _get("What was set aside, to an administrator.", [_whole("after"), _whole("limit")])
    }
    paths["/ingest/letters/admit"] = {"post": _post("Submit letters anew, by number.", _json(_NUMBERS), _TAKEN)}
    paths["/ingest/letters/forget"] = {"post": _post("Give letters up, by number.", _json(_NUMBERS))}
    paths["/ingest/devices"] = {
        "get": _get("Tokens and certificates of devices, to an administrator."),
        "post": _post("Give a device a token, or let a certificate's subject stand for it.", _json(_DEVICE)),
    }
    paths["/ingest/devices/revoke"] = {"post": _post("Take tokens or a subject back.", _json(_DEVICE))}
    paths["/ingest/openapi.json"] = {"get": _get("This description.")}
    paths.update(_sensorthings())
    return {
        "openapi": "3.1.0",
        "info": {"title": "cityloop: fast lanes for readings", "version": "1"},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}, {"certificate": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "certificate": {"type": "mutualTLS"},
            }
        },
    }


def _sensorthings() -> dict[str, Any]:
    """Return the paths of SensorThings, as far as OpenAPI can say them: navigation is described by the standard."""
    texts = [_text(f"${name}") for name in ("filter", "select", "expand", "orderby")]
    counts = [_whole("$top"), _whole("$skip"), {"name": "$count", "in": "query", "schema": {"type": "boolean"}}]
    entity, anything = _json({"type": "object"}), {"description": "As OGC 18-088 has it."}
    identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    paths: dict[str, Any] = {ROOT: {"get": _operation("What there is.", anything)}}
    for name in _ENTITIES:
        paths[f"{ROOT}/{name}"] = {
            "get": _operation(f"Some of the {name}.", anything, [*texts, *counts]),
            "post": _operation(f"Add to the {name}.", anything, [], entity),
        }
        paths[f"{ROOT}/{name}({{id}})"] = {
            "get": _operation(f"One of the {name}.", anything, [identity, *texts[1:3]]),
            "patch": _operation(f"Change one of the {name}.", anything, [identity], entity),
            "delete": _operation(f"Remove one of the {name}.", anything, [identity]),
        }
    arrays = _json({"type": "array", "items": {"type": "object"}})
    paths[f"{ROOT}/CreateObservations"] = {"post": _operation("Send data arrays.", anything, [], arrays)}
    paths[f"{ROOT}/$batch"] = {"post": _operation("Do several things.", anything, [], entity)}
    return paths


def _text(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _operation(
    summary: str,
    answer: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    content: dict[str, Any] | None = None,
) -> dict[str, Any]:
    found = {"summary": summary, "parameters": parameters or [], "responses": {"2XX": answer, "4XX": answer}}
    return found if content is None else {**found, "requestBody": {"required": True, "content": content}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _whole(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 10**14}}


def _responses(schema: dict[str, Any] | None) -> dict[str, Any]:
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    done: dict[str, Any] = {"description": "Done; readings survive a power cut."}
    if schema is not None:
        done["content"] = _json(schema)
    refused = {status: {"description": why, "content": _json(error)} for status, why in _REFUSALS.items()}
    return {"200": done, **refused}


def _get(summary: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"summary": summary, "parameters": parameters or [], "responses": _responses(None)}


def _post(summary: str, content: dict[str, Any], answer: dict[str, Any] | None = None) -> dict[str, Any]:
    body = {"required": True, "content": content}
    return {"summary": summary, "requestBody": body, "responses": _responses(answer)}
