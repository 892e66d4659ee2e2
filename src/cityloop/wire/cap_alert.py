"""Messages of the Common Alerting Protocol 1.2 as others send them: read, checked, and taken for calls.

An alert tells what happened and where, and hardly ever how urgent a dispatch is: urgency and severity are no triage.
So a call made of one has a priority only where the sender gives it as a parameter; else a person gives it one.

References
----------
.. [1] OASIS (2010). Common Alerting Protocol Version 1.2, section 3.2: elements and their values.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any, Literal, get_args
from xml.sax.saxutils import escape

import msgspec

from cityloop.wire.calls import CallReport, CallState, Place, instant_ms, text_of
from cityloop.wire.named import WireError

__all__ = ["CapAlert", "CapCircle", "call_of_cap", "decode_cap", "encode_cap", "is_cap"]

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
Kind = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
Scope = Literal["Public", "Restricted", "Private"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]

_SPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_MOST_BYTES = 256 * 1024
_CATEGORIES = frozenset(
    ("Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other")
)
_NO_NAME = (" ", ",", "<", "&")
"""What identifier and sender must not hold."""


class CapCircle(msgspec.Struct, frozen=True, kw_only=True):
    """Where: a point and how far about it."""

    lat_deg: float
    lon_deg: float
    radius_km: float = 0.0


class CapAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, its first info and area."""

    identifier: str
    sender: str
    sent_at_ms: int
    status: Status
    kind: Kind
    scope: Scope
    references: tuple[str, ...] = ()
    """Identifiers of the earlier messages that it is about."""
    categories: tuple[str, ...] = ()
    event: str = ""
    urgency: Urgency = "Unknown"
    severity: Severity = "Unknown"
    certainty: Certainty = "Unknown"
    headline: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    area: str = ""
    circle: CapCircle | None = None


def is_cap(data: bytes) -> bool:
    """Tell whether a text looks like XML."""
    return data.lstrip()[:1] == b"<"


