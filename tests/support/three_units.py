"""A made-up city of a few streets with three units and no call, an hour after its beginning."""

import numpy as np

from cityloop.cities.events.calls import take_calls
from cityloop.cities.events.city import EventCity
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.studies.emergency_run import ARMS, homes_of
from cityloop.studies.emergency_world import BEGIN_MS, World, calls_of, make_world, roster_of

NOW_MS = BEGIN_MS + 3_600_000


def three_unit_world() -> World:
    """Return roads, sites and forecast."""
    return make_world(grid_case(GridSpec(units=3)), kerb_posts=6)


def city_at_rest(world: World) -> EventCity:
    """Return the city with every unit at its home."""
    nobody = take_calls(calls_of(world, 1, 0.2), np.empty(0, np.int64))
    roster = roster_of(world.rules, 3, BEGIN_MS, NOW_MS)
    homes = homes_of(world, ARMS["brain"])
    return EventCity(world.case, world.sites, world.times, nobody, homes, roster, (BEGIN_MS, NOW_MS))
