"""Compiled code is kept where only the very source that it was compiled from finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cityloop.engine.compiled import compiled_folder, source_key


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """No folder named, nobody's home, and an empty folder for temporary files: that folder."""
    for name in ("NUMBA_CACHE_DIR", "CITYLOOP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "not-a-folder"
    file.touch()
    monkeypatch.setenv("HOME", str(file))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def key_of(package: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    return source_key(package)


SOURCE = {"domains/signals/forecast.py": "a = 1\n", "methods/geometry.py": "b = 1\n", "cli/run.py": "c = 1\n"}


@pytest.mark.parametrize("changed", ["domains/signals/forecast.py", "methods/geometry.py"])
def test_a_change_of_any_file_that_may_be_compiled_starts_anew(changed, tmp_path):
    """A function takes in code of other files, which its own cache would not notice."""
    before = key_of(tmp_path / "before", SOURCE)
    assert key_of(tmp_path / "after", {**SOURCE, changed: "a = 2\n"}) != before


def test_the_same_source_elsewhere_and_another_command_line_share_a_folder(tmp_path):
    """Only what may be compiled counts, not where it lies and when it was written."""
    before = key_of(tmp_path / "before", SOURCE)
    assert key_of(tmp_path / "after", {**SOURCE, "cli/run.py": "c = 2\n"}) == before


def test_a_named_folder_is_still_kept_apart_by_source(nowhere, monkeypatch):
    """NUMBA_CACHE_DIR says where, not what; a child of this process, which inherits it, finds the same folder."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(nowhere / "named"))
    folder = compiled_folder()
    assert folder.parent == nowhere / "named"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    assert compiled_folder() == folder


def test_without_a_home_temporary_files_serve(nowhere):
    """A user without a writable home still keeps compiled code, where nobody else can put any."""
    folder = compiled_folder()
    assert folder.parent == nowhere / f"cityloop-{os.getuid()}"
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert compiled_folder() == folder


def test_a_temporary_folder_that_others_may_write_is_not_used(nowhere):
    """Compiled code is loaded and run, so a folder that anybody could fill is passed by."""
    open_to_all = nowhere / f"cityloop-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert open_to_all not in compiled_folder().parents


def test_what_the_engine_runs_is_compiled_into_the_folder(tmp_path):
    """Wiring a brain points numba there before any domain is imported; importing the package does not."""
    program = (
        "import sys, cityloop.app as app\n"
        "assert 'numba' not in sys.modules\n"
        "app.brain_of('brain')\n"
        "from cityloop.domains.signals.decide.horizon_search import search\n"
        "print(search.stats.cache_path)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "CITYLOOP_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kept = Path(ran.stdout.strip())
    assert kept.parent.parent == tmp_path / "compiled"
    assert kept.parent.name.startswith("cityloop-")
