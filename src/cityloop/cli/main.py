"""The ``cityloop`` command: finds its subcommands, and turns every outcome into an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import cityloop
from cityloop.cli.lazy import Subcommand, lazy_group

_PROGRAM = "cityloop"


SUBCOMMANDS: dict[str, Subcommand] = {
    "demo": Subcommand("cityloop.cli.demo:command", "Show the closed loop on a real district in minutes."),
    "run": Subcommand("cityloop.cli.run:command", "Run one city under one control and keep the run folder."),
    "compare": Subcommand("cityloop.cli.compare:command", "Compare two or more controls over several seeds."),
    "serve": Subcommand("cityloop.cli.serve:command", "Serve a city: sensing, API and dashboard on one port."),
    "twin": Subcommand("cityloop.cli.twin:command", "Serve the twin as a city of its own, for others to run."),
    "bench": Subcommand("cityloop.cli.bench:command", "Measure controls over cities, seeds and sensing."),
    "refuse": Subcommand("cityloop.cli.refuse:command", "Plan, re-plan and check refuse collection."),
    "sheet": Subcommand("cityloop.cli.sheet:command", "Write dispatchers' sheet for when everything is down."),
    "locate": Subcommand("cityloop.cli.locate:command", "Place stations and units, each answer with its proof."),
    "data": Subcommand("cityloop.cli.data:command", "Query, export, back up and check stored readings."),
    "simulate-sensors": Subcommand(
        "cityloop.cli.simulate_sensors:command", "Send the readings of many sensors to a server."
    ),
    "audit": Subcommand("cityloop.cli.audit:command", "Verify the chain of the audit log."),
    "calibrate": Subcommand("cityloop.cli.calibrate:command", "Fit a twin's demand to counts."),
    "tune": Subcommand("cityloop.cli.tune:command", "Tune a control's parameters on training seeds."),
    "month": Subcommand("cityloop.cli.month:command", "Certify a month of records; test the brain on it in shadow."),
    "trial": Subcommand("cityloop.cli.trial:command", "Plan, check and analyse a randomised field trial."),
    "value": Subcommand("cityloop.cli.value:command", "Export timing sheets and plans, signed; write reports."),
    "replay": Subcommand("cityloop.cli.replay:command", "Recompute a run's decisions from its readings."),
    "report": Subcommand("cityloop.cli.report:command", "Write a run's report again from its folder."),
    "init": Subcommand("cityloop.cli.init:command", "Make a city folder from a network."),
    "new": Subcommand("cityloop.cli.new:command", "Start a domain from the template."),
    "doctor": Subcommand("cityloop.cli.doctor:command", "Check that this machine can run cityloop."),
    "completion": Subcommand("cityloop.cli.completion:command", "Print the shell completion script."),
}
"""Every subcommand by name, in the order that ``--help`` lists them."""


@click.group(
    name=_PROGRAM,
    cls=lazy_group(SUBCOMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Run 'cityloop COMMAND --help' for a command's options and examples.",
)
@click.version_option(cityloop.__version__, prog_name=_PROGRAM)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def root(debug: bool) -> None:
    """Run a city's services as one closed loop: signals in a digital twin, sensors, dashboard, and planning."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Parameters
    ----------
    arguments
        What follows the program's name; the process's own arguments when None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # --debug is heard wherever it stands, so that it can be added at the end of a line that failed.
    debug = "--debug" in given
    sys.exit(_exit_code([word for word in given if word != "--debug"], debug=debug))


def _exit_code(arguments: list[str], *, debug: bool) -> int:
    try:
        outcome = root.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
    except click.Abort:
        click.echo(f"{_PROGRAM}: interrupted", err=True)
        return 130
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        click.echo(f"{_PROGRAM}: error: {error.format_message()}", err=True)
        return 1
    except BrokenPipeError:
        # The reader of a pipe has left: say nothing more, and keep the interpreter's last flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        click.echo(_one_line(error), err=True)
        return 1
    return outcome if isinstance(outcome, int) else 0


def _one_line(error: Exception) -> str:
    """Tell a failure that was foreseen from one that was not."""
    # An error of ours can only come from a module that has been imported, so nothing is imported for it here.
    errors = sys.modules.get("cityloop.kernel.errors")
    if errors is not None and isinstance(error, errors.CityloopError):
        return f"{_PROGRAM}: error: {' '.join(str(error).split())}"
    if isinstance(error, OSError):
        return f"{_PROGRAM}: error: {error}"
    return f"{_PROGRAM}: internal error: {type(error).__name__}: {error} (add --debug for the traceback)"
