"""The process that runs a served twin."""

from __future__ import annotations

from cityloop.app.child import ChildSpec
from cityloop.app.twin_child import laps_of
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.kept_plans import find_plans


def test_a_served_brain_knows_what_people_on_foot_are_owed(tmp_path):
    """As in a run: the waits under the tuned plans, at every crossing where they were measured."""
    spec = ChildSpec(
        city="adlershof",
        data=str(tmp_path),
        pace=1.0,
        control="brain",
        sensing="area:150",
        seed=1,
        scale=1.0,
        keep_days=1.0,
    )
    found = find_plans(resolve_city("adlershof"))
    assert found is not None
    lap = laps_of(spec, tmp_path / "laps")(1)
    try:
        links = lap.city.layout().tables["signals"].links
    finally:
        lap.city.close()
    assert (links.own_red_s > 0).any()
    assert {wait.wait_s for wait in found[1].foot_waits} <= set(links.own_wait_s.tolist())
