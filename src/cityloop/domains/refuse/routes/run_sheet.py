"""Run sheets to print: one page a truck, a line a visit, with room for what the crew has to say."""

from __future__ import annotations

from html import escape

from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, VisitKind

__all__ = ["run_sheets"]

_STYLE = (
    "body{font:11pt sans-serif;margin:1.5cm}h1{font-size:15pt;margin:0}p{margin:.3em 0}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #555;padding:2px 6px;text-align:left}"
    "td.n{text-align:right}tr{break-inside:avoid}thead{display:table-header-group}"
    "section{break-after:page}section:last-child{break-after:auto}"
)
_HEAD = "<tr><th>#</th><th>At</th><th>What</th><th>Where</th><th>m³</th><th>kg</th><th>Done / code</th></tr>"
_KINDS = {VisitKind.DEPOT: "Depot", VisitKind.STOP: "Stop", VisitKind.TIP: "Tip", VisitKind.BREAK: "Break"}


def run_sheets(case: RoundCase, plan: RoundPlan) -> str:
    """Return one HTML page with a sheet a truck, and one of what is left out."""
    rows = {name: row for row, name in enumerate(case.stop_ids)}
    sheets = [_sheet(case, route, rows) for route in plan.routes]
    if plan.left_out or plan.reasons:
        lines = "".join(f"<li>{escape(line)}</li>" for line in plan.reasons or plan.left_out)
        sheets.append(f"<section><h1>Left out: {len(plan.left_out)} stops</h1><ul>{lines}</ul></section>")
    title = escape(plan.case)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body>{''.join(sheets)}</body></html>\n"
    )


def _sheet(case: RoundCase, route: Route, rows: dict[str, int]) -> str:
    lines = []
    stops = 0
    volume = mass = 0.0
    for number, visit in enumerate(route.visits):
        loads = "<td></td><td></td>"
        if visit.kind is VisitKind.STOP and visit.id in rows:
            m3, kg = float(case.stops.volume_m3[rows[visit.id]]), float(case.stops.mass_kg[rows[visit.id]])
            stops, volume, mass = stops + 1, volume + m3, mass + kg
            loads = f'<td class="n">{m3:.2f}</td><td class="n">{kg:.0f}</td>'
        what = f"<td>{_KINDS[visit.kind]}</td><td>{escape(visit.id)}</td>"
        lines.append(f"<tr><td>{number}</td><td>{_hm(visit.arrive_s)}</td>{what}{loads}<td></td></tr>")
    first, last = route.visits[0], route.visits[-1]
    told = f"{_hm(first.leave_s)} to {_hm(last.arrive_s)}, {stops} stops, {volume:.1f} m³, {mass:,.0f} kg"
    return (
        f"<section><h1>{escape(route.truck)}: {escape(case.name)}</h1><p>{told}</p>"
        "<p>Checked before leaving: tyres ☐ lights ☐ lift ☐ hydraulics ☐ fluids ☐ extinguisher ☐</p>"
        "<p>Codes: N not out, B blocked, C contaminated, O overloaded</p>"
        f"<table><thead>{_HEAD}</thead><tbody>{''.join(lines)}</tbody></table></section>"
    )


def _hm(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
