"""A field trial's protocol and outcome as pages to read and to print."""

from __future__ import annotations

from html import escape

from cityloop.studies import sheet
from cityloop.studies.report_parts import table
from cityloop.studies.trial_analysis import Outcome
from cityloop.studies.trial_design import Protocol, digest_of

__all__ = ["outcome_page", "protocol_page"]


def protocol_page(fixed: Protocol) -> str:
    """Return the protocol as a self-contained page."""
    calendar = [
        (one.day, one.district, "ON: the brain" if one.on else "OFF: the city's plan", str(one.pair + 1))
        for one in fixed.assignments
    ]
    body = [
        sheet.section("What is judged", sheet.paragraph(f"{fixed.metric} [{fixed.unit}]; {fixed.better} is better.")),
        _design(fixed),
        sheet.section("Calendar", table("Drawn from the seed", ("day", "district", "control", "pair"), calendar)),
    ]
    return sheet.page(fixed.title, "field trial: protocol", _labels(fixed), "".join(body), f"digest {digest_of(fixed)}")


def outcome_page(fixed: Protocol, found: Outcome) -> str:
    """Return the report as a self-contained page."""
    interval = "-" if found.low is None else f"{found.low:+.3g} to {found.high:+.3g} {fixed.unit}"
    kind = {"better": "better", "worse": "worse"}.get(found.verdict, "same")
    body = [
        sheet.notice("Stop rule: days worse than allowed", found.harm),
        f'<p class="verdict">The brain is: <span class="{kind}">{escape(found.verdict)}</span></p>',
        sheet.cards(
            [
                ("difference, on less off", _figure(found.difference, fixed.unit), f"95 % interval {interval}"),
                ("p, permutation of days", _figure(found.p), f"held against {_figure(found.bound)} at this look"),
                ("pairs", f"{found.pairs} of {found.pairs_planned}", f"{len(found.left_out)} left out, told below"),
                ("power it had", _figure(found.power_had), f"for {fixed.detectable:g} {fixed.unit}, spread as seen"),
            ]
        ),
        sheet.section("What is judged", sheet.paragraph(f"{fixed.metric} [{fixed.unit}]; {fixed.better} is better.")),
        _design(fixed),
        sheet.section(
            "Left out",
            table("Pairs with a day not kept as drawn", ("day",), [(one,) for one in found.left_out], words=1)
            if found.left_out
            else sheet.paragraph("Nothing: every pair that has both its days was kept as drawn."),
        ),
    ]
    foot = f"analysed by the protocol {found.digest}, at look {found.look:g}"
    return sheet.page(fixed.title, "field trial: report", _labels(fixed), "".join(body), foot)


def _design(fixed: Protocol) -> str:
    looks = [
        (f"{share:.0%} of the pairs", f"{bound:.4f}")
        for share, bound in zip(fixed.stop.looks, fixed.stop.critical, strict=True)
    ]
    return sheet.section(
        "Design",
        sheet.paragraph(
            f"{fixed.pairs} pairs of like days in {len(fixed.districts)} district(s), {fixed.days} days "
            f"from {fixed.begin}, drawn with seed {fixed.seed}. Power {fixed.power:.0%} for a difference of "
            f"{fixed.detectable:g} {fixed.unit}, where two like days differ by a spread of "
            f"{fixed.pair_sd:g} {fixed.unit}."
        ),
        table("Looks, and the p that ends the trial there", ("after", "p below"), looks),
        sheet.paragraph(
            f"It ends at once, and goes off, where an on day is worse than the district's worst off day by "
            f"more than {fixed.stop.harm:.0%}. The test flips the signs of the pairs' differences; "
            "the interval is Student's t."
        ),
    )


def _labels(fixed: Protocol) -> list[str]:
    return [f"seed {fixed.seed}", f"{fixed.pairs} pairs", f"{len(fixed.districts)} district(s)"]


def _figure(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:+.3g} {unit}".strip() if unit else f"{value:.4f}"
