"""The fallback sheet as a page to print, whole in one file, and as plain text for a printer without a browser."""

from __future__ import annotations

from html import escape

from cityloop.studies.emergency_sheet import Place, Sheet, Square

__all__ = ["page_of", "text_of"]

_STEPS = (
    "Take the call. Priority and determinant come from your own triage cards; this sheet does not triage.",
    "Find the square on the map. Write the call on the log at once: a call on paper is not lost.",
    "Send the first station on its row that has a free unit by your board. By radio, always; ask where the unit is.",
    "If a unit says that it is nearer, it goes. The rows suppose that units stand at their stations.",
    "High priority may take a unit under way to a lesser call; nobody leaves a patient.",
    "When all else works again, key in every line of the log before you throw it away.",
)
_LOG = (
    "No.",
    "taken",
    "priority",
    "square and address",
    "unit",
    "sent",
    "mobile",
    "on scene",
    "left",
    "hospital",
    "free",
)
_LOG_ROWS = 18

_STYLE = """
@page { size: A4; margin: 12mm }
body { font: 10pt/1.35 sans-serif; color: #000; background: #fff; margin: 0 auto; max-width: 190mm }
h1 { font-size: 16pt; margin: 0 0 2mm } h2 { font-size: 12pt; margin: 6mm 0 2mm; break-after: avoid }
table { border-collapse: collapse; width: 100% } thead { display: table-header-group }
th, td { border: 0.3mm solid #000; padding: 0.6mm 1.2mm; text-align: left; vertical-align: top }
tr { break-inside: avoid } td.n { font-weight: bold } .log td { height: 8mm } .new { break-before: page }
svg { width: 100%; max-height: 230mm } svg text { font: 3px sans-serif }
""".strip()


def page_of(sheet: Sheet, made: str) -> str:
    """Return the sheet as one HTML file that needs nothing else.

    Parameters
    ----------
    sheet
        What to print.
    made
        When it was made, as it shall be read.

    """
    stations = "".join(
        f"<tr><td class=n>{k + 1}</td><td>{escape(s.name)}</td><td>{s.square}</td>"
        f"<td>{escape(', '.join(s.units)) or '&ndash;'}</td><td></td></tr>"
        for k, s in enumerate(sheet.stations)
    )
    hospitals = "".join(
        f"<tr><td class=n>{chr(ord('a') + k)}</td><td>{escape(h.name)}</td><td>{h.square}</td><td></td></tr>"
        for k, h in enumerate(sheet.hospitals)
    )
    ranks = max((len(one.stations) for one in sheet.squares), default=0)
    squares = "".join(f"<tr><td class=n>{one.name}</td>{_cells(sheet, one, ranks)}</tr>" for one in sheet.squares)
    places = "".join(f"<th>{rank}</th>" for rank in ("1st", "2nd", "3rd", "4th", "5th")[:ranks])
    steps = "".join(f"<li>{escape(step)}</li>" for step in _STEPS)
    log = "<tr>" + "".join(f"<th>{escape(head)}</th>" for head in _LOG) + "</tr>"
    blank = ("<tr>" + "<td></td>" * len(_LOG) + "</tr>") * _LOG_ROWS
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Fallback sheet: {escape(sheet.city)}</title>"
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>{escape(sheet.city)}: when everything is down</h1>"
        f"<p>Made {escape(made)}, from the roads of an ordinary day. Minutes are expected ones, of a free road; "
        "traffic, closures and weather are not in them. Print it anew when stations, units or roads change.</p>"
        f"<ol>{steps}</ol>"
        "<h2>Stations</h2><table><thead><tr><th>No.</th><th>station</th><th>square</th><th>units at home</th>"
        f"<th>now</th></tr></thead><tbody>{stations}</tbody></table>"
        "<h2>Hospitals</h2><table><thead><tr><th></th><th>hospital</th><th>square</th><th>open? diverting?</th></tr>"
        f"</thead><tbody>{hospitals}</tbody></table>"
        f'<h2 class="new">Map: squares of {sheet.size_m:g} m, north is up</h2>{_map(sheet)}'
        '<h2 class="new">Nearest stations by square: number, name, minutes with lights and siren</h2>'
        f"<table><thead><tr><th>square</th>{places}<th>hospitals</th>"
        f"</tr></thead><tbody>{squares}</tbody></table>"
        f'<h2 class="new">Log</h2><table class="log"><thead>{log}</thead><tbody>{blank}</tbody></table>'
        "</body></html>\n"
    )


