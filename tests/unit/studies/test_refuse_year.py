"""Cities of containers: the same every time, mass kept, policies told apart, bad names refused."""

import json

import numpy as np
import pytest

from cityloop.cities.bins.city import BinRun, Fault
from cityloop.cities.bins.generate import CitySpec, generate, with_faults
from cityloop.kernel.errors import ConfigError
from cityloop.studies.refuse_year import bench_city, km_at, open_city, parse_policy

SMALL = CitySpec(containers=30, days=75, quarters=3)


def test_a_seed_draws_the_same_city():
    """Deposits and places are the same for the same seed and differ for another."""
    one, same, other = generate(SMALL, 7), generate(SMALL, 7), generate(SMALL, 8)
    assert np.array_equal(one.deposit, same.deposit)
    assert not np.array_equal(one.deposit, other.deposit)


def test_an_emptied_container_overflows_no_more():
    """What is found is what was thrown in, and an overfull container counts until it is emptied."""
    city = generate(SMALL, 7)
    run = BinRun(city)
    for _ in range(40):
        run.live(np.zeros(0, np.int64))
    overfull = run.overflow_days[39]
    assert overfull > 0
    found = run.live(np.arange(30))
    truth = city.deposit[:, :40].sum(axis=(1, 2)) + city.deposit[:, 40, 0]
    assert found == pytest.approx(truth * (1 + city.scale_noise[:, 40]))
    assert run.live(np.zeros(0, np.int64)).size == 0
    assert run.overflow_days[41] < overfull


def test_faults_are_dead_stuck_and_lying():
    """A dead sensor is silent, a stuck one repeats itself."""
    city = with_faults(generate(SMALL, 7), 1.0, 1, first_day=0)
    run = BinRun(city)
    said = []
    for _ in range(20):
        said.append(run.readings())
        run.live(np.zeros(0, np.int64))
    dead, stuck = city.sensor == Fault.DEAD, city.sensor == Fault.STUCK
    assert np.isnan(said[-1][dead]).all()
    assert np.array_equal(said[-1][stuck], said[-2][stuck])


def test_the_bench_writes_figures_and_days(tmp_path):
    """The brain empties fuller containers than weekly habit; every day is logged."""
    (tmp_path / "refuse.toml").write_text("seed = 3\ncontainers = 40\nquarters = 3\n")
    out, log = tmp_path / "out.json", tmp_path / "days.jsonl"
    policies = ["risk", "fixed:0.001"]
    figures = bench_city(tmp_path, days=8, policies=policies, seed=1, json_out=out, log_out=log)
    assert json.loads(out.read_text())["containers"] == 40
    assert len(log.read_text().splitlines()) == 16
    assert figures["policies"]["risk"]["fill_at_stop"] > figures["policies"]["fixed:0.001"]["fill_at_stop"]


def test_bad_names_are_one_clear_line(tmp_path):
    """Unknown policies, dials that are no numbers, folders without a city."""
    for text, told in (("magic", "none of that name"), ("brain:much", "no number"), ("fixed:-1", "negative")):
        with pytest.raises(ConfigError, match=told):
            parse_policy(text)
    with pytest.raises(ConfigError, match="holds neither"):
        open_city(tmp_path, 5, 1)
    (tmp_path / "refuse.toml").write_text("containers = 1\n")
    with pytest.raises(ConfigError, match="needs containers"):
        open_city(tmp_path, 5, 1)


def test_kilometres_are_read_between_settings_of_the_dial():
    """Half way in the logarithm of the rate is half way in kilometres; beyond the dial there is no answer."""
    points = [(1.0, 200.0), (100.0, 100.0)]
    assert km_at(points, 10.0) == pytest.approx(150.0)
    assert km_at(points, 200.0) is None
