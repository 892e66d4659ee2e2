"""A city's services: the files that ship, and what is said of files that make no sense."""

import dataclasses
from types import MappingProxyType

import msgspec
import numpy as np
import pytest

from cityloop.cities.sumo.adlershof_fleet import write_adlershof_fleet
from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_calls import draw_calls
from cityloop.cities.sumo.fleet_case import read_fleet
from cityloop.cities.sumo.folder import resolve_city
from cityloop.kernel.errors import ConfigError


@pytest.fixture(scope="module")
def adlershof():
    """The built-in city."""
    return resolve_city("adlershof")


def test_committed_services_are_what_the_seed_gives(adlershof, tmp_path):
    """Both files can be made again from the figures in the source, byte for byte, and say that they are made up."""
    write_adlershof_fleet(tmp_path)
    for name in ("emergency.toml", "refuse.toml"):
        made = (tmp_path / name).read_bytes()
        assert made == (adlershof.folder / name).read_bytes(), name
        assert b"synthetic = true" in made


def test_a_city_without_services_has_none(adlershof):
    """Nothing is read where nothing is named."""
    assert read_fleet(dataclasses.replace(adlershof, asset_files=MappingProxyType({}))) is None


NOTICE = '[[notices]]\nhospital = "{}"\nafter_s = {}\n\n[calls]'


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("emergency", 'kind = "kerb"', 'kind = "bay"', "give station, hospital or kerb"),
        ("emergency", 'station = "Station A"', 'station = "Hospital 1"', "which is no station"),
        ("emergency", "[0.4, 0.4, 0.2]", "[0.4, 0.4, 0.4]", "must be shares that sum to 1"),
        ("emergency", "begins_at_h = 7", "begins_at_h = 24", "give 0 to 23"),
        ("emergency", "turnout_s = 60.0", 'turnout_s = "soon"', "Expected `float`"),
        ("emergency", 'kind = "kerb"', 'kind = "kerb"\ntreats = ["stroke"]', "hospitals treat stroke"),
        ("emergency", 'kind = "hospital"', 'kind = "hospital"\ntreats = ["gout"]', "treats 'gout'"),
        ("emergency", "[calls]", "[calls]\nneeds_share = {gout = 0.1}", "'gout' 0.1"),
        ("emergency", "[calls]", "[calls]\nneeds_share = {stroke = 0.7, trauma = 0.7}", "sums to more than 1"),
        (
            "emergency",
            'kind = "hospital"',
            'kind = "hospital"\nbays = 0',
            "'Hospital 1', a hospital, has bays = 0",
        ),
        ("emergency", 'kind = "kerb"', 'kind = "kerb"\nbays = 2', "'Post 1', a kerb, has bays = 2; give hospitals 1"),
        (
            "emergency",
            "[calls]",
            NOTICE.format("Hospital 9", "60.0"),
            "'Hospital 9' in notice 1 is none; give",
        ),
        (
            "emergency",
            "[calls]",
            NOTICE.format("Station A", "60.0"),
            "'Station A' in notice 1 is none; give",
        ),
        (
            "emergency",
            "[calls]",
            NOTICE.format("Hospital 1", "-1.0"),
            "notice 1 ('Hospital 1') is -1; give 0",
        ),
        ("emergency", "[calls]", NOTICE.format("Hospital 1", "nan"), "is nan; give 0 to 86400 s"),
        ("emergency", "[calls]", NOTICE.format("Hospital 1", '"noon"'), "Expected `float`"),
        ("refuse", '"C02"', '"C01"', "is empty or there twice"),
        ("refuse", "payload_kg = 6000.0", "payload_kg = 100.0", "more than any truck's"),
        ("refuse", 'truck = "Truck 2"', 'truck = "Truck 9"', "there is no truck"),
    ],
)
def test_bad_files_are_refused_in_one_line(adlershof, tmp_path, file, old, new, said):
    """The file, the key and the fix are named."""
    text = adlershof.asset_files[file].read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / f"{file}.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    case = dataclasses.replace(adlershof, asset_files=MappingProxyType({file: path}))
    with pytest.raises(ConfigError) as refused:
        read_fleet(case)
    line = str(refused.value)
    assert str(path) in line
    assert said in line
    assert "\n" not in line


def kerbs():
    """Three roads."""
    return tuple(Kerb(f"e{k}", 0, 50.0, 100.0 * k, 0.0, k, 100.0) for k in range(3))


def test_a_seed_gives_the_same_calls_whoever_answers_them(adlershof):
    """Calls depend on the seed alone; another seed has others, with other numbers."""
    model = read_fleet(adlershof).emergency.calls
    one, again, other = (draw_calls(model, kerbs(), seed, (0, 3_600_000)) for seed in (1, 1, 2))
    assert one == again
    assert len(one) > 5
    assert not {call.number for call in one} & {call.number for call in other}


def test_calls_come_at_the_stated_rate(adlershof):
    """A hundred hours of sixteen calls an hour are about 1,600."""
    model = msgspec.structs.replace(read_fleet(adlershof).emergency.calls, per_h=16.0)
    calls = draw_calls(model, kerbs(), 5, (0, 100 * 3_600_000))
    assert 1450 < len(calls) < 1750
    assert np.mean([call.priority == 1 for call in calls]) == pytest.approx(0.4, abs=0.05)
