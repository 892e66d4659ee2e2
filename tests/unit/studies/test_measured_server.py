"""How the memory of a server under measurement is looked at."""

from __future__ import annotations

import os
import time

from cityloop.studies.measured_server import MemoryWatch, Server


def test_the_least_and_the_most_of_a_stretch_are_told():
    """What a process held for a while counts as the most, though it gave it back before anybody asked."""
    with MemoryWatch(Server(os.getpid(), "", "")) as watch:
        before_mb = watch.last(60.0)[1]
        held = b"x" * (96 << 20)
        deadline_s = time.monotonic() + 60.0
        while watch.last(60.0)[1] < before_mb + 80 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        del held
        least_mb, most_mb = watch.last(600.0)
    assert most_mb - least_mb >= 80
    assert watch.last(0.0)[1] <= most_mb
