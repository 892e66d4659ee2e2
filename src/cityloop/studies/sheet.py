"""A self-contained page for a screen and for paper: title, figures, tables, notices; no script, no other file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

__all__ = ["cards", "notice", "page", "paragraph", "section", "write_page"]

_CSS_FILE = Path(__file__).parent / "report.css"
_PRINT = """
@media print{@page{margin:16mm}body{font-size:10pt;background:#fff;color:#000}
header,main,footer{max-width:none;padding:0}
h2{break-after:avoid;margin-top:1.6rem}table,figure,.cards,.notice{break-inside:avoid}.skip{display:none}
thead{display:table-header-group}a{color:inherit;text-decoration:none}}
"""


def page(title: str, eyebrow: str, labels: Sequence[str], body: str, foot: str, lang: str = "en") -> str:
    """Return the whole page; everything given but ``body`` is text."""
    css = _CSS_FILE.read_text(encoding="utf-8") + _PRINT
    tags = "".join(f"<li>{escape(label)}</li>" for label in labels)
    return (
        f'<!doctype html><html lang="{escape(lang)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}</style></head><body>"
        '<a class="skip" href="#main">Skip to content</a>'
        f'<header><p class="eyebrow">{escape(eyebrow)}</p><h1>{escape(title)}</h1>'
        f'<ul class="labels">{tags}</ul></header><main id="main">{body}</main>'
        f"<footer><p>{escape(foot)}</p></footer></body></html>"
    )


def section(title: str, *parts: str) -> str:
    """Return a section of parts that are HTML already."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def notice(title: str, lines: Sequence[str]) -> str:
    """Return what a reader must know first; nothing where there is nothing."""
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="notice"><h2>{escape(title)}</h2><ul>{items}</ul></div>'


def cards(figures: Sequence[tuple[str, str, str]]) -> str:
    """Return figures to be read at a glance: name, value, what it is."""
    inner = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(what)}</small></dd></div>"
        for name, value, what in figures
    )
    return f'<dl class="cards">{inner}</dl>'


def write_page(path: Path, text: str) -> Path:
    """Write a page whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    return path
