"""What each process that leads a city beside a server does: hear what to run, run it, tell the server how it died."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable

import msgspec

from cityloop.app.dying import die_with_parent
from cityloop.engine.paced import Stopped
from cityloop.engine.pipe import Pipe, PipeClosedError
from cityloop.kernel.errors import CityloopError
from cityloop.wire.live import Died, encode

__all__ = ["ChildSpec", "serve_child"]


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the running city is made of."""

    city: str
    data: str
    pace: float
    control: str
    sensing: str
    seed: int
    scale: float
    keep_days: float


def serve_child(run: Callable[[ChildSpec, Pipe], None]) -> int:
    """Run what the server asks for over the socket whose number is the first argument; return the exit status.

    The process ends with the server; whatever else ends it is told to the server in one line.
    """
    die_with_parent()
    pipe = Pipe(socket.socket(fileno=int(sys.argv[1])))
    try:
        run(msgspec.msgpack.decode(pipe.receive(), type=ChildSpec), pipe)
    except (Stopped, PipeClosedError, KeyboardInterrupt):
        return 0
    except Exception as error:  # whatever happens here, the server must hear of it
        what = str(error) if isinstance(error, CityloopError) else f"{type(error).__name__}: {error}"
        try:
            pipe.send(encode(Died(what=" ".join(what.split()), at_ms=time.time_ns() // 1_000_000)))
        except PipeClosedError:
            return 1
        return 1
    return 0
