"""``cityloop completion``: print the script that teaches a shell our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      cityloop completion bash > ~/.local/share/bash-completion/completions/cityloop
      cityloop completion zsh > ~/.zfunc/_cityloop
      cityloop completion fish > ~/.config/fish/completions/cityloop.fish
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise click.ClickException(f"click knows no completion for {shell}.")
    program = ctx.find_root().info_name or "cityloop"
    click.echo(maker(ctx.find_root().command, {}, program, "_CITYLOOP_COMPLETE").source())
