"""Degrees of WGS 84 to metres of a UTM zone.

References
----------
.. [1] Karney, C. F. F. (2011). Transverse Mercator with an accuracy of a few nanometers. J. Geodesy, 85, 475-485.
   doi:10.1007/s00190-011-0445-3: the series of Krueger, here to the third order of the flattening (below a millimetre).

"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["MapFrame", "utm_m"]

_A_M, _F = 6_378_137.0, 1 / 298.257223563
_SCALE, _EAST_M, _SOUTH_M = 0.9996, 500_000.0, 10_000_000.0
_TURNS = 12
"""Of the way back to degrees: each brings it nearer by the share to which meridians run askew."""
_N = _F / (2 - _F)
_RECTIFYING_M = _A_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16,
    13 * _N**2 / 48 - 3 * _N**3 / 5,
    61 * _N**3 / 240,
)


def utm_m(lat_deg: float, lon_deg: float, zone: int, *, south: bool = False) -> tuple[float, float]:
    """Return east and north in a zone. [m]

    Parameters
    ----------
    lat_deg, lon_deg
        WGS 84; 80 south to 84 north, within some tens of degrees of the zone's middle.
    zone
        1 to 60.
    south
        Whether the zone is one of the southern hemisphere.

    """
    latitude, longitude = math.radians(lat_deg), math.radians(lon_deg - (6.0 * zone - 183.0))
    e = 2 * math.sqrt(_N) / (1 + _N)
    sine = math.sin(latitude)
    t = math.sinh(math.atanh(sine) - e * math.atanh(e * sine))
    xi, eta = math.atan2(t, math.cos(longitude)), math.atanh(math.sin(longitude) / math.hypot(1.0, t))
    north, east = xi, eta
    for k, alpha in enumerate(_ALPHA, start=1):
        north += alpha * math.sin(2 * k * xi) * math.cosh(2 * k * eta)
        east += alpha * math.cos(2 * k * xi) * math.sinh(2 * k * eta)
    shift_m = _SOUTH_M if south else 0.0
    return _EAST_M + _SCALE * _RECTIFYING_M * east, shift_m + _SCALE * _RECTIFYING_M * north


@dataclass(frozen=True, slots=True)
class MapFrame:
    """How a city's own map lies in a UTM zone."""

    zone: int
    south: bool
    east_m: float
    """Added to an east of the zone to have the map's. [m]"""
    north_m: float

    def degrees(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Return latitude and longitude of a place on the map, to some millimetres. [deg]"""
        north_m = y_m - self.north_m - (_SOUTH_M if self.south else 0.0)
        lat_deg, lon_deg = math.degrees(north_m / (_SCALE * _RECTIFYING_M)), 6.0 * self.zone - 183.0
        for _ in range(_TURNS):
            east_m, found_m = utm_m(lat_deg, lon_deg, self.zone, south=self.south)
            per_deg_m = math.radians(_SCALE * _RECTIFYING_M)
            lat_deg += (y_m - self.north_m - found_m) / per_deg_m
            lon_deg += (x_m - self.east_m - east_m) / (per_deg_m * max(math.cos(math.radians(lat_deg)), 0.05))
        return lat_deg, lon_deg

    def place_m(self, lat_deg: float, lon_deg: float) -> tuple[float, float] | None:
        """Return where a place is on the map; None for one that no map in metres of the zone can hold. [m]"""
        if not -80.0 <= lat_deg <= 84.0 or abs((lon_deg - (6.0 * self.zone - 183.0) + 180.0) % 360.0 - 180.0) > 30.0:
            return None
        east_m, north_m = utm_m(lat_deg, lon_deg, self.zone, south=self.south)
        return east_m + self.east_m, north_m + self.north_m
