"""The typed bodies of requests by route, and their JSON schemas."""

from __future__ import annotations

from typing import Any

import msgspec

from cityloop.web import acts_routes, changes_routes, evidence_routes, people_routes, service_acts
from cityloop.wire.calls import CallReport

__all__ = ["BODIES", "body_schemas"]

BODIES: dict[str, type] = {
    "session.open": people_routes.SignInBody,
    "people.add": people_routes.PersonBody,
    "people.change": people_routes.PersonChange,
    "ladder.set": acts_routes.RungBody,
    "holds.place": acts_routes.HoldBody,
    "drill.begin": acts_routes.DrillBody,
    "dispatch.send": service_acts.SendBody,
    "cad.take": CallReport,
    "refuse.replan": service_acts.ReplanBody,
    "changes.ask": changes_routes.ChangeBody,
    "alerts.assign": evidence_routes.AssignBody,
    "alerts.resolve": evidence_routes.NoteBody,
    "alerts.work-order": evidence_routes.NoteBody,
}


def body_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schemas by name, and by route a reference to its body's."""
    kinds = list(dict.fromkeys(BODIES.values()))
    found, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    by_kind = dict(zip(kinds, found, strict=True))
    return components, {name: by_kind[kind] for name, kind in BODIES.items()}
