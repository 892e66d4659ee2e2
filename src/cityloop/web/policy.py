"""Who may do what: the one table that routes, documentation and the test matrix are made from.

A route that is not here does not exist, and a role that is not named may not: deny by default.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ADMIN", "ENGINEER", "OPERATOR", "POLICY", "PUBLIC", "ROLES", "VIEWER", "Rule", "policy_page"]

VIEWER, OPERATOR, ENGINEER, ADMIN = "viewer", "operator", "engineer", "admin"
ROLES = (VIEWER, OPERATOR, ENGINEER, ADMIN)
PUBLIC = "public"
"""Anybody, without a session."""

_ALL = frozenset(ROLES)
_SEES = frozenset({VIEWER, OPERATOR, ENGINEER})
_ACTS = frozenset({OPERATOR, ENGINEER})
_PLANS = frozenset({ENGINEER})
_RUNS = frozenset({ADMIN})
_REVIEWS = frozenset({ENGINEER, ADMIN})
_ANYBODY = frozenset({PUBLIC})


@dataclass(frozen=True, slots=True)
class Rule:
    """One route and who may use it."""

    method: str
    """HTTP method, or ``WS`` for a WebSocket."""
    path: str
    name: str
    roles: frozenset[str]
    summary: str
    act: bool = False
    """Changes something: recorded in the audit log, and limited in rate."""
    district: bool = False
    """Only in districts of one's own."""
    two_people: bool = False
    """Waits for a second person, always or where it is a bulk change."""


