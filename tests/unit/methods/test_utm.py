"""Degrees to metres, against places whose coordinates are published."""

from __future__ import annotations

import pytest

from cityloop.methods.utm import MapFrame, utm_m


def test_the_middle_of_a_zone_on_the_equator_is_its_origin() -> None:
    """Zone 31 is about 3 degrees east; its east begins at 500,000 m."""
    assert utm_m(0.0, 3.0, 31) == pytest.approx((500_000.0, 0.0), abs=1e-6)


def test_a_landmark_lies_where_maps_have_it() -> None:
    """The Eiffel tower, 48.8583 north and 2.2945 east, is at about 448,252 east and 5,411,943 north."""
    assert utm_m(48.8583, 2.2945, 31) == pytest.approx((448_252.0, 5_411_935.0), abs=15.0)


def test_east_and_west_of_the_middle_mirror_each_other() -> None:
    """Two degrees on either side, as far from 500,000 m and as far north."""
    west, east = utm_m(52.0, 13.0, 33), utm_m(52.0, 17.0, 33)
    assert east[0] - 500_000.0 == pytest.approx(500_000.0 - west[0], abs=1e-6)
    assert east[1] == pytest.approx(west[1], abs=1e-6)


def test_the_meridian_is_as_long_as_the_ellipsoid_has_it() -> None:
    """From the equator to 45 degrees the meridian of WGS 84 is 4,984,944.378 m; the zone draws it at 0.9996."""
    assert utm_m(45.0, 15.0, 33)[1] == pytest.approx(0.9996 * 4_984_944.378, abs=0.01)


def test_the_south_counts_from_ten_million() -> None:
    """So that no north is negative."""
    north = utm_m(36.85, 174.76, 60)[1]
    assert utm_m(-36.85, 174.76, 60, south=True)[1] == pytest.approx(10_000_000.0 - north, abs=1e-6)


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg"), [(52.43, 13.54), (0.0, 9.0), (67.2, 14.9), (1.3, 103.8), (-33.9, 18.4)]
)
def test_a_place_on_the_map_leads_back_to_its_degrees(lat_deg: float, lon_deg: float) -> None:
    """There and back within a few millimetres, in both hemispheres."""
    frame = MapFrame(zone=int((lon_deg + 180) // 6) + 1, south=lat_deg < 0, east_m=-390_000.0, north_m=-5_000_000.0)
    place = frame.place_m(lat_deg, lon_deg)
    assert place is not None
    assert frame.degrees(*place) == pytest.approx((lat_deg, lon_deg), abs=5e-8)
