"""What is committed: no machine's paths, no index's address, files that fit on a few screens."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import cityloop

MACHINE_PATHS = re.compile(r"(?<![\w.~<{-])/(?:[w]ork|[r]oot|[h]ome/\w+|[t]mp/v)/")
INDEX_ADDRESSES = re.compile(r"https?://[^\s/]*/(?:[^\s]*/)?[s]imple\b|[p]ypi\.org/simple|[f]iles\.pythonhosted")
LEFT_OVERS = re.compile(r"\b(?:[T]ODO|[F]IXME)\b")
ONE_PIECE = 400
"""Lines of a module; split one that is longer where it holds two things."""


@pytest.fixture(scope="module")
def committed(checkout) -> list[Path]:
    """Every file that git tracks and the working tree still has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    paths = [checkout / name for name in listed.split("\0") if name]
    assert paths
    return [path for path in paths if path.is_file()]


def matches(files: list[Path], pattern: re.Pattern[str], checkout: Path) -> list[str]:
    found = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(checkout)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, INDEX_ADDRESSES], ids=["machine paths", "index addresses"])
def test_no_file_knows_the_machine_it_was_written_on(pattern, committed, checkout):
    """A checkout works anywhere, and installs from whatever index its user has set up."""
    assert matches(committed, pattern, checkout) == []


def test_no_left_overs_in_the_source(committed, checkout):
    """What is not done is an issue, not a comment."""
    source = [path for path in committed if path.suffix in {".py", ".ts", ".tsx"}]
    assert matches(source, LEFT_OVERS, checkout) == []


def test_changes_lie_in_fragments_until_they_are_released(checkout):
    """One file a change, so that two of them never meet in one place; the changelog holds releases alone."""
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    fragments = [path.name for path in (checkout / "changes.d").iterdir() if path.name != "README.md"]
    assert [
        name for name in fragments if not re.fullmatch(rf"[a-z0-9-]+\.(?:{'|'.join(sorted(kinds))})\.md", name)
    ] == []
    assert "[Unreleased]" not in (checkout / "CHANGELOG.md").read_text(encoding="utf-8")


def test_modules_fit_on_a_few_screens(checkout):
    """A module of 400 lines holds two things: split it."""
    long = [
        f"{path.relative_to(checkout)}: {lines} lines"
        for path in sorted((checkout / "src").rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= ONE_PIECE
    ]
    assert long == []


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_requirements_are_pinned_hashed_and_without_addresses(name, checkout):
    """Every requirement is one exact version with its hashes, and no line says where to get it."""
    text = (checkout / "requirements" / name).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+( ; [^-]+)?\s+--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line, line
        assert " @ " not in line, line


def test_run_and_dev_requirements_agree(checkout):
    """Installing what development needs changes nothing that the user runs."""

    def pins(name: str) -> set[str]:
        text = (checkout / "requirements" / name).read_text(encoding="utf-8")
        # The pin alone: where a development tool needs it on more Pythons, the marker behind it may be wider.
        return set(re.findall(r"^[a-z0-9._-]+==[^\\\s;]+", text, flags=re.MULTILINE))

    assert pins("run.txt") < pins("dev.txt")


def test_the_package_tells_its_own_version():
    """One version, whether asked of the code or of the installed distribution."""
    assert cityloop.__version__ == version("cityloop")


def test_libsumo_and_pyarrow_load_together_in_silence():
    """libsumo warns on standard output beside a pyarrow of another release than the one it was built with."""
    loaded = subprocess.run(
        [sys.executable, "-W", "always", "-c", "import libsumo, pyarrow"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (loaded.stdout, loaded.stderr) == ("", "")
