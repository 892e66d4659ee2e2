"""A city folder in the form that JEMSS ships: read as it says, refused by name."""

import struct
import zipfile

import numpy as np
import pytest

from cityloop.cities.events.jemss import is_jemss, read_jemss
from cityloop.cities.events.raster import tiff_cells
from cityloop.kernel.errors import LayoutError

NODES = """nodes,,,
index,x,y,offRoadAccess,
1.0,10.000,50.000,1.0
2.0,10.010,50.000,1.0
3.0,10.010,50.010,0.0
,
"""
ARCS = """miscData,,,
arcForm,numModes,
directed,2
,
arcs,,,
index,fromNode,toNode,distance,mode_1,mode_2,
1.0,1.0,2.0,0.7,0.0006944444444444445,0.001388888888888889
2.0,2.0,1.0,0.7,0.0006944444444444445,0.001388888888888889
3.0,2.0,3.0,1.1,0.001,0.002
4.0,3.0,2.0,1.1,0.001,0.002
"""
CALLS = """<genConfig><sim><callDistributions>
<interarrivalTime>Exponential(1/(8*24))</interarrivalTime><priority>Categorical([0.75, 0, 0.25])</priority>
<dispatchDelay>Normal(40/60/60/24,0)</dispatchDelay><onSceneDuration>Exponential(12/60/24)</onSceneDuration>
<transport>Bernoulli(0.75)</transport><handoverDuration>Weibull(2.5, 34.3/60/24)</handoverDuration>
</callDistributions></sim></genConfig>
"""
TRAVEL = """travelModes,,
travelModeIndex,offRoadSpeed,note
1,1080,
2,744,
,,
travelSets,,
travelSetIndex,priority,travelModeIndex
1,highPriority,1
1,medPriority,1
1,lowPriority,2
"""


def tiff(width, values):
    """Return a GeoTIFF of doubles in one strip, north-west corner at 10 E, 50.02 N, cells of 0.01 degrees."""
    entries = [
        (256, 3, 1, width), (257, 3, 1, len(values) // width), (258, 3, 1, 64), (259, 3, 1, 1), (273, 4, 1, None),
        (277, 3, 1, 1), (279, 4, 1, 8 * len(values)), (339, 3, 1, 3), (33550, 12, 3, None), (33922, 12, 6, None),
    ]  # fmt: skip
    body = 8 + 2 + 12 * len(entries) + 4
    scale, tie = struct.pack("<3d", 0.01, 0.01, 0.0), struct.pack("<6d", 0, 0, 0, 10.0, 50.02, 0)
    where = {33550: body, 33922: body + 24, 273: body + 72}
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        head += struct.pack("<HHII", tag, kind, count, where.get(tag, value))
    return head + b"\0\0\0\0" + scale + tie + struct.pack(f"<{len(values)}d", *values)


@pytest.fixture
def folder(tmp_path):
    """Return a city of three nodes, its roads zipped."""
    with zipfile.ZipFile(tmp_path / "roads.zip", "w") as archive:
        archive.writestr("nodes.csv", NODES)
        archive.writestr("arcs.csv", ARCS)
    (tmp_path / "people.tif").write_bytes(tiff(2, [1.0, 3.0, -9999.0, 0.0]))
    (tmp_path / "calls_gen_config_test.xml").write_text(CALLS)
    (tmp_path / "travel_1.csv").write_text(TRAVEL)
    (tmp_path / "stations_1.csv").write_text("stations,,\nindex,x,y,capacity\n1,10.0,50.0,5\n")
    (tmp_path / "hospitals_1.csv").write_text("hospitals,,\nindex,x,y,name\n1,10.01,50.01,Saint Anne\n")
    (tmp_path / "ambulances_1.csv").write_text("ambulances,,\nindex,stationIndex,class\n1,1,1\n2,1,1\n")
    return tmp_path


def test_a_folder_is_read_as_it_says(folder):
    """Days become milliseconds, kilometres metres, and a place joins the nearest node of access."""
    case = read_jemss(folder)
    assert is_jemss(folder)
    assert case.unit_name == ("A1", "A2")
    assert case.hospitals.name == ("Saint Anne",)
    assert case.roads.arc_ms[0].tolist() == [60_000, 60_000, 86_400, 86_400]
    assert case.roads.graph.length_m.tolist() == [700.0, 700.0, 1100.0, 1100.0]
    assert case.roads.offroad_mps == pytest.approx((12.5, 744 / 86.4))
    assert case.stations.node.tolist() == [0]
    assert case.hospitals.node.tolist() == [1]
    assert case.calls.per_day == pytest.approx(192)
    assert case.calls.call_taking.first_s == pytest.approx(40)
    assert case.calls.handover.first_s == pytest.approx(34.3 * 60)
    assert case.response_mode.tolist() == [0, 0, 1]


def test_roads_need_not_be_zipped(folder):
    """The same files lie in the folder itself."""
    zipped = read_jemss(folder)
    (folder / "roads.zip").unlink()
    (folder / "nodes.csv").write_text(NODES)
    (folder / "arcs.csv").write_text(ARCS)
    assert np.array_equal(read_jemss(folder).roads.arc_ms[1], zipped.roads.arc_ms[1])


def test_cells_without_people_hold_no_calls(folder):
    """Two of four cells have a weight above zero; the north-west one's south-west corner is 10 E, 50.01 N."""
    cells = tiff_cells(tiff(2, [1.0, 3.0, -9999.0, 0.0]), "people.tif")
    assert cells.weight.tolist() == [1.0, 3.0]
    assert cells.west_deg.tolist() == pytest.approx([10.0, 10.01])
    assert cells.south_deg.tolist() == pytest.approx([50.01, 50.01])


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("ambulances_1.csv", "2,1,1", "2,9,1", "stationIndex 9, must be 1 to 1"),
        ("calls_gen_config_test.xml", "[0.75, 0, 0.25]", "[0.75, 0, 0.5]", "sum to 1"),
        (
            "calls_gen_config_test.xml",
            "Exponential(12/60/24)",
            "__import__('os')",
            "onSceneDuration|must be|cannot|not a",
        ),
        ("calls_gen_config_test.xml", "</genConfig>", "", "not well-formed"),
        ("people.tif", "", "", "uncompressed single-band GeoTIFF"),
    ],
)
def test_what_cannot_be_read_is_named(folder, name, old, new, told):
    """One line with the file and what it must be."""
    path = folder / name
    path.write_text(path.read_text().replace(old, new, 1)) if old else path.write_bytes(b"II*\0nothing")
    with pytest.raises(LayoutError, match=told) as caught:
        read_jemss(folder)
    assert name in str(caught.value)


def test_a_folder_without_roads_says_so(folder):
    """It names what is missing."""
    (folder / "roads.zip").unlink()
    with pytest.raises(LayoutError, match=r"roads\.zip"):
        read_jemss(folder)
