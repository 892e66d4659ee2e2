"""Runs that vary: the same luck for every policy, none where it is not asked for, and bands that hold it."""

import numpy as np
import pytest

from cityloop.cities.events.chance import Chance
from cityloop.cities.events.conditions import PLAIN, Conditions, Turnout
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.kernel.errors import ConfigError
from cityloop.studies.emergency_eta import EtaWatch, eta_figures
from cityloop.studies.emergency_run import ARMS, run_arm
from cityloop.studies.emergency_world import BEGIN_MS, calls_of, make_world

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def world():
    """A grid of streets."""
    return make_world(grid_case(GridSpec()), kerb_posts=6)


def watched(world, arm, conditions, days=6.0):
    """One run and the expected times told in it."""
    watch = EtaWatch(BEGIN_MS + DAY_MS)
    city = run_arm(world, ARMS[arm], calls_of(world, 3, days), days, conditions, watch=watch)
    return city, watch


def test_a_drive_has_the_same_luck_whoever_asks():
    """The same unit to the same call, in whatever order; another unit has other luck."""
    chance = Chance(0.3, seed=5)
    assert chance.drive(1, 7, 3, 300_000) == chance.drive(1, 7, 99, 300_000)
    assert chance.drive(1, 7, 3, 300_000) != chance.drive(2, 7, 3, 300_000)
    assert chance.drive(1, -1, 3, 300_000) != chance.drive(1, -1, 4, 300_000)


def test_drives_take_what_is_expected_in_the_mean_and_vary_as_told():
    """Of 4,000 drives of five minutes: mean 1, deviation of the log as asked; long ones vary less."""
    chance = Chance(0.2)
    five = np.log([chance.drive(0, c, 0, 300_000) for c in range(4000)])
    twenty = np.log([chance.drive(0, c, 0, 1_200_000) for c in range(4000)])
    assert np.exp(five).mean() == pytest.approx(1.0, abs=0.015)
    assert five.std() == pytest.approx(0.2, abs=0.01)
    assert twenty.std() == pytest.approx(0.2 / 2**0.5, abs=0.01)


def test_nothing_varies_unless_asked(world):
    """Without noise a unit that is not sent elsewhere arrives to the millisecond, and no road is outrun."""
    city, watch = watched(world, "as-is", PLAIN, days=2.0)
    rows = watch.rows()
    assert len(rows) > 30
    assert np.abs(rows[:, 6] - rows[:, 3]).max() <= 0.002
    assert city.ledger.fastest == 1.0


def test_variation_beyond_reason_is_refused():
    """A deviation of 2 is no street."""
    with pytest.raises(ConfigError, match="must be from 0 to 1"):
        Chance(2.0)


@pytest.mark.parametrize("arm", ["as-is", "brain"])
def test_the_band_told_at_dispatch_holds_nine_of_ten(world, arm):
    """Learned as the days go by from runs that are over; a few hundred runs leave three points of chance."""
    _, watch = watched(world, arm, Conditions(Turnout(60_000, 60_000), Chance(0.25, 0.3, seed=3)))
    found = eta_figures(watch.rows(), watch.taken_off)
    assert found.banded == found.runs > 180
    assert 0.85 <= found.inside_frac <= 0.95
    assert sum(row["runs"] for row in found.by_distance) == found.runs


def test_a_band_knows_nothing_of_its_own_run(world):
    """The first runs have no band, and the first that has one is the twentieth to end at the earliest."""
    _, watch = watched(world, "as-is", Conditions(chance=Chance(0.25)), days=2.0)
    watch.scored_from_ms = 0
    rows = watch.rows()
    first = rows[np.isfinite(rows[:, 4]), 2].min()
    ended = rows[:, 2] + rows[:, 6] * 1000.0
    assert (ended <= first).sum() >= 19


def test_a_printed_factor_says_how_fast_chance_made_a_drive(world):
    """A drive that takes less than its roads' time is told."""
    city, _ = watched(world, "as-is", Conditions(chance=Chance(0.25)), days=1.0)
    tracks_fastest = city.ledger.fastest
    assert 1.0 < tracks_fastest < 3.5
