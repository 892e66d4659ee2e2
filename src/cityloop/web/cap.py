"""Alerts as messages of the Common Alerting Protocol 1.2, one by one and as an Atom feed.

References
----------
.. [1] OASIS (2010). Common Alerting Protocol Version 1.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from cityloop.methods.utm import MapFrame

__all__ = ["cap_feed", "cap_message"]

_SEVERITIES = {1: "Severe", 2: "Moderate", 3: "Minor"}
_URGENCIES = {1: "Immediate", 2: "Expected", 3: "Future"}


def cap_message(alert: Mapping[str, Any], *, live: bool, frame: MapFrame | None = None) -> str:
    """Return one alert's message: an alert, an update once it is acknowledged or escalated, a cancel once resolved.

    Where the map's place on the globe is known (``frame``) it says where, as a point.
    """
    first = f"{alert['id']}.0"
    changed = alert["status"] != "open" or alert["escalated"]
    kind = "Cancel" if alert["status"] == "resolved" else "Update" if changed else "Alert"
    name = first if kind == "Alert" else f"{alert['id']}.{int(alert['last_ms'])}.{alert['status']}"
    # The same message told again has the same number and instant, by which later ones refer to it.
    since = _instant(alert["since_ms"])
    sent = since if kind == "Alert" else _instant(alert["last_ms"])
    refers = "" if kind == "Alert" else f"<references>cityloop,{escape(first)},{since}</references>"
    district = str((alert.get("place") or {}).get("district") or "whole city")
    owner = f"<contact>{escape(str(alert['owner']))}</contact>" if alert.get("owner") else ""
    return (
        "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'>"
        f"<identifier>{escape(name)}</identifier><sender>cityloop</sender><sent>{sent}</sent>"
        f"<status>{'Actual' if live else 'Exercise'}</status><msgType>{kind}</msgType>"
        f"<scope>Restricted</scope><restriction>operators</restriction>{refers}"
        f"<info><category>Transport</category><event>{escape(str(alert['kind']))}</event>"
        f"<urgency>{_URGENCIES.get(alert['severity'], 'Expected')}</urgency>"
        f"<severity>{_SEVERITIES.get(alert['severity'], 'Minor')}</severity><certainty>Likely</certainty>"
        f"<headline>{escape(str(alert['text'])[:160])}</headline>"
        f"<description>{escape(str(alert['text']))}</description>{owner}"
        f"<area><areaDesc>{escape(district)}</areaDesc>{_point(alert, frame)}</area></info></alert>"
    )


def _point(alert: Mapping[str, Any], frame: MapFrame | None) -> str:
    place = alert.get("place") or {}
    x_m, y_m = place.get("x_m"), place.get("y_m")
    if frame is None or x_m is None or y_m is None:
        return ""
    lat_deg, lon_deg = frame.degrees(float(x_m), float(y_m))
    return f"<circle>{lat_deg:.6f},{lon_deg:.6f} 0</circle>"


def cap_feed(alerts: Iterable[Mapping[str, Any]], city: str, *, live: bool, frame: MapFrame | None = None) -> str:
    """Return alerts as an Atom feed, each with its message."""
    entries, newest = [], 0
    for one in alerts:
        newest = max(newest, int(one["last_ms"]))
        entries.append(
            f"<entry><id>urn:cityloop:{escape(one['id'])}</id><title>{escape(str(one['text']))}</title>"
            f"<updated>{_instant(one['last_ms'])}</updated>"
            f"<content type='application/cap+xml'>{cap_message(one, live=live, frame=frame)}</content></entry>"
        )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'>"
        f"<id>urn:cityloop:alerts</id><title>{escape(city)}: open alerts</title>"
        f"<author><name>cityloop</name></author><updated>{_instant(newest)}</updated>{''.join(entries)}</feed>"
    )


def _instant(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