def decode_cap(data: bytes) -> CapAlert:
    """Return an alert.

    Raises
    ------
    WireError
        Naming the element and what is wrong with it.
    """
    if len(data) > _MOST_BYTES:
        raise WireError(f"CAP: {len(data)} bytes; send at most {_MOST_BYTES}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"CAP: not UTF-8 ({error})") from error
    # A document type could name files and swell without bound; CAP has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise WireError("CAP: it holds a document type; send it without")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise WireError(f"CAP: not XML ({error})") from error
    if root.tag != f"{{{_SPACE}}}alert":
        raise WireError(f"CAP: {root.tag!r:.80} is no alert of CAP 1.2; its namespace is {_SPACE}")
    info = root.find(f"{{{_SPACE}}}info")
    area = None if info is None else info.find(f"{{{_SPACE}}}area")
    kind = _one_of(_text(root, "msgType"), Kind, "msgType")
    if info is None and kind in ("Alert", "Update"):
        raise WireError(f"CAP: info is missing; a message of type {kind} needs one")
    categories = () if info is None else tuple(one.text or "" for one in info.findall(f"{{{_SPACE}}}category"))
    strange = next((one for one in categories if one not in _CATEGORIES), None)
    if strange is not None:
        raise WireError(f"CAP: category {strange!r:.60}; give one of {', '.join(sorted(_CATEGORIES))}")
    references = tuple(one.split(",")[1] for one in _text(root, "references", "").split() if one.count(",") >= 2)
    return CapAlert(
        identifier=_name(_text(root, "identifier"), "identifier"),
        sender=_name(_text(root, "sender"), "sender"),
        sent_at_ms=instant_ms(_text(root, "sent"), "CAP: sent"),
        status=_one_of(_text(root, "status"), Status, "status"),
        kind=kind,
        scope=_one_of(_text(root, "scope"), Scope, "scope"),
        references=references,
        categories=categories,
        event=text_of(_text(info, "event", "")),
        urgency=_one_of(_text(info, "urgency", "Unknown"), Urgency, "urgency"),
        severity=_one_of(_text(info, "severity", "Unknown"), Severity, "severity"),
        certainty=_one_of(_text(info, "certainty", "Unknown"), Certainty, "certainty"),
        headline=text_of(_text(info, "headline", "")),
        parameters=_parameters(info),
        area=text_of(_text(area, "areaDesc", "")),
        circle=_circle(area),
    )


def encode_cap(alert: CapAlert, sent: str) -> str:
    """Return an alert as XML.

    Parameters
    ----------
    sent
        The instant, written as CAP asks for it, and as ``decode_cap`` reads it.
    """
    refers = " ".join(f"{alert.sender},{one},{sent}" for one in alert.references)
    parameters = "".join(
        f"<parameter><valueName>{escape(name)}</valueName><value>{escape(value)}</value></parameter>"
        for name, value in alert.parameters
    )
    circle = ""
    if alert.circle is not None:
        c = alert.circle
        circle = f"<circle>{c.lat_deg!r},{c.lon_deg!r} {c.radius_km!r}</circle>"
    area = f"<area><areaDesc>{escape(alert.area)}</areaDesc>{circle}</area>" if alert.area or circle else ""
    info = (
        "<info>"
        + "".join(f"<category>{one}</category>" for one in alert.categories)
        + f"<event>{escape(alert.event)}</event><urgency>{alert.urgency}</urgency>"
        f"<severity>{alert.severity}</severity><certainty>{alert.certainty}</certainty>"
        f"<headline>{escape(alert.headline)}</headline>{parameters}{area}</info>"
    )
    return (
        f"<alert xmlns='{_SPACE}'><identifier>{escape(alert.identifier)}</identifier>"
        f"<sender>{escape(alert.sender)}</sender><sent>{sent}</sent><status>{alert.status}</status>"
        f"<msgType>{alert.kind}</msgType><scope>{alert.scope}</scope>"
        + (f"<references>{escape(refers)}</references>" if refers else "")
        + f"{info}</alert>"
    )


def call_of_cap(alert: CapAlert) -> CallReport | None:
    """Return the call that an alert tells of; None for an exercise, a test, and what only acknowledges another.

    An update and a cancel are about the first message that they refer to.
    """
    if alert.status != "Actual" or alert.kind in ("Ack", "Error"):
        return None
    told = dict(alert.parameters)
    priority = told.get("priority", "")
    circle = alert.circle
    known = Place(words=alert.area)
    if circle is not None:
        known = Place(lat_deg=circle.lat_deg, lon_deg=circle.lon_deg, words=alert.area)
    return CallReport(
        incident=alert.references[0] if alert.references else alert.identifier,
        sender=alert.sender,
        state=CallState.CANCELLED if alert.kind == "Cancel" else CallState.OPEN,
        priority=int(priority) if priority.isascii() and priority.isdigit() and len(priority) <= 2 else None,
        determinant=text_of(told.get("determinant", alert.event))[:200],
        place=known,
        received_at_ms=alert.sent_at_ms,
        note=alert.headline,
    )


def _text(element: ET.Element | None, tag: str, usual: str | None = None) -> str:
    found = None if element is None else element.find(f"{{{_SPACE}}}{tag}")
    text = "" if found is None else (found.text or "").strip()
    if text:
        return text
    if usual is None:
        raise WireError(f"CAP: {tag} is missing")
    return usual


def _name(text: str, tag: str) -> str:
    if len(text) > 200 or any(sign in text for sign in _NO_NAME):
        raise WireError(f"CAP: {tag} {text!r:.60}: give at most 200 characters, without space, comma, < and &")
    return text_of(text)


def _one_of(text: str, words: object, tag: str) -> Any:
    allowed = get_args(words)
    if text not in allowed:
        raise WireError(f"CAP: {tag} {text!r:.60}; give one of {', '.join(allowed)}")
    return text


def _parameters(info: ET.Element | None) -> tuple[tuple[str, str], ...]:
    if info is None:
        return ()
    return tuple(
        (text_of(_text(one, "valueName", "")), text_of(_text(one, "value", "")))
        for one in info.findall(f"{{{_SPACE}}}parameter")
    )


def _circle(area: ET.Element | None) -> CapCircle | None:
    text = _text(area, "circle", "")
    if not text:
        return _middle(_text(area, "polygon", ""))
    try:
        point, _, radius = text.partition(" ")
        lat, _, lon = point.partition(",")
        return _checked(float(lat), float(lon), float(radius or 0.0), "circle", text)
    except ValueError as error:
        raise WireError(f"CAP: circle {text!r:.60}: write it as latitude,longitude and a radius in km") from error


def _middle(polygon: str) -> CapCircle | None:
    """Return the middle of a polygon's corners."""
    if not polygon:
        return None
    try:
        corners = [tuple(float(part) for part in one.split(",")) for one in polygon.split()]
        lats, lons = [one[0] for one in corners], [one[1] for one in corners]
    except (ValueError, IndexError) as error:
        raise WireError(f"CAP: polygon {polygon!r:.60}: write corners as latitude,longitude") from error
    return _checked(sum(lats) / len(lats), sum(lons) / len(lons), 0.0, "polygon", polygon)


def _checked(lat_deg: float, lon_deg: float, radius_km: float, tag: str, text: str) -> CapCircle:
    if not (-90 <= lat_deg <= 90 and -180 <= lon_deg <= 180 and 0 <= radius_km <= 20_040):
        raise WireError(
            f"CAP: {tag} {text!r:.60}: give degrees of latitude and longitude, and a radius of 0 km or more"
        )
    return CapCircle(lat_deg=lat_deg, lon_deg=lon_deg, radius_km=radius_km)
