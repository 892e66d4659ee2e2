"""The report: whole, honest, and readable without network, script or colour."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from cityloop.studies.report import render_report, write_report
from cityloop.studies.scorecard import write_scorecard

_VOID = {"meta", "br", "img"}


class _Page(HTMLParser):
    """Checks that elements nest, and gathers what a screen reader depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(make_run) -> str:
    """The report of two arms on two seeds."""
    runs = []
    for arm, longer_s in (("fixed", 0.0), ("brain", 8.0)):
        for seed in (1, 2):
            folder = make_run(f"x/{arm}/{seed}", arm=arm, seed=seed, longer_s=longer_s + seed)
            write_scorecard(folder)
            runs.append(folder)
    return render_report(runs)


def test_it_needs_nothing_from_elsewhere(page) -> None:
    """No script, no link to a file, no address but the name of SVG's namespace."""
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "url(" not in page


def test_its_elements_nest(page) -> None:
    """Every element that is opened is closed, in order."""
    parser = _Page()
    parser.feed(page)
    assert parser.open == []


def test_pictures_and_tables_speak(page) -> None:
    """Every picture has a title it is labelled by, every table a caption and header cells with a scope."""
    parser = _Page()
    parser.feed(page)
    ids = [attributes["id"] for _, attributes in parser.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in parser.seen if tag == "svg"]
    assert len(pictures) >= 3
    assert all(picture["aria-labelledby"] in ids for picture in pictures)
    tags = [tag for tag, _ in parser.seen]
    assert tags.count("table") == tags.count("caption") > 0
    assert all("scope" in attributes for tag, attributes in parser.seen if tag == "th")
    assert tags.count("h1") == 1


def test_it_says_what_it_is(page) -> None:
    """Simulated, how far calibrated, and the verdict in words stand at the top."""
    top = re.sub(r"<[^>]*>", "", page.split("<h2>")[0].split("</style>")[1])
    assert "SIMULATED" in top
    assert "SYNTHETIC DEMAND, UNCALIBRATED" in top
    assert "Brain is worse than fixed by" in top


def test_losses_are_named(page) -> None:
    """What got worse has its own heading and its measures."""
    section = page.split("What got worse")[1].split("<h2>")[0]
    assert "Mean delay" in section


def test_one_run_alone_compares_nothing(make_run, tmp_path) -> None:
    """A single run has a report too, and it says that nothing is compared."""
    folder = make_run()
    write_scorecard(folder)
    page = write_report([folder], tmp_path / "report.html").read_text()
    assert "nothing is compared" in page
    assert "What got worse" not in page


def test_names_are_escaped(make_run) -> None:
    """A name from a file cannot become markup."""
    folder = make_run(arm="fixed", calibration="<b>&")
    write_scorecard(folder)
    assert "&lt;b&gt;&amp;" in render_report([folder])


def test_the_same_runs_give_the_same_bytes(make_run) -> None:
    """A report holds no time of writing and no chance."""
    folder = make_run()
    write_scorecard(folder)
    assert render_report([folder]) == render_report([folder])
