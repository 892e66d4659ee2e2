"""Calls as others write them: a centre's EIDO, an alert of CAP, and what is wrong with a bad one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cityloop.wire.calls import CallState, Place, decode_call
from cityloop.wire.cap_alert import call_of_cap, decode_cap
from cityloop.wire.eido import decode_eido, is_eido
from cityloop.wire.named import WireError

POINT = (
    '<presence xmlns="urn:ietf:params:xml:ns:pidf"><gml:Point xmlns:gml="http://www.opengis.net/gml" '
    'srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>52.43 13.53</gml:pos></gml:Point></presence>'
)
CIVIC = (
    '<presence xmlns="urn:ietf:params:xml:ns:pidf">'
    '<civicAddress xmlns="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr">'
    "<country>DE</country><A3>Berlin</A3><RD>Rudower Chaussee</RD><HNO>17</HNO></civicAddress></presence>"
)


def eido(**changed: Any) -> bytes:
    """Return an incident as another centre sends it, with much that is of no concern here."""
    incident = {
        "$id": "urn:emergency:uid:incidentid:a1:esrp.example",
        "incidentTypeCommonRegistryText": "Medical",
        "incidentTypeInternalCode": "10-D-1",
        "incidentStatusCommonRegistryText": ["Active"],
        "incidentCommonPriorityNumber": 9,
        "incidentPriorityInternalText": "1",
        "locationReference": [{"$ref": "#scene"}],
        "dispositionComponent": [{"x": 1}],
    }
    value = {
        "$id": "urn:emergency:uid:incidentid:a1:esrp.example",
        "eidoVersion": "1.0",
        "issuingElementIdentification": "psap.example",
        "incidentComponent": incident | changed.pop("incident", {}),
        "callComponent": [{"$id": "c", "answerDate": "2026-01-01T00:00:00.5Z", "direction": "incoming"}],
        "locationComponent": [{"$id": "caller", "locationByValue": CIVIC}, {"$id": "scene", "locationByValue": POINT}],
        "vehicleComponent": [{"plate": "B-XY 1"}],
    }
    return json.dumps(value | changed).encode()


def test_another_centres_incident_is_taken_down() -> None:
    """Its name, priority as triaged, type, the place that the incident refers to, and when its call was answered."""
    call = decode_eido(eido())
    assert is_eido(eido())
    assert call.incident.endswith("esrp.example")
    assert (call.priority, call.common_priority, call.determinant) == (1, 9, "10-D-1")
    assert call.place == Place(lat_deg=52.43, lon_deg=13.53)
    assert call.received_at_ms == 1_767_225_600_500
    assert call.state is CallState.OPEN


def test_an_address_alone_is_kept_in_words() -> None:
    """For a person to place."""
    place = decode_eido(eido(locationComponent=[{"$id": "scene", "locationByValue": CIVIC}])).place
    assert not place.known
    assert place.words == "17, Rudower Chaussee, Berlin, DE"


@pytest.mark.parametrize(
    ("words", "state"),
    [("Closed", CallState.CLOSED), ("Cancelled", CallState.CANCELLED), ("Whatever next", CallState.OPEN)],
)
def test_only_a_known_word_ends_a_call(words: str, state: CallState) -> None:
    """A status that nobody knows loses no call."""
    assert decode_eido(eido(incident={"incidentStatusCommonRegistryText": [words]})).state is state


def test_a_merged_incident_names_the_one_that_goes_on() -> None:
    """So that its unit is not sent twice."""
    merged = [{"$id": "m", "incidentTrackingIdentifier": "a2", "incidentMergeDirectionCode": "REPLACED"}]
    call = decode_eido(eido(mergeComponent=merged))
    assert (call.state, call.duplicate_of) == (CallState.DUPLICATE, "a2")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not JSON"),
        (eido(incident={"incidentCommonPriorityNumber": 11}), "<= 10"),
        (eido(incidentComponent=[{}, {}]), "2 incidents"),
        (eido(locationComponent=[{"locationByValue": "<a"}]), "not XML"),
        (eido(locationComponent=[{"locationByValue": "<!DOCTYPE a><a/>"}]), "without a document type"),
        (eido(locationComponent=[{"locationByValue": POINT.replace("52.43", "152")}]), "-90 to 90"),
        (eido(locationComponent=[{"locationByValue": POINT.replace("4326", "25833")}]), "EPSG 4326"),
        (eido(callComponent=[{"answerDate": "2026-01-01T00:00:00"}]), "does not say its offset"),
    ],
)
def test_a_bad_incident_is_refused_by_its_key(data: bytes, said: str) -> None:
    """In one line."""
    with pytest.raises(WireError, match=said):
        decode_eido(data)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "incident"),
        ({"incident": "7", "priority": "high"}, "priority"),
        ({"incident": "7", "place": {"lat_deg": 52.4}}, "go together"),
        ({"incident": "7", "place": {"lat_deg": 1, "lon_deg": 1, "x_m": 1, "y_m": 1}}, "not both"),
        ({"incident": "7", "colour": "red"}, "colour"),
    ],
)
def test_a_bad_call_is_refused_by_its_key(body: dict[str, Any], said: str) -> None:
    """In one line."""
    with pytest.raises(WireError, match=said):
        decode_call(json.dumps(body).encode())


ALERT = """<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
<identifier>alarm.7</identifier><sender>alarms@example.org</sender><sent>2026-01-01T01:00:00+01:00</sent>
<status>Actual</status><msgType>Alert</msgType><scope>Private</scope><info><category>Health</category>
<event>Fall detected</event><urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>
<parameter><valueName>priority</valueName><value>2</value></parameter>
<area><areaDesc>Third floor</areaDesc><circle>52.43,13.53 0.01</circle></area></info></alert>"""


def test_an_alert_is_taken_for_a_call_with_the_priority_that_it_names() -> None:
    """Its urgency is no triage."""
    call = call_of_cap(decode_cap(ALERT.encode()))
    assert call is not None
    assert (call.incident, call.priority, call.determinant) == ("alarm.7", 2, "Fall detected")
    assert call.place == Place(lat_deg=52.43, lon_deg=13.53, words="Third floor")
    plain = call_of_cap(decode_cap(ALERT.replace("priority", "colour").encode()))
    assert plain is not None
    assert plain.priority is None


def test_a_cancel_is_about_the_first_message() -> None:
    """Whatever its own name."""
    text = ALERT.replace(">Alert<", ">Cancel<").replace("alarm.7", "alarm.8")
    text = text.replace("<info>", "<references>a@b,alarm.7,2026-01-01T01:00:00+01:00</references><info>")
    call = call_of_cap(decode_cap(text.encode()))
    assert call is not None
    assert (call.incident, call.state) == ("alarm.7", CallState.CANCELLED)


def test_the_middle_of_a_polygon_stands_for_it() -> None:
    """Where an alert draws no circle."""
    text = ALERT.replace("<circle>52.43,13.53 0.01</circle>", "<polygon>52,13 52,14 53,14 53,13</polygon>")
    circle = decode_cap(text.encode()).circle
    assert circle is not None
    assert (circle.lat_deg, circle.lon_deg) == (52.5, 13.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cap:1.2", "cap:1.1", "no alert of CAP 1.2"),
        ("<identifier>alarm.7</identifier>", "", "identifier is missing"),
        (">Actual<", ">Real<", "status 'Real'"),
        (">Health<", ">Sport<", "category 'Sport'"),
        ("alarm.7", "alarm 7", "without space"),
        ("52.43,13.53", "152.43,13.53", "degrees"),
        ("+01:00", "", "does not say its offset"),
        ("<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml", "document type"),
    ],
)
def test_a_bad_alert_is_refused_by_its_element(old: str, new: str, said: str) -> None:
    """In one line."""
    with pytest.raises(WireError, match=said):
        decode_cap(ALERT.replace(old, new).encode())
