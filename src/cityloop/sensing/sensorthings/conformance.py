"""The service root: sets, and the requirement classes that are met (18-088, 9.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cityloop.wire.sensorthings.model import SETS

__all__ = ["CONFORMANCE", "service_document"]

_SPEC = "http://www.opengis.net/spec/iot_sensing/1.1/req"
_CREATE_MQTT = f"{_SPEC}/create-observations-via-mqtt/observations-creation"
_RECEIVE_MQTT = f"{_SPEC}/receive-updates-via-mqtt/receive-updates"

_HTTP = (
    "datamodel",
    *(
        f"datamodel/{entity}/{part}"
        for entity in (
            "thing",
            "location",
            "historical-location",
            "datastream",
            "sensor",
            "observed-property",
            "observation",
            "feature-of-interest",
        )
        for part in ("properties", "relations")
    ),
    "datamodel/entity-control-information/common-control-information",
    "resource-path/resource-path-to-entities",
    "request-data",
    *(
        f"request-data/{option}"
        for option in (
            "order",
            "expand",
            "select",
            "status-code",
            "query-status-code",
            "orderby",
            "top",
            "skip",
            "count",
            "filter",
            "built-in-filter-operations",
            "built-in-query-functions",
            "pagination",
        )
    ),
    *(
        f"create-update-delete/{ability}"
        for ability in (
            "create-entity",
            "link-to-existing-entities",
            "deep-insert",
            "deep-insert-status-code",
            "update-entity",
            "update-entity-put",
            "update-entity-jsonpatch",
            "delete-entity",
            "historical-location-auto-creation",
            "historical-location-manual-creation",
        )
    ),
    "batch-request/batch-request",
    "multi-datastream",
    "multi-datastream/properties",
    "multi-datastream/relations",
    "multi-datastream/constraints",
    "data-array/data-array",
)
CONFORMANCE = tuple(f"{_SPEC}/{one}" for one in _HTTP)
"""Requirements met over HTTP; docs/sensorthings.md tells how each is tested."""


def service_document(base: str, mqtt_endpoints: Sequence[str]) -> dict[str, Any]:
    """Return the service root."""
    conformance = list(CONFORMANCE)
    settings: dict[str, Any] = {"conformance": conformance}
    if mqtt_endpoints:
        for requirement in (_CREATE_MQTT, _RECEIVE_MQTT):
            conformance.append(requirement)
            settings[requirement] = {"endpoints": list(mqtt_endpoints)}
    return {
        "value": [{"name": name, "url": f"{base}/{name}"} for name in SETS],
        "serverSettings": settings,
    }
