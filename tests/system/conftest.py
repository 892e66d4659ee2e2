"""What tests of a server share lies with the other supports."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from sensing_server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """Sensing on loopback sockets, one for the tests of a file."""
    with Server(tmp_path_factory.mktemp("sensing")) as started:
        yield started
