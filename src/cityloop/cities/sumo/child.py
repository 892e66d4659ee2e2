"""The twin's child process: ``python -m cityloop.cities.sumo.child FD``.

Holds the simulation, answers its parent over the socket it was given, and ends when the parent is gone. A
crash of SUMO ends this process and nothing else.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import sys
import time

from cityloop.cities.sumo.launch import Launch
from cityloop.cities.sumo.simulation import Simulation
from cityloop.cities.sumo.twin_wire import (
    Close,
    Closed,
    Failed,
    Observe,
    Ready,
    Seen,
    receipt_message,
    receive,
    send,
)
from cityloop.kernel.errors import CityloopError

_STEPS_BETWEEN_LOOKS = 20
"""Steps after which a long observation looks whether its parent still lives."""


def main() -> int:
    """Serve one simulation over the inherited socket."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    launch: Launch = pickle.load(connection.makefile("rb"))
    simulation: Simulation | None = None
    try:
        simulation = Simulation(launch)
        send(connection, Ready())
        while True:
            message = receive(connection)
            match message:
                case Observe():
                    seen = _observe(simulation, message, connection)
                    if seen is None:
                        return 1
                    send(connection, seen)
                case Close():
                    simulation.close()
                    send(connection, Closed(time.process_time()))
                    return 0
                case _:
                    return 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        now_ms = launch.begin_ms if simulation is None else simulation.now_ms
        what = str(error) if isinstance(error, CityloopError) else f"{type(error).__name__}: {error}"
        send(connection, Failed(what, now_ms))
        return 1


def _observe(simulation: Simulation, message: Observe, connection: socket.socket) -> Seen | None:
    """Step until the instant asked for; None when the parent is gone."""
    receipts = simulation.take(lease.command() for lease in message.commands)
    steps = []
    while not simulation.ended and simulation.next_ms <= message.until_ms:
        readings, answers = simulation.step()
        steps.append(readings)
        receipts += answers
        if len(steps) % _STEPS_BETWEEN_LOOKS == 0 and _hung_up(connection):
            return None
    stream, observed, received, value = (
        bytearray().join(readings[column].tobytes() for readings in steps) for column in range(4)
    )
    return Seen(
        simulation.now_ms,
        simulation.ended,
        time.process_time(),
        stream,
        observed,
        received,
        value,
        tuple(receipt_message(receipt) for receipt in receipts),
        simulation.picture() if steps else {},
    )


def _hung_up(connection: socket.socket) -> bool:
    poller = select.poll()
    poller.register(connection, select.POLLHUP)
    return bool(poller.poll(0))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # libsumo's own clean-up at interpreter exit may crash after outputs are whole.
    os._exit(code)
