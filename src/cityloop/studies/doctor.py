"""Whether this machine can run cityloop, checked on the installation itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["Examined", "examine"]

_PYTHON_LEAST = (3, 11)
_SUMO = "1.28.0"
_SUMO_PARTS = ("eclipse-sumo", "libsumo", "sumolib")
_PYARROW_SERIES = "23.0"
_DISK_LEAST_GB = 2.0
_CORES_WANTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    """What to do where it is not ok."""
    broken: bool = False
    """Whether cityloop cannot run like this; else it is a warning."""


def examine(folder: Path) -> list[Examined]:
    """Examine the installation, and the disk that a folder lies on."""
    return [_python(), *_sumo_parts(), _sumo_binary(), _silence(), _compiled_cache(), _disk(folder), _cores()]


def _python() -> Examined:
    ok = sys.version_info[:2] >= _PYTHON_LEAST
    found = ".".join(map(str, sys.version_info[:3]))
    return Examined(name="python", ok=ok, found=found, fix="install Python 3.11 or later", broken=not ok)


def _sumo_parts() -> list[Examined]:
    """Check that the three parts are of one release: others were never measured together."""
    results = []
    for package in _SUMO_PARTS:
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "not installed"
        ok = found == _SUMO
        results.append(Examined(name=package, ok=ok, found=found, fix=f"install {package}=={_SUMO}", broken=not ok))
    return results


def _sumo_binary() -> Examined:
    """Run the binary itself: a wheel can be whole and its system libraries missing."""
    from cityloop.cities.sumo.sumo_tools import run_binary, sumo_home
    from cityloop.kernel.errors import CityError

    try:
        run_binary("sumo", ["--version"])
    except (CityError, OSError) as error:
        return Examined(name="sumo binary", ok=False, found=str(error), fix="reinstall eclipse-sumo", broken=True)
    return Examined(name="sumo binary", ok=True, found=str(sumo_home() / "bin" / "sumo"))


def _silence() -> Examined:
    """Report what libsumo prints beside a pyarrow of another release than it was built with."""
    loaded = subprocess.run(
        [sys.executable, "-W", "always", "-c", "import libsumo, pyarrow; print(pyarrow.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in (loaded.stdout + loaded.stderr).splitlines() if line.strip()]
    quiet = loaded.returncode == 0 and len(lines) == 1
    return Examined(
        name="libsumo with pyarrow",
        ok=quiet,
        found=f"pyarrow {lines[0]}, without a warning" if quiet else " ".join(lines)[:200],
        fix=f"install pyarrow {_PYARROW_SERIES}.*, which libsumo {_SUMO} is built against",
        broken=loaded.returncode != 0,
    )


def _compiled_cache() -> Examined:
    """Find out where compiled code is kept, and whether it outlives a restart of the machine."""
    from cityloop.engine.compiled import compiled_folder

    folder = compiled_folder()
    lasting = Path(tempfile.gettempdir()) != folder.parent.parent
    return Examined(
        name="cache of compiled code",
        ok=lasting,
        found=str(folder) if lasting else f"{folder}, among temporary files",
        fix="set CITYLOOP_CACHE to a folder that can be written; what is compiled may not last until then",
    )


def _disk(folder: Path) -> Examined:
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Examined(
        name="free disk",
        ok=free_gb >= _DISK_LEAST_GB,
        found=f"{free_gb:.1f} GB at {folder}",
        fix=f"free {_DISK_LEAST_GB:g} GB: an hour of a district leaves up to some hundred megabytes a run",
    )


def _cores() -> Examined:
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        cores = os.cpu_count() or 1
    return Examined(
        name="processor cores",
        ok=cores >= _CORES_WANTED,
        found=str(cores),
        fix="the demo runs two controls at once; on one core it takes twice as long",
    )
