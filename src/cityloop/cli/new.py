"""``cityloop new``: start a domain from the template that ships inside the package."""

from __future__ import annotations

import keyword
import re
import zlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from cityloop.kernel.errors import ConfigError

__all__ = ["command", "domain_files", "name_fault"]

_LONGEST = 20
_FILES = ("baseline", "decide", "domain", "forecast", "guard", "measure", "schema", "state")
_RESERVED = frozenset({*_FILES, "city", "data", "helpers", "info", "manager", "test", "tests", "utils"})
_PLACES = {
    "domain": "src/cityloop/domains/__domain__",
    "city": "src/cityloop/cities/toy",
    "tests": "tests/unit/domains/__domain__",
}
"""Where each folder of the template goes, in a checkout; ``__domain__`` stands for the name."""


def name_fault(name: str) -> str | None:
    """Return what is wrong with a domain's name, or None."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return "give a lower-case Python name such as 'lighting' or 'street_lighting'"
    if len(name) > _LONGEST:
        return f"{len(name)} letters, must be at most {_LONGEST}"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "a word of Python itself; choose another"
    if name in _RESERVED:
        return "reserved; choose the word that the city uses for it"
    return None


def domain_files(name: str) -> dict[str, str]:
    """Return the text of every file of a new domain, by path from the root of a checkout."""
    words = {
        "domain": name,
        "title": "".join(word.capitalize() for word in name.split("_")),
        # Far above the kernel's own stream kinds, even, and the same on every machine.
        "stream": str(1_000_000 + 2 * (zlib.crc32(name.encode()) % 500_000_000)),
    }
    template = files("cityloop.cli") / "template"
    return {
        f"{place}/{path}".replace("__domain__", name): Template(text).substitute(words)
        for folder, place in _PLACES.items()
        for path, text in _template_texts(template / folder, "").items()
    }


def _template_texts(folder: Traversable, prefix: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir():
            texts |= _template_texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            texts[prefix + entry.name.removesuffix(".tmpl")] = entry.read_text(encoding="utf-8")
    return texts


def _write(root: Path, texts: dict[str, str]) -> None:
    """Write all files, or none."""
    made: list[Path] = []
    try:
        for path, text in texts.items():
            target = root / path
            for folder in reversed([parent for parent in target.parents if not parent.exists()]):
                folder.mkdir()
                made.append(folder)
            made.append(target)
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError:
        for path_made in reversed(made):
            if path_made.is_dir():
                path_made.rmdir()
            else:
                path_made.unlink(missing_ok=True)
        raise


@click.group(name="new")
def command() -> None:
    """Start something from the template."""


@command.command()
@click.argument("name")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Checkout of cityloop to write into.  [default: here]",
)
def domain(name: str, root: Path) -> None:
    """Write the domain NAME: its folder, a toy city of it, and its tests, all passing as they stand.

    \b
    Examples:
      cityloop new domain lighting
      cityloop new domain street_lighting --root ~/cityloop
    """
    fault = name_fault(name)
    if fault:
        raise ConfigError(f"domain name {name!r}: {fault}.")
    if not (root / "src/cityloop/domains").is_dir():
        raise ConfigError(f"{root.resolve()}: no src/cityloop/domains here; give a checkout with --root.")
    texts = domain_files(name)
    for path in texts:
        # The folder decides, so that one that is only half there is not filled up with another's files.
        taken = root / path if "/toy/" in path else (root / path).parent
        if taken.exists():
            raise ConfigError(f"domain name {name!r}: {taken} exists already; choose another name.")
    _write(root, texts)
    for path in texts:
        click.echo(path)
    click.echo(
        f"Next: say in src/cityloop/domains/{name}/README.md what it controls, then change schema.py first; "
        "docs/adding-a-domain.md leads through it.",
        err=True,
    )
