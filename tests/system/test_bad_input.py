"""Bad input, given to the command line as a user would: one line that says what and where, and nothing left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cityloop.cities.sumo.sumo_tools import run_binary

ROUTES = '<routes><vehicle id="v" depart="0"><route edges="left0A0 A0right0"/></vehicle></routes>\n'
STRANGERS = '<routes><vehicle id="v" depart="0"><route edges="left0A0 elsewhere"/></vehicle></routes>\n'
TOML = 'name = "mine"\nnetwork = "one.net.xml"\nroutes = ["one.rou.xml"]\nbegin_s = 0\nend_s = 60\n'


@pytest.fixture(scope="module")
def junction(tmp_path_factory) -> Path:
    """One signal with four arms, without it, and with a program that lets crossing streams go at once."""
    folder = tmp_path_factory.mktemp("junction")
    shape = ["--grid", "--grid.number", "1", "--grid.attach-length", "100", "--no-turnarounds"]
    run_binary("netgenerate", [*shape, "--tls.set", "A0", "-o", str(folder / "one.net.xml")])
    run_binary("netgenerate", [*shape, "-o", str(folder / "none.net.xml")])
    text = (folder / "one.net.xml").read_text()
    first = re.search(r'(?<=state=")[GgrsyY]+', text)
    assert first is not None
    all_green = text[: first.start()] + "G" * len(first[0]) + text[first.end() :]
    (folder / "conflict.net.xml").write_text(all_green)
    return folder


@pytest.fixture
def city(junction, tmp_path) -> Path:
    """A sound city folder in an otherwise empty place, and its neighbours: demands that do not fit."""
    (tmp_path / "mine").mkdir()
    for name in ("one.net.xml", "none.net.xml", "conflict.net.xml"):
        (tmp_path / name).write_bytes((junction / name).read_bytes())
    (tmp_path / "mine" / "one.net.xml").write_bytes((junction / "one.net.xml").read_bytes())
    (tmp_path / "mine" / "one.rou.xml").write_text(ROUTES)
    (tmp_path / "mine" / "city.toml").write_text(TOML)
    (tmp_path / "one.rou.xml").write_text(ROUTES)
    (tmp_path / "strangers.rou.xml").write_text(STRANGERS)
    rows = [f"{edge},0,900,5" for edge in ("left0A0", "A0right0", "top0A0", "A0bottom0", "nowhere")]
    (tmp_path / "counts.csv").write_text("\n".join(["edge,begin_s,end_s,count", *rows, ""]))
    return tmp_path


def cityloop(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cityloop", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }


INIT = ("init", "new", "--out", "new", "--net")
HOURS = ("--begin", "0", "--end", "60")
RUN = ("run", "mine", "--control", "shipped", "--out", "ran")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*INIT, "gone.net.xml"), "gone.net.xml: cannot be read (No such file or directory)"),
        (("run", "gone.sumocfg", "--out", "ran"), "gone.sumocfg: "),
        (("report", "gone"), "gone: no such folder"),
        (("replay", "gone"), "gone: not a run folder"),
        (("run", "mine", "--control", "fixed-tuned", "--plans", "gone.json", "--out", "ran"), "gone.json: "),
        ((*RUN, "--faults", "gone.toml"), "gone.toml: "),
        (("calibrate", "mine", "--counts", "gone.csv"), "gone.csv: "),
        ((*INIT, "none.net.xml", *HOURS), "none.net.xml: no <tlLogic>"),
        (
            (*INIT, "one.net.xml", "--routes", "strangers.rou.xml", *HOURS),
            "strangers.rou.xml: vehicle 'v' uses edge 'elsewhere', which one.net.xml does not have",
        ),
        (
            (*INIT, "conflict.net.xml", *HOURS),
            "conflict.net.xml: <tlLogic id='A0'>, phase 0: links 0 and ",
        ),
        ((*INIT, "one.net.xml", "--begin", "08:00", "--end", "07:00"), "end 25200 s is not after begin 28800 s"),
        ((*RUN, "--begin", "50", "--end", "20"), "end 20 s is not after begin 50 s"),
        ((*INIT, "one.net.xml", "--counts", "counts.csv"), "counts.csv, row 6: edge 'nowhere' is not a link"),
        (
            ("calibrate", "mine", "--counts", "counts.csv"),
            "counts.csv, row 6: edge 'nowhere' is not a link",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(arguments, said, city):
    """One line on standard error names the file and the fault, the exit code is 1, and no file has come or gone."""
    before = contents(city)
    done = cityloop(city, arguments)
    (line,) = done.stderr.splitlines()
    assert line.startswith("cityloop: error: "), line
    assert said in line
    assert done.returncode == 1
    assert done.stdout == ""
    assert contents(city) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("begin_s = 0\n", "begin_s = 0\nbeginn_s = 1\n", "city.toml: unknown key 'beginn_s'; did you mean 'begin_s'?"),
        ("begin_s = 0\n", "begin_s = 90\n", "city.toml: end_s is 60, not after begin_s 90"),
        ("one.rou.xml", "gone.rou.xml", "city.toml: routes names 'gone.rou.xml', but there is no file"),
        ("one.rou.xml", "../strangers.rou.xml", "vehicle 'v' uses edge 'elsewhere'"),
        ("one.net.xml", "../none.net.xml", "none.net.xml: no <tlLogic>"),
    ],
)
def test_bad_city_folder_is_one_line_and_runs_nothing(old, new, said, city):
    """A fault of a city folder is told before SUMO starts and before the run folder is made."""
    toml = city / "mine" / "city.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new))
    before = contents(city)
    done = cityloop(city, RUN)
    (line,) = done.stderr.splitlines()
    assert line.startswith("cityloop: error: "), line
    assert said in line
    assert done.returncode == 1
    assert done.stdout == ""
    assert contents(city) == before


def test_a_city_that_is_driven_with_conflicting_greens_can_be_measured_all_the_same(city):
    """What a new city is refused for, a run of an old one says in one line, and a doctor lists; both go on."""
    toml = city / "mine" / "city.toml"
    toml.write_text(toml.read_text().replace("one.net.xml", "../conflict.net.xml"))
    ran = cityloop(city, RUN)
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("cityloop: warning: "), line
    assert "conflict.net.xml: <tlLogic id='A0'>, phase 0: links 0 and " in line
    listed = cityloop(city, ("doctor", "mine"))
    assert listed.returncode == 0, listed.stderr
    assert "protected greens that cross" in listed.stdout


def test_a_control_that_learns_nothing_from_its_sensors_says_so(city):
    """From loops no policy decides anything yet: the run goes on under the own plans, and one line tells."""
    ran = cityloop(city, (*RUN, "--control", "brain", "--sensing", "loops"))
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("cityloop: warning: brain learns nothing from loops"), line
