"""A city is resolved to one checked case, or refused in one line that names file, element and fix."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from cityloop.cities.sumo.city_toml import CalibrationRecord, decode_city_toml, new_folder, write_calibration
from cityloop.cities.sumo.folder import builtin_cities, copy_case, files_digest, observed_routes, resolve_city
from cityloop.kernel.errors import ConfigError, InputError

NET = """<net>
    <edge id=":J_0" function="internal"><lane id=":J_0_0" length="5" speed="10"/></edge>
    <edge id="in" from="A" to="J"><lane id="in_0" length="100" speed="10"/></edge>
    <edge id="out" from="J" to="B"><lane id="out_0" length="100" speed="10"/></edge>
    <edge id="path" from="J" to="B"><lane id="path_0" length="100" speed="1.4" allow="pedestrian"/></edge>
    <tlLogic id="J" type="static" programID="0" offset="0"><phase duration="60" state="G"/></tlLogic>
    <connection from="in" to="out" fromLane="0" toLane="0" tl="J" linkIndex="0"/>
</net>
"""
ROUTES = '<routes><vehicle id="v" depart="0"><route edges="in out"/></vehicle></routes>\n'
TOML = 'name = "toy"\nnetwork = "n.net.xml"\nroutes = ["r.rou.xml"]\nbegin_s = 0\nend_s = 60\n'


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A small and sound city folder."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "n.net.xml").write_text(NET)
    (folder / "r.rou.xml").write_text(ROUTES)
    (folder / "city.toml").write_text(TOML)
    return folder


def record(folder: Path, share: float = 0.9) -> CalibrationRecord:
    (folder / "fit.rou.xml").write_text(ROUTES)
    return CalibrationRecord(
        demand=("fit.rou.xml",),
        method="flow-fit",
        seed=1,
        share_geh_below_5=share,
        median_geh=1.0,
        share_geh_below_5_fitted=1.0,
        held_out_links=("in", "out"),
        sumo_version="1.28.0",
        counts_digest="0" * 64,
        inputs_digest=files_digest((folder / "n.net.xml", folder / "fit.rou.xml")),
    )


def refusal(text: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        resolve_city(str(text))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_folder_is_read_into_one_case(city: Path) -> None:
    """Names become paths beside city.toml, and what is not said has its default."""
    case = resolve_city(str(city))
    assert (case.name, case.begin_s, case.end_s, case.zone) == ("toy", 0.0, 60.0, "UTC")
    assert case.net_file == city / "n.net.xml"
    assert case.route_files == (city / "r.rou.xml",)
    assert (case.walking_speed_mps, case.synthetic, case.sumocfg, case.plans_dir) == (1.0, False, None, None)


def test_digest_is_that_of_the_bytes(city: Path) -> None:
    """The digest is SHA-256 over each file's length and bytes, and changes with either file."""
    expected = hashlib.sha256()
    for name in ("n.net.xml", "r.rou.xml"):
        content = (city / name).read_bytes()
        expected.update(len(content).to_bytes(8, "big") + content)
    assert resolve_city(str(city)).digest == expected.hexdigest()
    (city / "r.rou.xml").write_text(ROUTES + " ")
    assert resolve_city(str(city)).digest != expected.hexdigest()


def test_builtin_cities_resolve_by_name() -> None:
    """Every city that ships is found by its name and is sound."""
    for name in builtin_cities():
        assert resolve_city(name).name == name


