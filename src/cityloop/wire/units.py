"""Units as devices spell them, and the few conversions that city telemetry needs."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["conversion", "same_unit"]

_ALIASES: Mapping[str, str] = {
    "°c": "Cel", "degc": "Cel", "cel": "Cel", "celsius": "Cel", "c": "Cel",
    "k": "K", "kelvin": "K",
    "°f": "[degF]", "degf": "[degF]", "[degf]": "[degF]", "fahrenheit": "[degF]",
    "m/s": "m/s", "mps": "m/s", "km/h": "km/h", "kmh": "km/h", "kph": "km/h", "mph": "[mi_i]/h", "[mi_i]/h": "[mi_i]/h",
    "kn": "[kn_i]", "knot": "[kn_i]", "[kn_i]": "[kn_i]",
    "pa": "Pa", "hpa": "hPa", "mbar": "hPa", "kpa": "kPa", "bar": "bar",
    "m": "m", "mm": "mm", "cm": "cm", "km": "km",
    "%": "%", "%rh": "%", "/": "1", "1": "1", "frac": "1",
    "ug/m3": "ug/m3", "µg/m³": "ug/m3", "μg/m³": "ug/m3", "µg/m3": "ug/m3", "mg/m3": "mg/m3",
    "ppm": "ppm", "ppb": "ppb",
    "w": "W", "kw": "kW", "wh": "Wh", "kwh": "kWh", "v": "V", "mv": "mV", "a": "A", "ma": "mA",
    "s": "s", "ms": "ms", "min": "min", "h": "h",
    "kg": "kg", "g": "g", "t": "t", "l": "L", "m3": "m3",
    "deg": "deg", "°": "deg", "rad": "rad", "lx": "lx", "db": "dB", "dba": "dB[A]", "db(a)": "dB[A]",
    "veh": "veh", "count": "1", "": "",
}  # fmt: skip
"""Spellings, in lower case, to one code each (UCUM where it has one). What is not here stands for itself."""

_TO_BASE: Mapping[str, tuple[str, float, float]] = {
    "Cel": ("K", 1.0, 273.15), "K": ("K", 1.0, 0.0), "[degF]": ("K", 5 / 9, 459.67 * 5 / 9),
    "m/s": ("m/s", 1.0, 0.0), "km/h": ("m/s", 1 / 3.6, 0.0), "[mi_i]/h": ("m/s", 0.44704, 0.0),
    "[kn_i]": ("m/s", 1852 / 3600, 0.0),
    "Pa": ("Pa", 1.0, 0.0), "hPa": ("Pa", 100.0, 0.0), "kPa": ("Pa", 1000.0, 0.0), "bar": ("Pa", 1e5, 0.0),
    "m": ("m", 1.0, 0.0), "mm": ("m", 1e-3, 0.0), "cm": ("m", 1e-2, 0.0), "km": ("m", 1e3, 0.0),
    "%": ("1", 0.01, 0.0), "1": ("1", 1.0, 0.0),
    "ug/m3": ("ug/m3", 1.0, 0.0), "mg/m3": ("ug/m3", 1e3, 0.0), "ppb": ("ppb", 1.0, 0.0), "ppm": ("ppb", 1e3, 0.0),
    "W": ("W", 1.0, 0.0), "kW": ("W", 1e3, 0.0), "Wh": ("Wh", 1.0, 0.0), "kWh": ("Wh", 1e3, 0.0),
    "V": ("V", 1.0, 0.0), "mV": ("V", 1e-3, 0.0), "A": ("A", 1.0, 0.0), "mA": ("A", 1e-3, 0.0),
    "s": ("s", 1.0, 0.0), "ms": ("s", 1e-3, 0.0), "min": ("s", 60.0, 0.0), "h": ("s", 3600.0, 0.0),
    "kg": ("kg", 1.0, 0.0), "g": ("kg", 1e-3, 0.0), "t": ("kg", 1e3, 0.0), "L": ("L", 1.0, 0.0), "m3": ("L", 1e3, 0.0),
    "deg": ("deg", 1.0, 0.0), "rad": ("deg", 57.29577951308232, 0.0),
}  # fmt: skip


def same_unit(one: str, other: str) -> bool:
    """Return whether two spellings mean one unit."""
    return one == other or _code(one) == _code(other)


def conversion(given: str, wanted: str) -> tuple[float, float] | None:
    """Return (scale, offset) such that value * scale + offset is in the wanted unit; None when there is none."""
    if same_unit(given, wanted):
        return 1.0, 0.0
    of, to = _TO_BASE.get(_code(given)), _TO_BASE.get(_code(wanted))
    if of is None or to is None or of[0] != to[0]:
        return None
    return of[1] / to[1], (of[2] - to[2]) / to[1]


def _code(unit: str) -> str:
    return _ALIASES.get(unit.strip().lower(), unit.strip())
