"""``cityloop doctor`` warns about a city, and fails only where the installation is broken."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cityloop.cli import doctor as cli
from cityloop.studies import doctor


def run(*arguments):
    return CliRunner().invoke(cli.command, arguments, standalone_mode=False)


def test_findings_about_a_city_are_warnings():
    """The district's short greens are named, with the bound and its source, and the exit code is 0."""
    ran = run("adlershof", "--json")
    assert ran.return_value == 0, ran.output
    assert "GS_2391105461, link 0: may be green for only 1 s" in ran.output
    told = json.loads(ran.output.splitlines()[-1])
    assert told["ok"]
    assert {"short green", "crossing cut short"} <= {one["check"] for one in told["findings"]}


def test_a_broken_installation_fails(monkeypatch):
    """A SUMO of another release is reported with the fix, and ends with 1."""
    monkeypatch.setattr(doctor, "_SUMO", "1.99.0")
    ran = run()
    assert ran.return_value == 1
    assert "BROKEN  libsumo: 1.28.0; install libsumo==1.99.0" in ran.output
