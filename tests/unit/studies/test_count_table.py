"""Counts are checked row by row, and a fault is told with its file, row and link."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityloop.kernel.errors import InputError
from cityloop.studies.count_table import CountRow, read_counts, read_journeys

NET = Path("town.net.xml")
EDGES = {"a", "b"}


def test_counts_are_read(tmp_path: Path) -> None:
    """Columns are found by name, whatever their order and company."""
    file = tmp_path / "counts.csv"
    file.write_text("begin_s,end_s,edge,site,count\n0,900,a,x,12\n900,1800,a,x,7.5\n")
    assert read_counts(file, EDGES, NET) == (
        CountRow(edge="a", begin_s=0, end_s=900, count_veh=12),
        CountRow(edge="a", begin_s=900, end_s=1800, count_veh=7.5),
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "a,0,900,1\nfoo,0,900,1",
            (", row 3: edge 'foo' is not a link that cars may use in town.net.xml; correct the name or remove the row"),
        ),
        ("a,0,900,many", ", row 2: count is 'many'; give a number"),
        ("a,0,900,nan", ", row 2: count is 'nan'; give a number"),
        ("a,0,900,-1", ", row 2: count is -1; give 0 or more vehicles"),
        ("a,900,900,1", ", row 2: end_s is 900, not after begin_s 900; give a later end_s"),
        (
            "a,0,900,1\na,600,1200,2",
            ", row 3: link 'a' is counted twice in 600-1200 s (see row 2); keep one of the two",
        ),
        ("a,0,900", ", row 2: too few values; give edge,begin_s,end_s,count"),
        ("", ": no counts; add rows under edge,begin_s,end_s,count"),
    ],
)
def test_bad_row_is_refused(tmp_path: Path, rows: str, said: str) -> None:
    """Each fault is one line with file, row, value and fix."""
    file = tmp_path / "counts.csv"
    file.write_text(f"edge,begin_s,end_s,count\n{rows}\n" if rows else "edge,begin_s,end_s,count\n")
    with pytest.raises(InputError) as caught:
        read_counts(file, EDGES, NET)
    assert str(caught.value) == f"{file}{said}"


def test_missing_column_is_refused(tmp_path: Path) -> None:
    """A table without a column names it and the whole header."""
    file = tmp_path / "counts.csv"
    file.write_text("edge,begin_s,end_s,flow\na,0,900,1\n")
    with pytest.raises(InputError) as caught:
        read_counts(file, EDGES, NET)
    assert str(caught.value) == f"{file}, row 1: no column 'count'; the first row must be edge,begin_s,end_s,count"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"gone\.csv: cannot be read .*; give a CSV file in UTF-8"):
        read_counts(tmp_path / "gone.csv", EDGES, NET)


def test_journey_times_must_be_positive(tmp_path: Path) -> None:
    """A journey of no seconds is refused with its row."""
    file = tmp_path / "times.csv"
    file.write_text("from_edge,to_edge,begin_s,end_s,travel_time_s\na,b,0,900,0\n")
    with pytest.raises(InputError, match="row 2: travel_time_s is 0; give a positive number of seconds"):
        read_journeys(file, EDGES, NET)
