"""Tests of a city's own months beside the served data."""

from __future__ import annotations

from typing import Any

import pytest

from cityloop.studies.month.rates import RateCertificate
from cityloop.studies.month.study import Certificate
from cityloop.studies.scorecard import write_json


@pytest.fixture
def room_with_month(room: Any) -> Any:
    """A room beside which a month was studied, by the command's own structs."""
    rate = RateCertificate(
        days=40, learned_days=20, checked_days=10, n=960, mean=5.0, bias=0.1, mae=1.2, mase=0.8, coverage=0.91,
        calibrated=True,
    )  # fmt: skip
    found = Certificate(
        cityloop_version="0", inputs={"counts.csv": "00"}, kinds={"counts": 3840}, set_aside=2, examples=(),
        begin="2026-05-01", end="2026-06-09", days=40, whole_days=39, rates={"counts": rate}, signals=(), calls=None,
        weighings=None, seed=1, warnings=("One detector is unfit.",),
    )  # fmt: skip
    room.desk.months = room.folder / "months"
    folder = room.desk.months / "spring"
    folder.mkdir(parents=True)
    write_json(folder / "certificate.json", found)
    (folder / "certificate.html").write_text("<!doctype html><title>spring</title>", encoding="utf-8")
    return room


def test_a_month_is_listed_with_its_certificate_and_its_page(room_with_month: Any) -> None:
    """What the command wrote is what the page shows: coverage, verdict, warnings."""
    client = room_with_month.client("viewer")
    (one,) = client.get("/api/v1/months").json()["items"]
    assert (one["name"], one["days"], one["fault"]) == ("spring", 40, None)
    assert one["rates"][0]["calibrated"] is True
    assert one["rates"][0]["rows"] == 3840
    assert one["warnings"] == ["One detector is unfit."]
    assert "spring" in client.get("/api/v1/months/spring").text


def test_a_file_cut_short_is_named_and_hides_no_other(room_with_month: Any) -> None:
    """A certificate that cannot be read says so in its own line."""
    broken = room_with_month.desk.months / "autumn"
    broken.mkdir()
    (broken / "certificate.json").write_text('{"begin": "2026')
    items = room_with_month.client("viewer").get("/api/v1/months").json()["items"]
    faults = {one["name"]: one["fault"] for one in items}
    assert faults["spring"] is None
    assert "cannot be read" in faults["autumn"]


@pytest.mark.parametrize("name", ["..", "%2e%2e", "nothing", "a%2fb", ".hidden"])
def test_no_name_leads_out_of_the_folder(room_with_month: Any, name: str) -> None:
    """Only a folder's plain name is looked for."""
    assert room_with_month.client("viewer").get(f"/api/v1/months/{name}").status_code == 404
