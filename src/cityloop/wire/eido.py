"""Incidents as emergency centres exchange them: EIDO in JSON, as far as public documents give it.

Read are what dispatch needs: the incident's name, status, priority and type, where it is, when its call was answered.
All else is left alone, so that what another centre adds breaks nothing. Locations are PIDF-LO by value; one that is
given by reference alone is for a person to place, as nothing here fetches from an address that a message names.

References
----------
.. [1] NENA-STA-021.1b-2022, Emergency Incident Data Object (EIDO): its public JSON schema and samples.
.. [2] RFC 4119, RFC 5491: PIDF-LO, points and circles in WGS 84.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Annotated, Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
from msgspec import Meta

from cityloop.wire.calls import CallReport, CallState, Place, instant_ms, text_of
from cityloop.wire.named import WireError

__all__ = ["EIDO_VERSION", "Assigned", "decode_eido", "encode_eido", "is_eido"]

EIDO_VERSION = "1.0"
_GML = "{http://www.opengis.net/gml}"
_CIVIC = "{urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr}"
_CIVIC_ORDER = ("HNO", "PRD", "RD", "STS", "POD", "LOC", "A3", "PC", "A1", "country")
_MOST_XML = 64_000

_STATES = {
    "closed": CallState.CLOSED,
    "completed": CallState.CLOSED,
    "cancelled": CallState.CANCELLED,
    "canceled": CallState.CANCELLED,
    "merged": CallState.DUPLICATE,
}
"""Status words, without spaces and in lower case; any other leaves a call open: none is lost for a word."""
_WORDS = {
    CallState.OPEN: "Active",
    CallState.CLOSED: "Closed",
    CallState.CANCELLED: "Cancelled",
    CallState.DUPLICATE: "Merged",
}


class _Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Written in the standard's own spelling; unknown keys are left alone."""


class _Ref(msgspec.Struct, frozen=True, kw_only=True):
    ref: str = msgspec.field(name="$ref")


class _Incident(_Camel, frozen=True, kw_only=True):
    identifier: str = msgspec.field(name="$id", default="")
    incident_tracking_identifier: str = ""
    incident_type_internal_code: str = ""
    incident_type_internal_text: str = ""
    incident_type_common_registry_text: str | list[str] = ""
    incident_status_common_registry_text: str | list[str] = ""
    incident_common_priority_number: Annotated[int, Meta(ge=0, le=10)] | None = None
    incident_priority_internal_text: str = ""
    location_reference: list[_Ref] | _Ref | None = None


class _Location(_Camel, frozen=True, kw_only=True):
    identifier: str = msgspec.field(name="$id", default="")
    location_by_value: str = ""
    location_description_text: str = ""


class _Call(_Camel, frozen=True, kw_only=True):
    answer_date: str = ""
    call_start_timestamp: str = ""


class _Note(_Camel, frozen=True, kw_only=True):
    note_text: str = ""
    notes_text: str = ""


class _Merge(_Camel, frozen=True, kw_only=True):
    incident_tracking_identifier: str = ""
    incident_merge_direction_code: str = ""


class _Eido(_Camel, frozen=True, kw_only=True):
    identifier: str = msgspec.field(name="$id")
    issuing_element_identification: str = ""
    sending_system_identifier: str = ""
    incident_component: _Incident | list[_Incident] | None = None
    call_component: list[_Call] = []
    location_component: list[_Location] = []
    notes_component: list[_Note] = []
    merge_component: list[_Merge] = []


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """A unit on a call, or one that is recommended for it."""

    unit: str
    status: str
    """``Recommended``, ``Assigned``, ``EnRoute`` or ``OnScene``."""
    dispatched_at_ms: int | None = None
    on_scene_at_ms: int | None = None


def is_eido(data: bytes) -> bool:
    """Tell whether a JSON text is an EIDO rather than cityloop's own."""
    head = data.lstrip()[:1]
    return head == b"{" and (b'"$id"' in data or b'"eidoVersion"' in data)


