"""The sheet for when everything is down: ranked as the roads say, whole in one file, without a call or a person."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from services_city import services_layout

from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.kernel.errors import LayoutError
from cityloop.studies.emergency_sheet import sheet_of_layout, sheet_of_world
from cityloop.studies.emergency_sheet_page import page_of, text_of
from cityloop.studies.emergency_world import make_world


@pytest.fixture(scope="module")
def world():
    """A grid of streets with four stations, of which the last has nobody."""
    return make_world(grid_case(GridSpec(stations=4, units=3)), kerb_posts=4)


@pytest.fixture(scope="module")
def sheet(world):
    """Its sheet."""
    return sheet_of_world(world)


def test_every_square_with_expected_calls_is_there_once(world, sheet):
    """Their shares add up to all of them."""
    names = [one.name for one in sheet.squares]
    assert len(set(names)) == len(names)
    assert sum(one.share for one in sheet.squares) == pytest.approx(1.0)


def test_stations_are_ranked_by_expected_time_and_empty_ones_left_out(sheet):
    """The soonest first; nobody is told to call a station without a unit."""
    assert [len(station.units) for station in sheet.stations] == [1, 1, 1, 0]
    for one in sheet.squares:
        minutes = [took for _, took in one.stations]
        assert minutes == sorted(minutes)
        assert len(minutes) == 3
        assert 3 not in [station for station, _ in one.stations]


def test_the_nearest_station_of_its_own_square_is_itself(world, sheet):
    """A station's square is served from it first, within the drive across a square."""
    by_name = {one.name: one for one in sheet.squares}
    for k, station in enumerate(sheet.stations[:3]):
        if station.square in by_name:
            first, minutes = by_name[station.square].stations[0]
            assert first == k
            assert minutes < 2 * sheet.size_m / 12.5 / 60.0


def test_north_is_up_and_west_is_left(sheet):
    """Letters run eastwards, numbers southwards."""
    first = min(sheet.squares, key=lambda one: (one.name[0], one.x_m))
    for one in sheet.squares:
        assert (ord(one.name[0]) > ord(first.name[0])) <= (one.x_m > first.x_m)
    north = max(sheet.squares, key=lambda one: one.y_m)
    assert int(north.name[1:]) == min(int(one.name[1:]) for one in sheet.squares)


class _Balance(HTMLParser):
    """Counts what is opened and closed, and what would be fetched."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        """Note it."""
        self.fetched += [value for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the last of its kind."""
        assert self.open.pop() == tag


def test_the_page_is_whole_in_one_file(sheet):
    """Nothing is fetched, every tag is closed, every square and station is on it."""
    page = page_of(sheet, "2026-01-05 00:00 UTC")
    checked = _Balance()
    checked.feed(page)
    assert checked.open == []
    assert checked.fetched == []
    assert "http" not in page
    for one in sheet.squares:
        assert f"<td class=n>{one.name}</td>" in page
    assert "2026-01-05" in page


def test_names_of_places_cannot_break_the_page(world):
    """A station called <script> is printed, not run."""
    stations = replace(world.case.stations, name=("<script>x</script>", *world.case.stations.name[1:]))
    page = page_of(sheet_of_world(replace(world, case=replace(world.case, stations=stations))), "now")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_text_has_the_same_ranks(sheet):
    """A line a square, the same station first."""
    text = text_of(sheet, "now")
    for one in sheet.squares:
        line = re.search(rf"^{one.name} +(\d+) \( *([\d.]+)\)", text, re.MULTILINE)
        assert int(line.group(1)) == one.stations[0][0] + 1
        assert float(line.group(2)) == pytest.approx(one.stations[0][1], abs=0.051)


def test_a_running_city_has_a_sheet_too():
    """From the layout's own table, with the units at their stations."""
    sheet = sheet_of_layout("square", services_layout())
    assert sum(len(station.units) for station in sheet.stations) == 2
    assert all(one.stations for one in sheet.squares)
    assert np.isfinite([took for one in sheet.squares for _, took in one.stations]).all()


def test_a_city_without_ambulances_is_told_so():
    """One line that names what is missing."""
    bare = replace(services_layout(), tables={})
    with pytest.raises(LayoutError, match="square: has no table of emergency"):
        sheet_of_layout("square", bare)
