"""Write the tables of nomenclature.md from the declared columns: ``python docs/nomenclature.py``.

What stands above the mark is written by hand and stays.
"""

import ast
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from cityloop.domains.emergency import published as emergency_published
from cityloop.domains.emergency import schema as emergency
from cityloop.domains.refuse import containers
from cityloop.domains.refuse import publish as refuse_published
from cityloop.domains.refuse import schema as refuse
from cityloop.domains.signals import schema as signals
from cityloop.domains.traffic import schema as traffic
from cityloop.kernel import batch, layout, readings
from cityloop.kernel.columns import Column, columns_of
from cityloop.sensing import health, live

PAGE = Path(__file__).with_name("nomenclature.md")
MARK = "<!-- From here on written by docs/nomenclature.py; change the declarations instead. -->"
MODULES: tuple[ModuleType, ...] = (
    batch,
    layout,
    readings,
    signals,
    traffic,
    emergency,
    emergency_published,
    refuse,
    containers,
    refuse_published,
    live,
    health,
)
"""Where columns are declared; a new domain's ``schema`` joins here."""


def tables() -> Iterator[tuple[str, type]]:
    """Yield each table that a module declares columns of, with the module's name, in order of declaration."""
    for module in MODULES:
        for table in vars(module).values():
            own = inspect.isclass(table) and table.__module__ == module.__name__
            if own and any(columns_of(table)):
                yield module.__name__, table


def row(name: str, column: Column) -> str:
    """Return the part of a column's row that the declaration fixes: name, unit, range, what an entry stands for."""
    low, high = (f"{bound:g}" if math.isfinite(bound) else "" for bound in (column.low, column.high))
    span = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else "any"
    return f"| `{name}` | {column.unit} | {span}{', NaN' if column.missing else ''} | {column.per} |"


def meanings(table: type) -> dict[str, str]:
    """Return the docstring below each field that has one."""
    body = ast.parse(inspect.getsource(table)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and told:
            found[field.target.id] = " ".join(inspect.cleandoc(str(after.value.value)).split()).replace("``", "`")
    return found


def write() -> None:
    """Replace everything below the mark."""
    lines = []
    for module, table in tables():
        told = meanings(table)
        summary = inspect.getdoc(table).split("\n\n")[0].replace("\n", " ")
        lines += ["", f"### {table.__name__}", "", f"`{module}`. {summary}", ""]
        lines += ["| column | unit | range | one a | meaning |", "|---|---|---|---|---|"]
        lines += [f"{row(n.name, n.column)} {told.get(n.name, '')} |".replace("  ", " ") for n in columns_of(table)]
    kept = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    PAGE.write_text(kept + MARK + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
