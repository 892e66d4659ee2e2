"""From network files to layouts: a grid with crossings, a plain junction, and files that are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.cities.sumo.network import Network, read_network
from cityloop.domains.signals.schema import Lamp, LinkKind, Turn
from cityloop.domains.signals.tables import build_tables
from cityloop.kernel.columns import validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import StreamKind


@pytest.fixture(scope="module")
def network(town: CityCase) -> Network:
    """Two signals in a row with crossings."""
    return read_network(town.net_file)


@pytest.fixture(scope="module")
def plain(plain_city: Callable[..., Path]) -> Path:
    """A lane from the west leads straight on and left; another comes from the east; the rest is exits."""
    return (
        plain_city(
            {"C": (0, 0), "W": (-300, 0), "E": (250, 0), "N": (0, 200)},
            "WC CW EC CE CN",
            "WC>CE WC>CN EC>CW",
            "",
            end_s=10,
            phases=(
                ({"WC>CE": "G", "WC>CN": "g", "EC>CW": "G"}, 30),
                ({"WC>CE": "y", "WC>CN": "y", "EC>CW": "y"}, 3),
                ({"WC>CN": "G", "WC>CE": "G"}, 12),
                ({"WC>CN": "y", "WC>CE": "y"}, 3),
            ),
        ).parent
        / "plain.net.xml"
    )


def test_rows_of_a_junction_are_contiguous_and_cover_the_tables(network: Network) -> None:
    """Links, stages and approaches of one signal follow those of the one before."""
    controllers, assets = network.assets.controllers, network.assets
    for begin, end, rows in (
        (controllers.link_begin, controllers.link_end, len(assets.links.kind)),
        (controllers.stage_begin, controllers.stage_end, len(assets.stages.service)),
        (controllers.approach_begin, controllers.approach_end, len(assets.approaches.lane)),
    ):
        assert begin.tolist() == [0, *end[:-1].tolist()]
        assert end[-1] == rows
    for table in (assets.links, assets.stages, assets.approaches, assets.movements, assets.matrices):
        validate(table)


def test_lamps_are_the_states_letter_by_letter(network: Network) -> None:
    """The lamp table of every stage is its SUMO state."""
    letters = {"r": Lamp.RED, "g": Lamp.PERMISSIVE, "G": Lamp.PROTECTED, "s": Lamp.STOP}
    flat = [letters[c] for states in network.stage_states for state in states for c in state]
    assert network.assets.lamps.tolist() == flat


def test_crossings_are_links_with_a_time_to_clear(network: Network, town: CityCase) -> None:
    """Every crossing is timed by its length at the walking speed; slower people have longer."""
    links = network.assets.links
    crossing = links.kind == LinkKind.CROSSING
    assert crossing.any()
    assert set(np.flatnonzero(crossing)) == set(network.crossing_edges)
    np.testing.assert_allclose(links.clearance_s[crossing], links.length_m[crossing])
    assert not links.clearance_s[~crossing].any()
    slow = read_network(town.net_file, walking_speed_mps=0.8).assets.links
    np.testing.assert_allclose(slow.clearance_s[crossing], links.length_m[crossing] / 0.8)


def test_foes_are_symmetric_and_yielding_is_to_foes(network: Network) -> None:
    """Who gives way does so to somebody whose path crosses its own."""
    controllers, matrices = network.assets.controllers, network.assets.matrices
    for j in range(len(network.tls_ids)):
        n = int(controllers.link_end[j] - controllers.link_begin[j])
        at = int(controllers.matrix_begin[j])
        foe = matrices.foe[at : at + n * n].reshape(n, n)
        yields = matrices.yields[at : at + n * n].reshape(n, n)
        assert (foe == foe.T).all()
        assert not (yields & ~foe).any()
        assert yields.any()


def test_no_shipped_stage_conflicts(network: Network) -> None:
    """What the shipped program shows together is listed, so no stage of its own is unfit."""
    assert not build_tables(network.layout).conflict.any()


def test_turns_speeds_and_streams_of_a_plain_junction(plain: Path) -> None:
    """Two approaches; the western lane's two movements; three area streams a lane and two reports of the signal."""
    network = read_network(plain)
    layout, movements = network.layout, network.assets.movements
    lanes = [layout.names["lanes"][lane] for lane in network.assets.approaches.lane]
    assert sorted(lanes) == ["EC_0", "WC_0"]
    west = lanes.index("WC_0")
    rows = slice(network.assets.approaches.movement_begin[west], network.assets.approaches.movement_end[west])
    assert sorted(movements.turn[rows].tolist()) == [Turn.STRAIGHT, Turn.LEFT]
    assert network.assets.approaches.speed_limit_mps.tolist() == [13.89, 13.89]
    kinds = layout.streams.kind.tolist()
    assert kinds.count(StreamKind.OBJECT_COUNT) == 2
    assert kinds.count(StreamKind.STAGE_SHOWN) == kinds.count(StreamKind.CONTROL_MODE) == 1


