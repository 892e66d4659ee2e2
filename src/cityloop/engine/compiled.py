"""Where compiled code is kept: in a folder that only this very source and these very compilers share.

Numba keeps a compiled function beside a stamp of its own file alone. Code that it took in from other files may change
without its noticing, and the old code then runs on. Here the folder's name tells the whole source that can be compiled,
so any change of it starts an empty folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["compiled_folder", "keep_compiled_apart", "source_key"]

_VARIABLE = "NUMBA_CACHE_DIR"
_COMPILERS = ("numba", "llvmlite", "numpy")
_ROOMS = ("kernel", "methods", "domains", "wire", "sensing")
"""What may be compiled lies in these: no other room computes."""


def keep_compiled_apart() -> Path:
    """Point numba at the folder of this source, before it looks for any; return the folder.

    To be called before a domain is imported: a function's folder is settled where it is defined.
    """
    folder = compiled_folder()
    os.environ[_VARIABLE] = str(folder)
    if (numba := sys.modules.get("numba")) is not None:
        # It read its environment when it was imported.
        numba.config.CACHE_DIR = str(folder)
    return folder


def compiled_folder() -> Path:
    """Return the folder, made and writable: under NUMBA_CACHE_DIR, the user's cache, or where temporary files lie."""
    key = source_key(Path(__file__).parents[1])
    for place in _places():
        folder = place if place.name == key else place / key
        if _writable(folder):
            return folder
    folder = _own_temporary() / key
    folder.mkdir(exist_ok=True)
    return folder


@cache
def source_key(package: Path) -> str:
    """Return a name that differs wherever the source that may be compiled, or a compiler, differs."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()}\0{len(source)}\0".encode())
            digest.update(source)
    for name in _COMPILERS:
        digest.update(f"{name}=={version(name)}\0".encode())
    return f"cityloop-{digest.hexdigest()[:16]}"


def _places() -> list[Path]:
    named = os.environ.get(_VARIABLE)
    places = [Path(named)] if named else []
    own = os.environ.get("CITYLOOP_CACHE")
    if own:
        return [*places, Path(own) / "compiled"]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        # Nobody's home: a user without an entry.
        return places
    return [*places, home / "cityloop" / "compiled"]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _own_temporary() -> Path:
    """Return a folder among temporary files that nobody else can have put code into."""
    folder = Path(tempfile.gettempdir(), f"cityloop-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="cityloop-"))
