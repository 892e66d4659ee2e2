"""Placing stations and units offline: weighed beside what is there, kept where asked, refused where it cannot be."""

import json

import pytest

from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.kernel.errors import LayoutError, StoreError
from cityloop.studies.emergency_location import Question, locate, location_lines, write_location
from cityloop.studies.emergency_world import make_world


@pytest.fixture(scope="module")
def world():
    """A grid of streets with four stations and three units."""
    return make_world(grid_case(GridSpec(stations=4, units=3)), kerb_posts=4)


def test_a_proven_choice_is_no_worse_than_what_is_shipped_or_greed(world):
    """Shipped stations are among the sites, so that nothing proven can lose to them."""
    median, cover, expected = locate(world, Question())
    assert median.value <= min(median.shipped, median.greedy) + 1e-9
    assert cover.value >= cover.shipped - 1e-9
    assert expected.value >= expected.shipped - 1e-9
    for one in (median, cover, expected):
        assert one.gap < 1e-3
        assert sum(place["count"] for place in one.places) == one.count


def test_what_stays_stays_and_one_more_helps(world):
    """With one station and one unit more every shipped one is still there, and the drive is shorter."""
    median, cover, expected = locate(world, Question(stations=5, units=4, keep=True))
    names = set(world.case.stations.name)
    assert {place["station"] for place in median.places} >= names
    assert {place["station"] for place in cover.places} >= names
    homes = {world.case.stations.name[s] for s in world.case.unit_station}
    assert {place["station"] for place in expected.places} >= homes
    assert median.value < median.shipped
    assert median.greedy is None


def test_more_kept_than_asked_for_is_refused(world):
    """The message names the option, its value and the bound."""
    with pytest.raises(LayoutError, match="--stations 2 with --keep: must be at least the 4 that stay"):
        locate(world, Question(stations=2, keep=True))
    with pytest.raises(LayoutError, match="--stations 4000: must be 1 to"):
        locate(world, Question(stations=4000))


def test_lines_and_file_tell_the_same(world, tmp_path):
    """Every line has the proof; the file has the places; a folder that is not there is named."""
    answers = locate(world, Question())
    lines = location_lines(answers)
    assert len(lines) == 3
    assert all("proven within" in line and "as shipped" in line for line in lines)
    write_location(tmp_path / "out.json", answers)
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["location"]
    assert [one["value"] for one in written] == [one.value for one in answers]
    assert written[0]["places"][0].keys() == {"station", "x_m", "y_m", "count"}
    with pytest.raises(StoreError, match="cannot be written"):
        write_location(tmp_path / "none" / "out.json", answers)