def test_the_way_across_the_junction_at_which_a_zone_ends_is_known(plain_city: Callable[..., Path]) -> None:
    """A side street joins before the signal: the longest way over that junction counts; the open end has none."""
    folder = plain_city(
        {"C": (0, 0), "M": (-12, 0), "W": (-300, 0), "S": (-60, -200), "E": (250, 0)},
        "WM SM MC EC CE",
        "WM>MC SM>MC MC>CE",
        "",
        end_s=10,
    ).parent
    network = read_network(folder / "plain.net.xml")
    net = read_netfile(folder / "plain.net.xml")
    approaches = network.assets.approaches
    lanes = [network.layout.names["lanes"][lane] for lane in approaches.lane]
    ways_m = [net.lanes[c.via].length_m for c in net.connections if c.to_edge == "MC" and c.via]
    short = lanes.index("MC_0")
    assert approaches.zone_m[short] < 12
    assert len(ways_m) == 2
    assert approaches.blind_m[short] == pytest.approx(max(ways_m))
    others = [row for row in range(len(lanes)) if row != short]
    assert approaches.blind_m[others].tolist() == [0.0] * len(others)


def test_the_left_turn_yields_to_the_oncoming_lane_alone(plain: Path) -> None:
    """The right-of-way data of the file: left gives way to straight on from the other side, nobody else to anybody."""
    network = read_network(plain)
    n = len(network.assets.links.kind)
    yields = network.assets.matrices.yields.reshape(n, n)
    foe = network.assets.matrices.foe.reshape(n, n)
    turn, approach = network.assets.links.turn, network.assets.links.approach
    (left,) = np.flatnonzero(turn == Turn.LEFT)
    (oncoming,) = np.flatnonzero((turn == Turn.STRAIGHT) & (approach != approach[left]))
    assert np.argwhere(yields).tolist() == [[left, oncoming]]
    assert foe[left, oncoming]
    assert foe.sum() == 2


def test_loops_have_streams_of_their_own(plain: Path) -> None:
    """At the loop level a lane has four streams and none of objects."""
    kinds = read_network(plain, sensing="loops").layout.streams.kind.tolist()
    assert kinds.count(StreamKind.STOP_LINE_COUNT) == kinds.count(StreamKind.ADVANCE_OCCUPANCY) == 2
    assert StreamKind.OBJECT_COUNT not in kinds


def test_signals_in_a_row_know_one_another(network: Network) -> None:
    """A way out of one signal that leads to the next names its approach group, and how far its stop line is."""
    movements, approaches = network.assets.movements, network.assets.approaches
    led = movements.next_group >= 0
    assert led.any()
    own = approaches.junction[movements.approach[led]]
    first_of = {int(group): int(approaches.junction[row]) for row, group in enumerate(approaches.group)}
    assert all(first_of[int(g)] != j for g, j in zip(movements.next_group[led], own, strict=True))
    assert (movements.next_distance_m[led] > 100).all()
    assert (movements.next_distance_m[led] < 200).all()
    fed = {int(g) for g in movements.next_group[led]}
    assert {int(g) for g in approaches.group[approaches.feeders > 0]} == fed


def test_the_same_file_gives_the_same_layout(plain: Path, tmp_path: Path) -> None:
    """The version is the file's digest: equal bytes, equal version, and another for one byte more."""
    copied = tmp_path / "copy.net.xml"
    copied.write_bytes(plain.read_bytes())
    assert read_network(copied).layout.version == read_network(plain).layout.version
    copied.write_bytes(plain.read_bytes() + b"\n")
    assert read_network(copied).layout.version != read_network(plain).layout.version


def test_a_network_without_signals_is_refused(plain: Path, tmp_path: Path) -> None:
    """One line names the file, what is missing and what to do."""
    bare = tmp_path / "bare.net.xml"
    text = re.sub(r"<tlLogic.*?</tlLogic>", "", plain.read_text(), flags=re.DOTALL)
    bare.write_text(text)
    with pytest.raises(LayoutError, match=r"bare\.net\.xml: no traffic signals"):
        read_network(bare)


def test_a_link_without_a_place_in_its_program_is_refused(plain: Path, tmp_path: Path) -> None:
    """A connection numbered past the state's end names the signal and the number."""
    broken = tmp_path / "broken.net.xml"
    broken.write_text(re.sub(r'linkIndex="2"', 'linkIndex="7"', plain.read_text()))
    with pytest.raises(LayoutError, match=r"'C'.*link 7 has no place in a state of 3"):
        read_network(broken)


@pytest.mark.parametrize("content", [None, "", "<net", "<routes/>"])
def test_files_that_are_no_network_are_refused(tmp_path: Path, content: str | None) -> None:
    """A missing file, an empty one, broken XML and other XML are told in one line with the file's name."""
    path = tmp_path / "odd.net.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LayoutError, match=r"odd\.net\.xml") as caught:
        read_network(path)
    assert "\n" not in str(caught.value)
