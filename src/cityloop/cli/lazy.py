"""Command groups that import a subcommand only when it is run, so that ``--help`` stays quick."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import click

__all__ = ["Subcommand", "lazy_group"]


class Subcommand(NamedTuple):
    """Where a subcommand lives and the line that ``--help`` shows for it."""

    target: str
    """``module:attribute`` of a click command."""

    short_help: str
    """One line, so that the list of commands imports none of them."""


def lazy_group(table: Mapping[str, Subcommand]) -> type[click.Group]:
    """Make the class of a click group over a table of subcommands.

    A subcommand of the table whose module is not part of this installation is not listed.
    """

    class LazyGroup(click.Group):
        """A group that imports a subcommand only when it is run."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            """Name the subcommands that are installed, in the table's order."""
            return [name for name, entry in table.items() if find_spec(entry.target.split(":")[0])]

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            """Import and return one subcommand, or None where there is no such name."""
            if cmd_name not in self.list_commands(ctx):
                return None
            module, attribute = table[cmd_name].target.split(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            """List the subcommands from the table, without importing them."""
            rows = [(name, table[name].short_help) for name in self.list_commands(ctx)]
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    return LazyGroup