_V1 = "/api/v1"
POLICY: tuple[Rule, ...] = (
    Rule("GET", "/healthz", "health.alive", _ANYBODY, "Whether the process lives."),
    Rule("GET", "/readyz", "health.ready", _ANYBODY, "Whether store, API and page answer."),
    Rule("GET", "/", "page.index", _ANYBODY, "The dashboard; holds no data. With ?token= it begins a session."),
    Rule("GET", "/assets/{path:path}", "page.asset", _ANYBODY, "Scripts and styles of the dashboard; hold no data."),
    Rule("POST", f"{_V1}/session", "session.open", _ANYBODY, "Sign in with name and password."),
    Rule("GET", f"{_V1}/session/ways", "session.ways", _ANYBODY, "How one may sign in here."),
    Rule("GET", f"{_V1}/session/oidc", "session.oidc", _ANYBODY, "Sign in through the city's issuer: leads there."),
    Rule("GET", f"{_V1}/session/oidc/return", "session.oidc-return", _ANYBODY, "Where the issuer leads back to."),
    Rule("GET", f"{_V1}/session", "session.read", _ALL, "Who is signed in, and what they may do."),
    Rule("DELETE", f"{_V1}/session", "session.close", _ALL, "Sign out."),
    Rule("GET", "/metrics", "metrics.read", _ALL, "Figures of the server, for Prometheus."),
    Rule("GET", f"{_V1}/openapi.json", "docs.openapi", _ALL, "This API's description."),
    Rule("GET", f"{_V1}/docs", "docs.page", _ALL, "The same as a page that needs no network."),
    Rule("GET", f"{_V1}/policy", "docs.policy", _ALL, "This table."),
    Rule("GET", f"{_V1}/city", "city.read", _SEES, "The city, its clock, its districts and how far to trust it."),
    Rule("GET", f"{_V1}/layout", "city.layout", _SEES, "The city's assets."),
    Rule("GET", f"{_V1}/geometry", "city.geometry", _SEES, "Lines and outlines for a map."),
    Rule("WS", f"{_V1}/live", "live.feed", _SEES, "The live feed: binary frames."),
    Rule("GET", f"{_V1}/events", "live.events", _SEES, "Alerts, decisions and acts as server-sent events."),
    Rule("GET", f"{_V1}/frames", "frames.read", _SEES, "Recorded frames of a span, for the scrubber."),
    Rule("GET", f"{_V1}/frames/span", "frames.span", _SEES, "From when to when there are records."),
    Rule("GET", f"{_V1}/halves", "halves.read", _SEES, "Two controls side by side, and the difference so far."),
    Rule("GET", f"{_V1}/halves/report", "halves.report", _SEES, "The page that compares them, once they are over."),
    Rule("GET", f"{_V1}/emergency", "emergency.read", _SEES, "Calls, units, cover; that it is read is noted."),
    Rule("GET", f"{_V1}/refuse", "refuse.read", _SEES, "Containers, trucks and the plan in force."),
    Rule("POST", f"{_V1}/dispatch", "dispatch.send", _ACTS, "Send another unit than the one recommended.",
         act=True, district=True),
    Rule("POST", f"{_V1}/cad/calls", "cad.take", _ACTS, "Take a call down: EIDO, CAP 1.2 or plain JSON.", act=True),
    Rule("GET", f"{_V1}/cad/calls", "cad.calls", _SEES, "Calls that came in, and what became of each."),
    Rule("GET", f"{_V1}/cad/calls/{{number:int}}", "cad.call", _SEES, "One of them; as an EIDO with ?form=eido."),
    Rule("GET", f"{_V1}/cad/recommendations", "cad.recommendations", _SEES, "Who could go to each open call, and why."),
    Rule("GET", f"{_V1}/refuse/preview", "refuse.preview", _SEES, "What a new plan of the round would change."),
    Rule("POST", f"{_V1}/refuse/plan", "refuse.replan", _ACTS, "Have the proposed plan of the round made.",
         act=True, district=True),
    Rule("GET", f"{_V1}/views/{{domain}}", "views.read", _SEES, "A domain's published columns with their units."),
    Rule("GET", f"{_V1}/sensors", "sensors.list", _SEES, "Sensors, their state and the reason for it."),
    Rule("GET", f"{_V1}/sensors.bin", "sensors.columns", _SEES, "Place, kind and state of every sensor, binary."),
    Rule("GET", f"{_V1}/sensors/health", "sensors.health", _SEES, "How many sensors are in which state."),
    Rule("GET", f"{_V1}/sensors/{{row:int}}", "sensors.read", _SEES, "One sensor, with its history."),
    Rule("GET", f"{_V1}/signals", "signals.list", _SEES, "Every junction's state, plan against applied."),
    Rule("GET", f"{_V1}/signals/{{row:int}}", "signals.read", _SEES, "One junction in full."),
    Rule("GET", f"{_V1}/signals/{{row:int}}/history", "signals.history", _SEES, "Stages, arrivals, queues, cycles."),
    Rule("GET", f"{_V1}/corridor", "signals.corridor", _SEES, "Time-space data along junctions."),
    Rule("GET", f"{_V1}/decisions", "decisions.list", _SEES, "Decisions with reasons, newest first."),
    Rule("GET", f"{_V1}/decisions/calibration", "decisions.calibration", _SEES, "Forecasts against observations."),
    Rule("GET", f"{_V1}/decisions/{{id}}", "decisions.read", _SEES, "One decision in full."),
    Rule("GET", f"{_V1}/case-file", "cases.read", _SEES, "Everything recorded about a place and time, redacted."),
    Rule("GET", f"{_V1}/search", "search.find", _SEES, "Find anything by name."),
    Rule("GET", f"{_V1}/scorecard", "evidence.scorecard", _SEES, "Figures of a window, each with its source."),
    Rule("GET", f"{_V1}/ladder", "ladder.read", _SEES, "Rungs by domain and district."),
    Rule("POST", f"{_V1}/ladder", "ladder.set", _ACTS, "Set a rung: an operator only down to shadow or advise.",
         act=True, district=True, two_people=True),
    Rule("GET", f"{_V1}/holds", "holds.list", _SEES, "Operators' acts, in force and past."),
    Rule("POST", f"{_V1}/holds", "holds.place", _ACTS, "Hold a stage, release to plan, run a manual plan, take advice.",
         act=True, district=True, two_people=True),
    Rule("DELETE", f"{_V1}/holds/{{id}}", "holds.lift", _ACTS, "End an act early.", act=True, district=True),
    Rule("GET", f"{_V1}/drill", "drill.read", _SEES, "How the junctions took the last pull of the plug."),
    Rule("POST", f"{_V1}/drill", "drill.begin", _ACTS, "Pull the brain's plug for a bounded time.", act=True),
    Rule("DELETE", f"{_V1}/drill", "drill.end", _ACTS, "Put the plug back.", act=True),
    Rule("GET", f"{_V1}/changes", "changes.list", _SEES, "Changes that take two people."),
    Rule("POST", f"{_V1}/changes", "changes.ask", _PLANS, "Ask for a change of minimums, conflicts or in bulk.",
         act=True, two_people=True),
    Rule("POST", f"{_V1}/changes/{{id}}/approve", "changes.approve", _ACTS, "Second somebody else's change.", act=True),
    Rule("POST", f"{_V1}/changes/{{id}}/reject", "changes.reject", _ACTS, "Turn a change down.", act=True),
    Rule("GET", f"{_V1}/alerts", "alerts.list", _SEES, "Alerts, grouped."),
    Rule("GET", f"{_V1}/alerts.cap", "alerts.cap", _SEES, "Open alerts as CAP 1.2 in an Atom feed."),
    Rule("POST", f"{_V1}/alerts/{{id}}/acknowledge", "alerts.acknowledge", _ACTS, "Say that it is seen.", act=True),
    Rule("POST", f"{_V1}/alerts/{{id}}/assign", "alerts.assign", _ACTS, "Give it an owner.", act=True),
    Rule("POST", f"{_V1}/alerts/{{id}}/resolve", "alerts.resolve", _ACTS, "Close it with a note.", act=True),
    Rule("POST", f"{_V1}/alerts/{{id}}/work-order", "alerts.work-order", _ACTS, "Make a work order of it.", act=True),
    Rule("GET", f"{_V1}/jobs", "jobs.list", _SEES, "What-if runs."),
    Rule("GET", f"{_V1}/jobs/choices", "jobs.choices", _SEES, "What a what-if may change: controls, stations, plans."),
    Rule("POST", f"{_V1}/jobs", "jobs.start", _PLANS, "Start paired twin runs.", act=True),
    Rule("GET", f"{_V1}/jobs/{{id}}", "jobs.read", _SEES, "Progress or result of one."),
    Rule("DELETE", f"{_V1}/jobs/{{id}}", "jobs.cancel", _PLANS, "Cancel one.", act=True),
    Rule("GET", f"{_V1}/months", "months.list", _SEES, "Certificates and back-tests of the city's own months."),
    Rule("GET", f"{_V1}/months/{{name}}", "months.read", _SEES, "One of them, as a page to print."),
    Rule("GET", f"{_V1}/audit", "audit.list", _REVIEWS, "The audit log, newest first."),
    Rule("GET", f"{_V1}/audit/verify", "audit.verify", _REVIEWS, "Check its chain."),
    Rule("GET", f"{_V1}/users", "people.list", _RUNS, "Accounts."),
    Rule("POST", f"{_V1}/users", "people.add", _RUNS, "Make an account.", act=True),
    Rule("PATCH", f"{_V1}/users/{{name}}", "people.change", _RUNS, "Change roles, districts or password.", act=True),
    Rule("DELETE", f"{_V1}/users/{{name}}", "people.remove", _RUNS, "Take an account away.", act=True),
)  # fmt: skip
"""Every route."""


def policy_page() -> str:
    """Return the table as Markdown."""
    lines = ["| route | " + " | ".join((*ROLES, "what")) + " |", "|---|" + "---|" * (len(ROLES) + 1)]
    for rule in POLICY:
        cells = ["yes" if role in rule.roles or PUBLIC in rule.roles else "" for role in ROLES]
        notes = [rule.summary]
        if PUBLIC in rule.roles:
            notes.append("No session needed.")
        if rule.district:
            notes.append("Own districts only.")
        if rule.two_people:
            notes.append("Two people, always or in bulk.")
        lines.append(f"| `{rule.method} {rule.path}` | {' | '.join(cells)} | {' '.join(notes)} |")
    return "\n".join(lines) + "\n"
