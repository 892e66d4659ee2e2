"""What the core must not call, beyond what it must not import: the clock, chance, its process."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CORE = ("kernel", "methods", "domains", "wire")

FORBIDDEN_CALLS = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "os.getenv",
    "os.getpid",
    "os.urandom",
    "os.environ",
    "sys.argv",
}
FORBIDDEN_PREFIXES = ("time.", "random.", "secrets.", "uuid.")
# A generator is given, so its type may be named; making one, or drawing from the shared one, may not.
ALLOWED_RANDOM = {"numpy.random.Generator"}


def dotted_names(source: str) -> list[tuple[int, str]]:
    """Line and full dotted name of every attribute or name that an import brought in."""
    tree = ast.parse(source)
    brought: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                brought[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                brought[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    found = []
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in brought:
            found.append((inner.lineno, ".".join([brought[inner.id], *reversed(parts)])))
    return found


def impure(source: str) -> list[tuple[int, str]]:
    """Every use of the clock, of chance or of the process's surroundings in a module's source."""

    def is_impure(name: str) -> bool:
        if name.startswith("numpy.random."):
            return not any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED_RANDOM)
        return name in FORBIDDEN_CALLS or name.startswith(FORBIDDEN_PREFIXES)

    return sorted({(line, name) for line, name in dotted_names(source) if is_impure(name)})


def modules(checkout: Path, *rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((checkout / "src/cityloop" / room).rglob("*.py"))]


def test_core_reads_no_clock_and_draws_no_chance(checkout):
    """Kernel, methods, domains and wire are given now_ms and a Generator; they never reach for their own."""
    found = [
        f"{path.relative_to(checkout)}:{line}: {name}"
        for path in modules(checkout, *CORE)
        for line, name in impure(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_parquet_only_inside_storage(checkout):
    """Outside storage Arrow is a wire format, never a file format."""
    every_room = [path.name for path in (checkout / "src/cityloop").iterdir() if path.is_dir()]
    rooms = [room for room in every_room if room != "storage"]
    found = [
        f"{path.relative_to(checkout)}:{line}: {name}"
        for path in modules(checkout, *rooms)
        for line, name in dotted_names(path.read_text(encoding="utf-8"))
        if name.startswith(("pyarrow.parquet", "pyarrow.dataset"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from time import time as clock\nclock()",
        "import datetime as dt\ndt.datetime.now()",
        "from datetime import datetime\ndatetime.utcnow()",
        "import random\nrandom.random()",
        "import numpy as np\nnp.random.default_rng(1)",
        "from numpy.random import default_rng\ndefault_rng()",
        "import numpy as np\nnp.random.rand(3)",
        "import os\nos.environ['HOME']",
    ],
)
def test_the_check_sees_a_breach(source):
    """Aliases and from-imports do not hide a forbidden call."""
    assert impure(source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\ndef draw(rng: np.random.Generator): return rng.random()",
        "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
        "time = 3\nprint(time)",
    ],
)
def test_the_check_lets_given_chance_pass(source):
    """A Generator that is handed in, and dates that are given, are fine."""
    assert impure(source) == []
