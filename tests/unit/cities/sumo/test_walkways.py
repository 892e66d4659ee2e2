"""What may and may not change when sidewalks come in."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET

import pytest

from cityloop.cities.sumo.walkways import raised_edges, write_raised
from cityloop.kernel.errors import InputError, LayoutError


def net(lanes: dict[str, int], links: list[tuple[str, int, str, int, int]]) -> ET.Element:
    """A network of edges with so many lanes, and connections under signal J."""
    edges = "".join(f'<edge id="{name}">{"<lane/>" * count}</edge>' for name, count in lanes.items())
    ways = "".join(
        f'<connection from="{a}" fromLane="{i}" to="{b}" toLane="{j}" tl="J" linkIndex="{k}"/>'
        for a, i, b, j, k in links
    )
    return ET.fromstring(f"<net>{edges}{ways}</net>")


SHIPPED = net({"a": 1, "b": 2}, [("a", 0, "b", 1, 0)])


def test_an_edge_that_gained_a_lane_is_raised(tmp_path):
    """Its connections are one lane higher, and the rest is the same."""
    assert raised_edges(SHIPPED, net({"a": 2, "b": 2}, [("a", 1, "b", 1, 0)]), tmp_path) == {"a"}


@pytest.mark.parametrize(
    ("lanes", "links", "message"),
    [
        ({"a": 1}, [("a", 0, "b", 1, 0)], "did not keep edge 'b'"),
        ({"a": 3, "b": 2}, [("a", 0, "b", 1, 0)], "edge 'a' changed by 2 lanes"),
        ({"a": 1, "b": 2}, [("a", 0, "b", 1, 4)], "changed the connection a_0 to b_1"),
        ({"a": 1, "b": 2}, [], "changed the connection a_0 to b_1"),
    ],
)
def test_any_other_change_is_refused(tmp_path, lanes, links, message):
    """A lost edge, odd lanes or another signal index would break the shipped program or routes."""
    with pytest.raises(LayoutError, match=message):
        raised_edges(SHIPPED, net(lanes, links), tmp_path / "town.net.xml")


def test_lanes_of_detectors_move_up(tmp_path):
    """An additional file's lanes of raised edges are one higher, those of others stay."""
    path = tmp_path / "detectors.add.xml"
    path.write_text('<additional><e1Detector id="d" lane="a_0"/><laneAreaDetector lanes="a_0 b_1"/></additional>')
    (tmp_path / "out").mkdir()
    moved = ET.parse(write_raised(path, tmp_path / "out", frozenset({"a"}))).getroot()
    assert [moved[0].get("lane"), moved[1].get("lanes")] == ["a_1", "a_1 b_1"]


def test_compressed_files_stay_compressed_and_repeatable(tmp_path):
    """A .gz file is read and written as one, without a time stamp."""
    path = tmp_path / "a.rou.xml.gz"
    path.write_bytes(gzip.compress(b'<routes><trip from="a" to="b" departLane="0"/></routes>'))
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written.append(write_raised(path, tmp_path / name, frozenset({"a"})).read_bytes())
    assert written[0] == written[1]
    assert ET.fromstring(gzip.decompress(written[0]))[0].get("departLane") == "1"


def test_programs_outside_the_network_are_refused(tmp_path):
    """They would override the extended program with states too short for it."""
    path = tmp_path / "tls.add.xml"
    path.write_text('<additional><tlLogic id="J"/></additional>')
    with pytest.raises(InputError, match="holds a <tlLogic>"):
        write_raised(path, tmp_path / "out", frozenset())


def test_files_of_one_name_are_refused(tmp_path):
    """Two inputs would become one file in the new folder."""
    path = tmp_path / "same.xml"
    path.write_text("<routes/>")
    with pytest.raises(InputError, match="same name; rename one"):
        write_raised(path, tmp_path, frozenset())