def decode_eido(data: bytes) -> CallReport:
    """Return the call that an EIDO is about.

    Raises
    ------
    WireError
        Naming the key and what is wrong with it.
    """
    try:
        found = msgspec.json.decode(data, type=_Eido)
    except msgspec.ValidationError as error:
        raise WireError(f"EIDO: {error}".replace(" - at `$", " at `")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"EIDO: not JSON ({error})") from error
    several = found.incident_component
    parts = several if isinstance(several, list) else [several] if several is not None else []
    if len(parts) > 1:
        raise WireError(f"EIDO: incidentComponent: {len(parts)} incidents; send one a message")
    incident = parts[0] if parts else _Incident()
    name = incident.incident_tracking_identifier or incident.identifier or found.identifier
    if not 1 <= len(name) <= 200:
        raise WireError(f"EIDO: $id: {len(name)} characters; give 1 to 200")
    merged = next((m for m in found.merge_component if m.incident_merge_direction_code.upper() == "REPLACED"), None)
    state = CallState.DUPLICATE if merged is not None else _state(incident.incident_status_common_registry_text)
    answered = next((c.answer_date or c.call_start_timestamp for c in found.call_component), "")
    notes = " ".join(note.note_text or note.notes_text for note in found.notes_component)
    try:
        return CallReport(
            incident=text_of(name),
            sender=text_of(found.issuing_element_identification or found.sending_system_identifier)[:200],
            state=state,
            priority=_own_priority(incident.incident_priority_internal_text),
            common_priority=incident.incident_common_priority_number,
            determinant=text_of(_type_of(incident))[:200],
            place=_place(found, incident),
            received_at_ms=instant_ms(answered, "EIDO: callComponent.answerDate") if answered else None,
            duplicate_of="" if merged is None else text_of(merged.incident_tracking_identifier)[:200],
            note=text_of(notes),
        )
    except ValueError as error:
        raise WireError(f"EIDO: {error}") from error


def encode_eido(report: CallReport, *, issuer: str, now_ms: int, assigned: tuple[Assigned, ...] = ()) -> bytes:
    """Return a call, and who is on it or recommended, as an EIDO; a place in metres of the city's own map as words."""
    stamp, agency = _stamp(now_ms), {"$ref": issuer}
    common = {"lastUpdateTimeStamp": stamp, "updatedByAgencyReference": agency}
    incident: dict[str, Any] = {
        "$id": f"{report.incident}#incident",
        **common,
        "incidentTrackingIdentifier": report.incident,
        "incidentTypeCommonRegistryText": "Medical",
        "incidentStatusCommonRegistryText": [_WORDS[report.state]],
        "locationReference": [{"$ref": f"{report.incident}#place"}],
    }
    if report.determinant:
        incident["incidentTypeInternalCode"] = report.determinant
    if report.priority is not None:
        incident["incidentPriorityInternalText"] = str(report.priority)
    if report.common_priority is not None:
        incident["incidentCommonPriorityNumber"] = report.common_priority
    location = {
        "$id": f"{report.incident}#place",
        **common,
        "locationTypeDescriptionRegistryText": "CurrentIncident",
        "locationByValue": _pidf(report),
    }
    found: dict[str, Any] = {
        "$id": report.incident,
        "eidoVersion": EIDO_VERSION,
        **common,
        "issuingElementIdentification": report.sender or issuer,
        "agencyComponent": [{"$id": issuer, **common, "agencyRoleDescriptionRegistryText": ["Dispatching"]}],
        "incidentComponent": incident,
        "locationComponent": [location],
    }
    if report.received_at_ms is not None:
        found["callComponent"] = [{
            "$id": f"{report.incident}#call", **common, "callStateRegistryText": "callAnswered",
            "direction": "incoming", "standardPrimaryCallType": "emergency",
            "callStartTimestamp": _stamp(report.received_at_ms), "answerDate": _stamp(report.received_at_ms),
        }]  # fmt: skip
    if report.note:
        found["notesComponent"] = [{"$id": f"{report.incident}#note", **common, "noteText": report.note}]
    if report.state is CallState.DUPLICATE:
        found["mergeComponent"] = [{
            "$id": f"{report.incident}#merge", **common, "incidentTrackingIdentifier": report.duplicate_of,
            "incidentMergeDirectionCode": "REPLACED",
        }]  # fmt: skip
    found |= _resources(report, common, assigned)
    return msgspec.json.encode(found)


