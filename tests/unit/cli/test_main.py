"""The command line's own promises: what it lists, what it costs, how it ends."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from cityloop.cli import main as cli
from cityloop.kernel.errors import ConfigError


def cityloop(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cityloop", *words], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture
def failing(monkeypatch):
    """A subcommand that ends as its fixture's caller says."""

    def fail_with(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(type(cli.root), "get_command", lambda *_: command)

    return fail_with


def ending(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    spoken = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, spoken.out, spoken.err


def test_help_imports_no_command_and_nothing_heavy():
    """The list of commands costs click alone: no NumPy, no SUMO, no subcommand is imported for it."""
    probe = (
        "import sys\nfrom cityloop.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'numpy', 'libsumo', 'rich', 'pyarrow', 'msgspec'} or m.startswith('cityloop.')))"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "['cityloop.cli', 'cityloop.cli.lazy', 'cityloop.cli.main']"


def test_help_lists_exactly_what_is_installed(capsys, monkeypatch):
    """A command whose module is not there is not offered, and calling it is a usage error."""
    entry = cli.Subcommand("cityloop.cli.absent:command", "Not there.")
    monkeypatch.setitem(cli.SUBCOMMANDS, "absent", entry)
    code, out, _ = ending(capsys, "--help")
    assert code == 0
    assert "completion" in out
    assert "absent" not in out

    code, _, err = ending(capsys, "absent")
    assert code == 2
    assert "No such command 'absent'" in err


def test_every_listed_command_answers_help(capsys):
    """Each command of the table loads and documents itself."""
    for name in cli.root.list_commands(click.Context(cli.root)):
        code, out, _ = ending(capsys, name, "--help")
        assert (name, code) == (name, 0)
        assert out.startswith("Usage: cityloop")


def test_no_arguments_is_wrong_usage():
    """Called with nothing, the help is shown and the exit code says that nothing was done."""
    ended = cityloop()
    assert ended.returncode == 2
    assert "Usage: cityloop" in ended.stdout + ended.stderr


def test_unknown_option_is_wrong_usage(capsys):
    """Wrong usage ends with 2."""
    code, _, err = ending(capsys, "--nonsense")
    assert code == 2
    assert "--nonsense" in err


def test_foreseen_failure_is_one_line(capsys, failing):
    """An error of ours is one line on standard error and ends with 1."""
    failing(ConfigError("city.toml: pace is -1,\n  must be positive."))
    code, out, err = ending(capsys, "any")
    assert (code, out) == (1, "")
    assert err == "cityloop: error: city.toml: pace is -1, must be positive.\n"


def test_unforeseen_failure_names_the_way_to_more(capsys, failing):
    """A fault of the program says so and how to see the traceback."""
    failing(ZeroDivisionError("division by zero"))
    code, _, err = ending(capsys, "any")
    assert code == 1
    assert err.startswith("cityloop: internal error: ZeroDivisionError: division by zero")
    assert "--debug" in err


@pytest.mark.parametrize("words", [["--debug", "any"], ["any", "--debug"]], ids=["before", "after"])
def test_debug_lets_the_traceback_through(failing, words):
    """--debug is heard before and after the command's name."""
    failing(ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        cli.main(words)


def test_interrupt_ends_with_130(capsys, failing):
    """Ctrl-C ends with 130, as shells expect."""
    failing(KeyboardInterrupt())
    code, _, err = ending(capsys, "any")
    assert code == 130
    assert err.endswith("cityloop: interrupted\n")


def test_a_pipe_that_closes_early_is_quiet():
    """``cityloop --help | head -1`` leaves no complaint."""
    ended = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m cityloop --help | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.startswith("Usage: cityloop")
    assert ended.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys, shell):
    """The script names the program and the variable through which it asks for completions."""
    code, out, _ = ending(capsys, "completion", shell)
    assert code == 0
    assert "_CITYLOOP_COMPLETE" in out
    assert "cityloop" in out


def test_completion_completes_commands():
    """The shell is told the commands that begin with what was typed."""
    asked = {"_CITYLOOP_COMPLETE": "bash_complete", "COMP_WORDS": "cityloop comp", "COMP_CWORD": "1"}
    answered = cityloop(env=asked)
    assert "plain,completion" in answered.stdout.splitlines()
