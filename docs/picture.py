"""Draw docs/demo.svg, the README's picture, from a demo: ``python docs/picture.py runs/demo-...``."""

import json
import re
import sys
from pathlib import Path

WIDTH, HEIGHT, MAP = 1140, 600, 560
SOURCE = "map data © OpenStreetMap contributors"
WANTED = ("grid", "label", "strong", "tick", "ground", "street", "junction", "number", "heat")

demo = Path(sys.argv[1])
page = (demo / "report.html").read_text(encoding="utf-8")
card = json.loads((demo / "scorecard.json").read_text(encoding="utf-8"))

style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
colours = dict(re.findall(r"--([\w-]+):([^;}]+)", style.split("@media")[0]))
rules = [rule for rule in re.findall(r"[^{}]+\{[^{}]*\}", style) if rule.strip().lstrip(".").startswith(WANTED)]
rules.append("svg text{font-family:system-ui,sans-serif;fill:var(--ink)}")
css = re.sub(r"var\(--([\w-]+)\)", lambda name: colours[name[1]], "".join(rules))

maps = re.findall(r'<svg (?=[^>]*aria-labelledby="g0-map\d-title").*?</svg>', page, re.DOTALL)
parts = []
for column, (arm, drawn) in enumerate(zip(card["arms"], maps, strict=True)):
    left = column * (WIDTH - MAP)
    delay = arm["measures"]["delay_s"]["mean"]
    words = f"{arm['arm']}: {delay:.1f} s mean delay of a vehicle"
    parts.append(f'<text x="{left + 12}" y="64" class="label strong">{words}</text>')
    parts.append(drawn.replace("<svg ", f'<svg x="{left}" y="76" width="{MAP}" height="505" ', 1))
seeds = ", ".join(map(str, card["seeds"]))
title = (
    f"{card['city']}: hours lost at each junction, simulated (SUMO {card['sumo_version']}), "
    f"{card['calibration']}, seed {seeds}"
)
svg = (
    f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img">'
    f"<title>{title}</title><style>{css}</style>"
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><text x="12" y="32" class="label">{title}</text>'
    f'<text x="{WIDTH - 12}" y="{HEIGHT - 6}" class="tick" text-anchor="end">{SOURCE}</text>'
    f"{''.join(parts)}</svg>\n"
)
(Path(__file__).parent / "demo.svg").write_text(svg, encoding="utf-8")
