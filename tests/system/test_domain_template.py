"""A new domain passes everything as it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The longest name allowed, so that no line of the template can grow past the limit.
NAME = "streetlightsatnights"
MODULES = ("-p", f"cityloop.domains.{NAME}", "-p", f"cityloop.cities.toy.{NAME}")
WRITTEN = (f"src/cityloop/domains/{NAME}", f"src/cityloop/cities/toy/{NAME}.py", f"tests/unit/domains/{NAME}")


@pytest.fixture(scope="module")
def grown(checkout, tmp_path_factory) -> Path:
    """A copy of the tree with a domain just written into it."""
    copy = tmp_path_factory.mktemp("grown")
    shutil.copy(checkout / "pyproject.toml", copy)
    ignore = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(checkout / "src", copy / "src", ignore=ignore)
    (copy / "tests").mkdir()
    shutil.copy(checkout / "tests/conftest.py", copy / "tests")
    shutil.copytree(checkout / "tests/support", copy / "tests/support", ignore=ignore)
    done = tool(copy, "cityloop", "new", "domain", NAME)
    assert done.returncode == 0, done.stderr
    return copy


def tool(folder: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools installed beside this Python, on the copy and not on the checkout."""
    return subprocess.run(
        [Path(sys.executable).with_name(name), *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "check", "--no-cache", *WRITTEN),
        ("ruff", "format", "--check", "--no-cache", *WRITTEN),
        ("mypy", "--cache-dir", os.devnull, *MODULES),
        ("lint-imports", "--no-cache", "--no-logo"),
        ("pytest", "-p", "no:cacheprovider", "-p", "no:xdist", WRITTEN[2]),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_new_domain_passes_as_written(words, grown):
    """Style, types, import contracts and its own tests: all clean before a line is changed."""
    done = tool(grown, *words)
    assert done.returncode == 0, done.stdout + done.stderr