def test_sumocfg_lists_are_relative_to_it(city: Path, tmp_path: Path) -> None:
    """File lists of a sumocfg are apart by commas or blanks, and relative to the configuration."""
    (city / "second.rou.xml").write_text(ROUTES)
    config = city / "toy.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="n.net.xml"/><r v="r.rou.xml, second.rou.xml"/></input>'
        '<time><begin value="0:07:00:00"/><end value="7:30:00"/></time></configuration>'
    )
    case = resolve_city(str(config))
    assert case.route_files == (city / "r.rou.xml", city / "second.rou.xml")
    assert (case.begin_s, case.end_s, case.sumocfg) == (25_200.0, 27_000.0, config)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("end_s = 60", "end_s = 60\nbeginn_s = 1", "unknown key 'beginn_s'; did you mean 'begin_s'?"),
        ("begin_s = 0", "begin_s = 90", "end_s is 60, not after begin_s 90; give a later end_s"),
        ("begin_s = 0", 'begin_s = "7:00"', "key 'begin_s' is of type str; give float"),
        ("begin_s = 0", "begin_s = -5", "begin_s is -5; give seconds since midnight, 0 or more"),
        ('name = "toy"\n', "", "key 'name' is missing; add it"),
        (
            "end_s = 60",
            'end_s = 60\nzone = "Mars"',
            "zone 'Mars' is not an IANA time zone; give one such as ",
        ),
        ("end_s = 60", "end_s = 60\nwalking_speed_mps = 1.4", "walking_speed_mps is 1.4; give 1.0 or 0.8"),
        ("end_s = 60", "end_s = ", "not valid TOML (Invalid value (at line 5, column 9)); correct that line"),
        ('"n.net.xml"', '"m.net.xml"', "network names 'm.net.xml', but there is no file "),
        ('"r.rou.xml"', '"x.rou.xml"', "routes names 'x.rou.xml', but there is no file "),
        ("end_s = 60", "end_s = 60\n[calibration]\nsed = 1", "unknown key 'calibration.sed'; did you mean "),
    ],
)
def test_bad_city_toml_is_refused(city: Path, old: str, new: str, said: str) -> None:
    """Each fault of city.toml is one line that names the file, the key and the fix."""
    assert old in TOML
    (city / "city.toml").write_text(TOML.replace(old, new))
    assert refusal(city).startswith(f"{city / 'city.toml'}: {said}")


def test_network_without_signals_is_refused(city: Path) -> None:
    """A city without a signal program has nothing to run."""
    (city / "n.net.xml").write_text(NET.replace("tlLogic", "other"))
    assert refusal(city) == (
        f"{city / 'n.net.xml'}: no <tlLogic>, so there is no signal to run; "
        "add signals, for example with netconvert --tls.guess"
    )


def test_routes_of_another_network_are_refused(city: Path) -> None:
    """The first stranger is named with its edge, and all are counted."""
    (city / "r.rou.xml").write_text(
        '<routes><trip id="a" depart="0" from="in" to="out"/><trip id="b" depart="1" from="in" to="gone"/>'
        '<vehicle id="c" depart="2"><route edges="lost in"/></vehicle></routes>'
    )
    assert refusal(city) == (
        f"{city / 'r.rou.xml'}: trip 'b' uses edge 'gone', which {city / 'n.net.xml'} does not have "
        "(2 of 3 routes and trips do so); give routes made for this network"
    )


def test_broken_xml_is_refused_with_its_line(city: Path) -> None:
    """A demand file that breaks off is named with the line where it does."""
    (city / "r.rou.xml").write_text("<routes>\n<trip id=\n")
    assert refusal(city).startswith(f"{city / 'r.rou.xml'}, line 2: not well-formed XML (")


def test_routes_given_as_network_are_refused(city: Path) -> None:
    """The root element tells a network from other files."""
    (city / "n.net.xml").write_text(ROUTES)
    assert refusal(city) == (
        f"{city / 'n.net.xml'}: root element is <routes>, not <net>; give a SUMO network (.net.xml)"
    )


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("", 'no <end>; add <end value="SECONDS"/> under <time>'),
        ('<begin value="9"/><end value="8"/>', "<end> is 8, not after <begin> 9; give a later <end>"),
        ('<begin value="soon"/><end value="8"/>', "<begin> is 'soon'; give seconds or HH:MM:SS"),
    ],
)
def test_bad_hours_of_a_sumocfg_are_refused(city: Path, time: str, said: str) -> None:
    """A sumocfg must say when it begins and ends."""
    config = city / "toy.sumocfg"
    config.write_text(f'<configuration><net-file value="n.net.xml"/>{time}</configuration>')
    assert refusal(config) == f"{config}: {said}"


