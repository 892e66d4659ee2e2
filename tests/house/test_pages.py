"""Pages keep up with the code: the nomenclature with the declared columns, links with the files."""

from __future__ import annotations

import re
import runpy

import pytest

from cityloop.kernel.columns import columns_of


@pytest.fixture(scope="module")
def generator(checkout) -> dict[str, object]:
    """The names of the page's generator."""
    return runpy.run_path(str(checkout / "docs" / "nomenclature.py"))


def test_every_declared_column_is_on_the_page(generator, checkout):
    """Name, unit, range and axis stand there as declared; when this fails, run python docs/nomenclature.py."""
    sections = (checkout / "docs" / "nomenclature.md").read_text(encoding="utf-8").split("\n### ")
    section_of = {section.split("\n")[0]: section for section in sections}
    missing = [
        f"{table.__name__}: {row}"
        for _, table in generator["tables"]()
        for named in columns_of(table)
        if (row := generator["row"](named.name, named.column)) not in section_of.get(table.__name__, "")
    ]
    assert missing == []


def test_the_page_names_no_table_that_is_gone(generator, checkout):
    """A table that is declared no longer leaves the page as well."""
    page = (checkout / "docs" / "nomenclature.md").read_text(encoding="utf-8")
    told = {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    assert told == {table.__name__ for _, table in generator["tables"]()}


def test_pages_link_to_files_that_are_there(checkout):
    """A link of a page leads to a file of the repository."""
    pages = [*checkout.glob("*.md"), *(checkout / "docs").rglob("*.md"), *(checkout / "src").rglob("*.md")]
    pages += [checkout / "benchmarks" / "README.md"]
    broken = [
        f"{page.relative_to(checkout)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target.split("#")[0]).exists()
    ]
    assert broken == []
