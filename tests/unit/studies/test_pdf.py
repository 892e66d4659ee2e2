"""Reports as PDF: by the browser that is installed, or one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityloop.kernel.errors import CityloopError, ConfigError
from cityloop.studies.pdf import print_pdf, usual_chromium


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "monday.html"
    path.write_text("<!doctype html><title>Monday</title><p>Delay 40 s", encoding="utf-8")
    return path


@pytest.mark.skipif(not usual_chromium().is_file(), reason="no browser here (Debian: apt install chromium)")
def test_a_page_is_printed_beside_itself(page: Path) -> None:
    """A real browser prints a real PDF."""
    made = print_pdf(page)
    assert made == page.with_suffix(".pdf")
    assert made.read_bytes().startswith(b"%PDF-")


def test_no_browser_is_said_in_one_line(page: Path, tmp_path: Path) -> None:
    """The line names what is missing and two ways out; nothing is written."""
    with pytest.raises(ConfigError, match="apt install chromium") as told:
        print_pdf(page, tmp_path / "no-browser")
    assert "\n" not in str(told.value)
    assert not page.with_suffix(".pdf").exists()


def test_a_browser_that_fails_leaves_nothing_behind(page: Path, tmp_path: Path) -> None:
    """What it complained of last is in the line."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'cannot open display' >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(CityloopError, match=r"ended with 3 and printed nothing \(cannot open display"):
        print_pdf(page, broken)
    assert not page.with_suffix(".pdf").exists()
