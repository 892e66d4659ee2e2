"""Codes as words: a domain declares its reasons and rules once, with a sentence each; here they are read."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from functools import cache
from itertools import pairwise
from pathlib import Path

from cityloop.kernel.ladder import OPERATOR_REASONS, GateRule, gate_rule_of

__all__ = ["RECEIPTS", "reason_words", "rule_words"]

RECEIPTS = ("ACCEPTED", "PENDING", "REFUSED", "STALE", "EXPIRED")

_SOURCES = {
    ("signals", "UNKNOWN_STAGE"): "RiLSA 2015, 2.3",
    ("signals", "NOT_SERVICE"): "RiLSA 2015, 2.3",
    ("signals", "CONFLICT"): "NEMA TS 2-2021, 4",
    ("signals", "MINIMUM_GREEN"): "RiLSA 2015, 2.7.3; MUTCD 2023, 4I.06",
    ("signals", "INTERGREEN"): "RiLSA 2015, 2.5",
    ("signals", "MAXIMUM_RED"): "our bound of 120 s; RiLSA 2015, 2.7.4",
}
_GATES = {
    GateRule.SHADOW: "Shadow: decided, not acted on.",
    GateRule.ADVISE: "Advice: acts when a person accepts it.",
    GateRule.RELEASED: "An operator gave the junction back to its own plan.",
}


def reason_words(domain: str, code: int) -> dict[str, object]:
    """Return a policy's reason in words."""
    unknown = ("BY_HAND", "A person asked for it.") if code in OPERATOR_REASONS else None
    name, text = _members(domain, "Reason").get(code, unknown or (f"REASON_{code}", f"Reason {code} of {domain}."))
    return {"code": name, "text": text}


def rule_words(domain: str, rule: int) -> dict[str, object]:
    """Return the rule that trimmed or refused, in words, with its source."""
    gate, guard = gate_rule_of(rule)
    if gate is not None:
        told: dict[str, object] = {"code": gate.name, "text": _GATES[gate], "source": "the ladder"}
        if guard:
            told["guard"] = rule_words(domain, guard)
        return told
    name, text = _members(domain, "Rule").get(rule, (f"RULE_{rule}", f"Rule {rule} of {domain}."))
    return {"code": name, "text": text, "source": _SOURCES.get((domain, name), f"guard of {domain}")}


@cache
def _members(domain: str, enumeration: str) -> dict[int, tuple[str, str]]:
    """Read an enumeration's members with the sentence below each, from the domain's schema."""
    spec = importlib.util.find_spec(f"cityloop.domains.{domain}.schema") if domain.isidentifier() else None
    if spec is None or spec.origin is None:
        return {}
    schema = importlib.import_module(spec.name)
    values = getattr(schema, enumeration, None)
    if values is None:
        return {}
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == enumeration), [])
    texts: dict[str, str] = {}
    for here, after in pairwise(body):
        if isinstance(here, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            target = here.targets[0]
            if isinstance(target, ast.Name):
                texts[target.id] = " ".join(str(after.value.value).split())
    plain = {member.name: member.name.replace("_", " ").capitalize() + "." for member in values}
    return {int(member): (member.name, texts.get(member.name, plain[member.name])) for member in values}
