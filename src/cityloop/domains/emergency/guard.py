"""The guard: small and pure. Policies propose, this disposes, for every policy alike.

Rules, in order; crews' rules are those of ``crew.py``:

1. ``UNKNOWN_TARGET``: the unit, call and site exist.
2. ``PATIENT_ABOARD``: who attends or carries a patient is not sent elsewhere; the system only advises there.
3. ``ON_BREAK``: a meal under way is not broken.
4. ``POSITION_LOST``: nobody is sent on a position older than ten minutes; a person asks by radio first.
5. ``CALL_TAKEN``, ``NOT_CAPABLE``: the call still waits, and the unit can do what it needs.
6. ``LOWER_PRIORITY``, ``DIVERTED_ALREADY``: a unit under way leaves its call only for a higher one, and only once.
7. ``END_OF_SHIFT``: nothing but high priority in the last minutes of a shift, unless it is under way already.
8. ``SITE_CLOSED``, ``KERB_AT_NIGHT``, ``KERB_TOO_LONG``: where a unit may stand.
9. ``NO_REST_FACILITY``: a meal is taken standing at one.
10. ``NO_PATIENT``: where to take a patient is advised only to who is on the way with one, and only hospitals are;
    ``SITE_CLOSED``: no closed one while another is open.
"""

from __future__ import annotations

from cityloop.domains.emergency.crew import is_night
from cityloop.domains.emergency.schema import Advise, Move, Rule, Send, SiteKind, TakeBreak, UnitStatus
from cityloop.domains.emergency.state import HIGH, EmergencyState
from cityloop.kernel.messages import Allowed, Proposal, Refused, Verdict

__all__ = ["LOST_MS", "check"]

LOST_MS = 600_000
"""A position older than this is no position. [ms]"""

_WITH_PATIENT = (UnitStatus.ON_SCENE, UnitStatus.TRANSPORTING, UnitStatus.AT_HOSPITAL)
_UNDER_WAY = (UnitStatus.TURNING_OUT, UnitStatus.EN_ROUTE)


def check(proposal: Proposal, state: EmergencyState, now_ms: int) -> Verdict:
    """Judge one proposal against what is known of its unit, call and site."""
    units, u = state.units, proposal.target
    if not 0 <= u < len(units.status):
        return Refused(Rule.UNKNOWN_TARGET)
    status = int(units.status[u])
    if isinstance(proposal.action, Advise):
        rule = _advise(state, u, proposal.action.site, now_ms)
        return Allowed(proposal.action) if rule is None else Refused(rule)
    if status in _WITH_PATIENT:
        return Refused(Rule.PATIENT_ABOARD)
    if status == UnitStatus.ON_BREAK:
        return Refused(Rule.ON_BREAK)
    if now_ms - int(units.seen_at_ms[u]) > LOST_MS:
        return Refused(Rule.POSITION_LOST)
    match proposal.action:
        case Send(call=call):
            rule = _send(state, u, call, now_ms)
        case Move(site=site):
            rule = _move(state, u, site, now_ms)
        case TakeBreak():
            at = int(units.site[u])
            rested = status == UnitStatus.STANDING and at >= 0 and state.sites.kind[at] != SiteKind.KERB
            rule = None if rested else Rule.NO_REST_FACILITY
        case _:
            rule = Rule.UNKNOWN_TARGET
    return Allowed(proposal.action) if rule is None else Refused(rule)


def _advise(state: EmergencyState, u: int, site: int, now_ms: int) -> Rule | None:
    kinds = state.sites.kind
    if not 0 <= site < len(kinds):
        return Rule.UNKNOWN_TARGET
    if state.units.status[u] != UnitStatus.TRANSPORTING or kinds[site] != SiteKind.HOSPITAL:
        return Rule.NO_PATIENT
    if not state.sites.is_open[site] and state.sites.is_open[kinds == SiteKind.HOSPITAL].any():
        return Rule.SITE_CLOSED
    return Rule.POSITION_LOST if now_ms - int(state.units.seen_at_ms[u]) > LOST_MS else None


def _send(state: EmergencyState, u: int, call: int, now_ms: int) -> Rule | None:
    units, calls = state.units, state.calls
    row = _find(state, call)
    if row < 0:
        return Rule.CALL_TAKEN
    if int(units.capability[u]) & int(calls.needs[row]) != int(calls.needs[row]):
        return Rule.NOT_CAPABLE
    priority, serving = int(calls.priority[row]), int(units.call[u])
    if serving == call:
        return None
    if serving >= 0 and int(units.status[u]) in _UNDER_WAY:
        theirs = _find(state, serving)
        if theirs < 0 or int(calls.priority[theirs]) <= priority:
            return Rule.LOWER_PRIORITY
        if units.diverted[u]:
            return Rule.DIVERTED_ALREADY
    late = int(units.shift_end_ms[u]) - now_ms <= state.rules.protect_min * 60_000
    return Rule.END_OF_SHIFT if late and priority > HIGH and serving < 0 else None


def _move(state: EmergencyState, u: int, site: int, now_ms: int) -> Rule | None:
    units, sites, rules = state.units, state.sites, state.rules
    if not 0 <= site < len(sites.kind):
        return Rule.UNKNOWN_TARGET
    if not sites.is_open[site]:
        return Rule.SITE_CLOSED
    if sites.kind[site] != SiteKind.KERB:
        return None
    if is_night(rules, now_ms):
        return Rule.KERB_AT_NIGHT
    used_ms = int(units.kerb_used_ms[u])
    if units.status[u] == UnitStatus.STANDING and units.site[u] >= 0:
        stood_ms = now_ms - int(units.since_ms[u])
        if sites.kind[units.site[u]] == SiteKind.KERB:
            used_ms += stood_ms
        elif stood_ms >= rules.rest_least_min * 60_000:
            used_ms = 0
    return Rule.KERB_TOO_LONG if used_ms >= (rules.kerb_most_min - rules.kerb_margin_min) * 60_000 else None


def _find(state: EmergencyState, call: int) -> int:
    found = (state.calls.call == call).nonzero()[0]
    return int(found[0]) if len(found) else -1