def test_missing_file_of_a_sumocfg_is_refused(city: Path) -> None:
    """A file that a sumocfg names and nobody has is named with the option."""
    config = city / "toy.sumocfg"
    config.write_text('<configuration><net-file value="gone.net.xml"/><end value="8"/></configuration>')
    assert refusal(config) == (
        f"{config}: <net-file> names {city / 'gone.net.xml'}, which does not exist; correct the name"
    )


def test_unknown_city_is_refused_with_the_way_out(city: Path) -> None:
    """A bare network is pointed to init, a folder without city.toml too, a near miss to its name."""
    assert refusal(city / "n.net.xml").endswith(f"cityloop init NAME --net {city / 'n.net.xml'}")
    (city / "city.toml").unlink()
    assert refusal(city).startswith(f"{city / 'city.toml'}: not there; make a city with cityloop init NAME")
    assert refusal("nowhere").startswith("nowhere: no such built-in city (")


def test_label_needs_proof_that_still_holds(city: Path) -> None:
    """Calibrated means 85 % of held-out links under GEH 5, on these very files; anything less is not."""
    assert resolve_city(str(city)).calibration_label() == "UNCALIBRATED"
    proved = record(city)
    write_calibration(city / "city.toml", proved)
    assert resolve_city(str(city)).calibration_label() == "CALIBRATED"
    write_calibration(city / "city.toml", msgspec.structs.replace(proved, share_geh_below_5=0.84))
    assert resolve_city(str(city)).calibration_label() == "UNCALIBRATED"
    write_calibration(city / "city.toml", msgspec.structs.replace(proved, held_out_links=()))
    assert resolve_city(str(city)).calibration_label() == "UNCALIBRATED"
    write_calibration(city / "city.toml", proved)
    (city / "fit.rou.xml").write_text(ROUTES + " ")
    assert resolve_city(str(city)).calibration_label() == "UNCALIBRATED"


def test_made_up_demand_is_always_labelled(city: Path) -> None:
    """A synthetic demand says so until counts replace it."""
    (city / "city.toml").write_text(TOML + "synthetic = true\n")
    assert resolve_city(str(city)).calibration_label() == "SYNTHETIC DEMAND, UNCALIBRATED"
    write_calibration(city / "city.toml", record(city))
    case = resolve_city(str(city))
    assert case.calibration_label() == "CALIBRATED"
    assert case.route_files == (city / "fit.rou.xml",)
    assert observed_routes(case) == ()


def test_calibration_leaves_the_owners_lines(city: Path) -> None:
    """A record replaces the one before; every other line of city.toml stays, comments included."""
    own = TOML + "# ours\n\n[assets]\n# bins\n"
    (city / "city.toml").write_text(own)
    write_calibration(city / "city.toml", record(city, 0.5))
    write_calibration(city / "city.toml", record(city, 0.9))
    text = (city / "city.toml").read_text()
    assert text.startswith(own)
    assert text.count("[calibration]") == 1
    assert decode_city_toml(city / "city.toml").calibration == record(city, 0.9)


def test_copied_case_is_the_same_city(city: Path, tmp_path: Path) -> None:
    """A copy resolves to the same bytes and values, under its own folder."""
    (city / "plans").mkdir()
    (city / "plans" / "p.toml").write_text("x = 1\n")
    case = resolve_city(str(city))
    (tmp_path / "copy").mkdir()
    copy_case(case, tmp_path / "copy")
    copy = resolve_city(str(tmp_path / "copy"))
    assert (copy.digest, copy.name, copy.end_s) == (case.digest, case.name, case.end_s)
    assert copy.plans_dir == tmp_path / "copy" / "plans"


def test_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error inside leaves neither the folder nor a part of it."""
    target = tmp_path / "made"
    with pytest.raises(FileNotFoundError), new_folder(target) as part:
        (part / "file").write_text((part / "missing").read_text())
    assert list(tmp_path.iterdir()) == []
    with new_folder(target) as part:
        (part / "file").write_text("whole")
        assert not target.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "file"]


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    """A folder that holds anything is left alone; an empty one is taken."""
    (tmp_path / "kept").write_text("mine")
    refused = "already there and not an empty folder; give another --out"
    with pytest.raises(ConfigError, match=refused), new_folder(tmp_path):
        pass
    assert (tmp_path / "kept").read_text() == "mine"