def _resources(report: CallReport, common: dict[str, Any], assigned: tuple[Assigned, ...]) -> dict[str, Any]:
    if not assigned:
        return {}
    units = [
        {
            "$id": f"{report.incident}#{one.unit}",
            **common,
            "emergencyResourceName": one.unit,
            "primaryUnitStatusRegistryText": one.status,
        }
        for one in assigned
    ]
    sent = []
    for one in assigned:
        if one.dispatched_at_ms is None:
            continue
        item = {
            "$id": f"{report.incident}#{one.unit}.dispatch",
            **common,
            "dispatchTimestamp": _stamp(one.dispatched_at_ms),
            "emergencyResourceReference": [{"$ref": f"{report.incident}#{one.unit}"}],
        }
        if one.on_scene_at_ms is not None:
            item["onSceneTimestamp"] = _stamp(one.on_scene_at_ms)
        sent.append(item)
    return {"emergencyResourceComponent": units, **({"dispatchComponent": sent} if sent else {})}


def _own_priority(text: str) -> int | None:
    """Return the service's own priority where it is a number; any other words are for a person."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else None


def _state(words: str | list[str]) -> CallState:
    for word in [words] if isinstance(words, str) else words:
        state = _STATES.get(word.replace(" ", "").casefold())
        if state is not None:
            return state
    return CallState.OPEN


def _type_of(incident: _Incident) -> str:
    common = incident.incident_type_common_registry_text
    words = common if isinstance(common, str) else " ".join(common)
    return incident.incident_type_internal_code or incident.incident_type_internal_text or words


def _place(found: _Eido, incident: _Incident) -> Place:
    asked = incident.location_reference
    refs = asked if isinstance(asked, list) else [asked] if asked is not None else []
    wanted = {one.ref.removeprefix("#") for one in refs}
    ordered = sorted(found.location_component, key=lambda one: one.identifier not in wanted)
    words = next((one.location_description_text for one in ordered if one.location_description_text), "")
    for one in ordered:
        if not one.location_by_value:
            continue
        place = _of_pidf(one.location_by_value)
        if place.known:
            return place
        words = words or place.words
    return Place(words=text_of(words))


def _of_pidf(text: str) -> Place:
    """Return the place of a PIDF-LO: the first point, else the civic address as words."""
    where = "EIDO: locationByValue"
    if len(text) > _MOST_XML or "<!" in text.replace("<!--", ""):
        raise WireError(f"{where}: must be PIDF-LO of at most {_MOST_XML} characters, without a document type")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise WireError(f"{where}: not XML ({error})") from error
    civic = {element.tag.removeprefix(_CIVIC): (element.text or "").strip() for element in root.iter()}
    words = text_of(", ".join(civic[key] for key in _CIVIC_ORDER if civic.get(key)))
    for shape in root.iter():
        position = shape.find(f"{_GML}pos")
        if position is None:
            continue
        system = shape.get("srsName", "urn:ogc:def:crs:EPSG::4326")
        if not system.rstrip("/").endswith(("4326", "4979")):
            raise WireError(f"{where}: srsName {system!r:.60}; give EPSG 4326")
        lat_deg, lon_deg = _degrees(position.text or "", f"{where}: gml:pos")
        return Place(lat_deg=lat_deg, lon_deg=lon_deg, words=words)
    return Place(words=words)


def _degrees(text: str, where: str) -> tuple[float, float]:
    try:
        lat_deg, lon_deg = (float(part) for part in text.split()[:2])
    except ValueError as error:
        raise WireError(f"{where} {text!r:.60}; give latitude and longitude in degrees") from error
    if not (-90 <= lat_deg <= 90 and -180 <= lon_deg <= 180):
        raise WireError(f"{where} {text!r:.60}; give latitude of -90 to 90 and longitude of -180 to 180 degrees")
    return lat_deg, lon_deg


def _pidf(report: CallReport) -> str:
    place = report.place
    words = place.words if place.x_m is None else f"{place.words} ({place.x_m!r} m, {place.y_m!r} m on the city's map)"
    shape = ""
    if place.lat_deg is not None:
        shape = (
            '<gml:Point xmlns:gml="http://www.opengis.net/gml" srsName="urn:ogc:def:crs:EPSG::4326">'
            f"<gml:pos>{place.lat_deg!r} {place.lon_deg!r}</gml:pos></gml:Point>"
        )
    civic = f"<LOC>{escape(text_of(words.strip()))}</LOC>" if words.strip() else ""
    return (
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity={quoteattr("pres:" + text_of(report.incident))}>'
        '<dm:device xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" id="incident">'
        '<gp:geopriv xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"><gp:location-info>'
        f'{shape}<civicAddress xmlns="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr">{civic}</civicAddress>'
        "</gp:location-info><gp:usage-rules/></gp:geopriv></dm:device></presence>"
    )


def _stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
