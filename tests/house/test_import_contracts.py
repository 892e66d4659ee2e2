"""The import contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

OUTSIDERS = ("web", "engine", "cities", "sensing", "storage")
CORE = ("kernel", "methods", "domains", "wire")

BREACHES = {
    "rooms": ("kernel/breach.py", "import cityloop.cli.main"),
    "rooms, outsiders": ("storage/breach.py", "import cityloop.engine"),
    "domains-apart": ("domains/signals/breach.py", "import cityloop.domains.traffic"),
    "cities-apart": ("cities/toy/breach.py", "import cityloop.cities.sumo"),
    "schema-only": ("cities/toy/breach.py", "import cityloop.domains.signals.decide"),
    "core-pure": ("methods/breach.py", "from time import monotonic"),
    "sumo-inside": ("cities/toy/breach.py", "import libsumo"),
    "databases-inside": ("engine/breach.py", "import sqlite3"),
    "arrow-inside": ("cities/sumo/breach.py", "import pyarrow.parquet"),
    "nats-inside": ("storage/breach.py", "import nats"),
}
"""By contract: a file to add and the import it must not make."""


def contracts(checkout: Path) -> list[dict[str, object]]:
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = project["tool"]["importlinter"]["contracts"]
    return found


@pytest.fixture
def copied_house(checkout, tmp_path):
    shutil.copy(checkout / "pyproject.toml", tmp_path)
    shutil.copytree(
        checkout / "src/cityloop",
        tmp_path / "cityloop",
        ignore=shutil.ignore_patterns("__pycache__", "static"),
    )
    return tmp_path


def lint(house: Path, contract: str) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [linter, "--no-cache", "--no-logo", "--contract", contract],
        cwd=house,
        env=os.environ | {"PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("case", BREACHES)
def test_each_contract_fails_for_a_breach(case, copied_house):
    """A contract that cannot fail protects nothing: one forbidden import in a copy breaks it."""
    contract = case.split(",")[0]
    path, line = BREACHES[case]
    breach = copied_house / "cityloop" / path
    breach.write_text(f"{line}\n", encoding="utf-8")

    broken = lint(copied_house, contract)
    breach.unlink()
    kept = lint(copied_house, contract)

    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "BROKEN" in broken.stdout
    assert Path(path).parts[0] in broken.stdout
    assert kept.returncode == 0, kept.stdout + kept.stderr


def test_every_contract_has_its_breach(checkout):
    """A new contract comes with the breach that proves it."""
    assert {contract["id"] for contract in contracts(checkout)} == {case.split(",")[0] for case in BREACHES}


def test_an_undeclared_room_fails(copied_house):
    """A new folder beside the rooms must be given its layer first."""
    room = copied_house / "cityloop/attic"
    room.mkdir()
    (room / "__init__.py").touch()

    assert lint(copied_house, "rooms").returncode == 1


@pytest.mark.parametrize(("contract", "rooms"), [("schema-only", OUTSIDERS), ("core-pure", CORE)])
def test_contracts_name_every_room_that_exists(contract, rooms, checkout):
    """A room that has been built is named by the contracts about its kind."""
    named = next(entry["source_modules"] for entry in contracts(checkout) if entry["id"] == contract)
    built = [f"cityloop.{room}" for room in rooms if (checkout / "src/cityloop" / room).is_dir()]
    assert sorted(named) == sorted(built)
