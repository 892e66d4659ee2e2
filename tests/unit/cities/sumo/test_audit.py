"""The audit of shipped programs finds what is wrong, and nothing where all is well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cityloop.cities.sumo.audit import Check, audit_city, audit_network, audit_programs
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.sumo_tools import run_binary


@pytest.fixture(scope="module")
def adlershof():
    return audit_city(resolve_city("adlershof"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """One static junction of four arms with crossings."""
    path = tmp_path_factory.mktemp("plain") / "one.net.xml"
    run_binary(
        "netgenerate",
        ["--grid", "--grid.number", "1", "--grid.attach-length", "200", "-o", str(path), "--tls.guess",
         "--tls.guess.threshold", "1", "--sidewalks.guess", "--crossings.guess", "--no-turnarounds"],
    )  # fmt: skip
    return path


def changed(plain: Path, out: Path, change) -> list:
    """Audit the plain junction with its program rewritten."""
    text = plain.read_text()
    program = re.search(r"<tlLogic.*?</tlLogic>", text, re.DOTALL)[0]
    out.write_text(text.replace(program, change(program)))
    return audit_programs(read_network(out))


def of(findings, check):
    return [one for one in findings if one.check is check]


def test_adlershof_shows_greens_of_one_second(adlershof):
    """Its vehicle link may be green for one second only."""
    (found,) = (one for one in of(adlershof, Check.SHORT_GREEN) if one.junction == "GS_2391105461")
    assert (found.link, found.value, found.bound) == (0, 1.0, 5.0)


def test_adlershof_takes_crossings_away_faster_than_people_walk(adlershof):
    """A crossing of 12.8 m is left 5 s, which asks for 2.6 m/s."""
    found = [one for one in of(adlershof, Check.CUT_CROSSING) if one.link == 22 and "1560223404" in one.junction]
    assert [(one.value, round(one.bound, 1)) for one in found] == [(5.0, 12.8)]
    assert all(one.value < one.bound for one in of(adlershof, Check.CUT_CROSSING))


def test_a_made_up_demand_is_said_to_be_uncalibrated(adlershof):
    """Every figure of the built-in city rests on a demand that nobody counted."""
    (found,) = of(adlershof, Check.UNCALIBRATED)
    assert "SYNTHETIC" in found.what


def test_every_finding_names_its_source_and_what_is_done(adlershof):
    """A finding without a bound's source or a remedy helps nobody."""
    assert all(one.standard and one.remedy and one.what for one in adlershof)


def test_a_missing_yellow_is_found(plain, tmp_path):
    """Green that turns red at once is named, link by link."""
    found = changed(plain, tmp_path / "n.net.xml", lambda text: re.sub(r"y(?=[^\"]*\"/?>)", "r", text))
    assert of(found, Check.NO_YELLOW)
    assert not of(audit_programs(read_network(plain)), Check.NO_YELLOW)


def test_a_short_yellow_is_found(plain, tmp_path):
    """Two seconds of yellow are too few at 50 km/h."""
    found = of(
        changed(
            plain,
            tmp_path / "n.net.xml",
            lambda text: re.sub(r'duration="3"(\s+state="[^"]*y)', r'duration="2"\1', text),
        ),
        Check.SHORT_YELLOW,
    )
    assert found
    assert {(one.value, one.bound) for one in found} == {(2.0, 3.0)}
    assert not of(audit_programs(read_network(plain)), Check.SHORT_YELLOW)


def test_protected_greens_that_cross_are_found(plain, tmp_path):
    """Right of way for every link at once is found as pairs of foes."""

    def all_protected(text):
        return re.sub(r'state="([gGr]+)"', lambda m: f'state="{"G" * len(m[1])}"', text, count=1)

    assert of(changed(plain, tmp_path / "n.net.xml", all_protected), Check.PROTECTED_FOES)
    assert not of(audit_programs(read_network(plain)), Check.PROTECTED_FOES)


def test_a_link_that_is_never_green_is_found(plain, tmp_path):
    """A movement that no phase serves is named."""

    def never_first(text):
        return re.sub(r'state=".', 'state="r', text)

    (found,) = of(changed(plain, tmp_path / "n.net.xml", never_first), Check.NEVER_GREEN)
    assert found.link == 0


def test_a_signal_without_a_green_is_found(plain, tmp_path):
    """A second program that only blinks is a signal without stages."""
    text = plain.read_text()
    blinking = '<tlLogic id="ghost" type="static" programID="0" offset="0"><phase duration="9" state="o"/></tlLogic>'
    first = text.index("<tlLogic")
    out = tmp_path / "n.net.xml"
    out.write_text(text[:first] + blinking + text[first:])
    found = of(audit_network(read_netfile(out), read_network(out)), Check.NO_STAGES)
    assert [one.junction for one in found] == ["ghost"]


def test_odd_speed_limits_are_found(plain, tmp_path):
    """A street of 180 km/h is a slip of somebody's pen."""
    out = tmp_path / "n.net.xml"
    out.write_text(plain.read_text().replace('speed="13.89"', 'speed="50.00"'))
    found = of(audit_network(read_netfile(out), read_network(out)), Check.SPEED)
    assert found
    assert {one.value for one in found} == {50.0}