def text_of(sheet: Sheet, made: str) -> str:
    """Return the sheet as plain text."""
    lines = [f"{sheet.city}: when everything is down. Made {made}, from the roads of an ordinary day.", ""]
    lines += [f"{k + 1}. {step}" for k, step in enumerate(_STEPS)]
    lines += ["", "STATIONS (number, square, name, units at home)"]
    lines += [
        f"{k + 1:>3}  {s.square:<4} {s.name:<40} {', '.join(s.units) or '-'}" for k, s in enumerate(sheet.stations)
    ]
    lines += ["", "HOSPITALS"]
    lines += [f"{chr(ord('a') + k):>3}  {h.square:<4} {h.name}" for k, h in enumerate(sheet.hospitals)]
    lines += ["", f"NEAREST STATIONS BY SQUARE OF {sheet.size_m:g} M: number (minutes); hospitals: letter (minutes)"]
    for one in sheet.squares:
        stations = "  ".join(f"{s + 1:>2} ({minutes:4.1f})" for s, minutes in one.stations)
        hospitals = "  ".join(f"{chr(ord('a') + h)} ({minutes:4.1f})" for h, minutes in one.hospitals)
        lines.append(f"{one.name:<4} {stations}   | {hospitals}")
    lines += ["", "LOG: " + " | ".join(_LOG), *(["_" * 110] * _LOG_ROWS)]
    return "\n".join(lines) + "\n"


def _cells(sheet: Sheet, one: Square, ranks: int) -> str:
    cells = [
        f"<td><b>{s + 1}</b> {escape(_short(sheet.stations[s]))} {minutes:.1f}</td>" for s, minutes in one.stations
    ]
    cells += ["<td></td>"] * (ranks - len(cells))
    near = ", ".join(f"<b>{chr(ord('a') + h)}</b> {minutes:.0f}" for h, minutes in one.hospitals)
    return "".join(cells) + f"<td>{near}</td>"


def _short(place: Place) -> str:
    return place.name if len(place.name) <= 16 else place.name[:15].rstrip() + "."


def _map(sheet: Sheet) -> str:
    """Return the grid with its letters and numbers, squares where calls are expected shaded by their share."""
    wide, high, unit = sheet.columns * 10, sheet.rows * 10, 10.0 / sheet.size_m
    most = max((one.share for one in sheet.squares), default=1.0) or 1.0
    parts = [f'<svg viewBox="-6 -6 {wide + 8} {high + 8}" role="img" aria-label="Map of squares">']
    for one in sheet.squares:
        column, row = ord(one.name[0]) - ord("A"), int(one.name[1:]) - 1
        grey = 250 - round(90 * (one.share / most) ** 0.5)
        parts.append(
            f'<rect x="{column * 10}" y="{row * 10}" width="10" height="10" fill="rgb({grey},{grey},{grey})"/>'
        )
    ink = 'stroke="#999" stroke-width=".2"'
    parts += [f'<line x1="{10 * c}" y1="0" x2="{10 * c}" y2="{high}" {ink}/>' for c in range(sheet.columns + 1)]
    parts += [f'<line x1="0" y1="{10 * r}" x2="{wide}" y2="{10 * r}" {ink}/>' for r in range(sheet.rows + 1)]
    parts += [f'<text x="{10 * c + 4}" y="-2">{chr(ord("A") + c)}</text>' for c in range(sheet.columns)]
    parts += [f'<text x="-5" y="{10 * r + 6}">{r + 1}</text>' for r in range(sheet.rows)]
    for k, s in enumerate(sheet.stations):
        x, y = (s.x_m - sheet.west_m) * unit, (sheet.north_m - s.y_m) * unit
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.2"/>')
        parts.append(f'<text x="{x + 1.5:.1f}" y="{y + 1:.1f}">{k + 1}</text>')
    for k, h in enumerate(sheet.hospitals):
        x, y = (h.x_m - sheet.west_m) * unit, (sheet.north_m - h.y_m) * unit
        parts.append(
            f'<path d="M{x - 1.3:.1f} {y:.1f}h2.6M{x:.1f} {y - 1.3:.1f}v2.6" stroke="#000" stroke-width=".9"/>'
            f'<text x="{x + 1.6:.1f}" y="{y - 0.6:.1f}">{chr(ord("a") + k)}</text>'
        )
    return "".join(parts) + "</svg>"
