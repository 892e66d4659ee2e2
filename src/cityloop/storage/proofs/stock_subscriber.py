"""A stock way to keep readings: paho-mqtt subscribes at a broker, SQLite keeps them. The peer of a bench row.

``python -m cityloop.storage.proofs.stock_subscriber PORT DATABASE`` prints ``ready`` once it is subscribed, and after
SIGTERM how many readings it has committed. It commits what has come every tenth of a second, as a careful script would.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import threading
import time
from typing import Any

__all__ = ["main"]

_COMMIT_S = 0.1
_TABLE = (
    "PRAGMA journal_mode = wal",
    "PRAGMA synchronous = full",
    "CREATE TABLE readings (stream TEXT, observed_at_ms INTEGER, received_at_ms INTEGER, value REAL)",
    "CREATE INDEX readings_by_stream ON readings (stream, observed_at_ms)",
)


def main(arguments: list[str]) -> None:
    """Keep what is published below ``readings/`` until told to stop."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    port, database = int(arguments[0]), arguments[1]
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    for statement in _TABLE:
        connection.execute(statement)
    waiting: list[tuple[str, int, int, float]] = []
    lock, stopped = threading.Lock(), threading.Event()

    def heard(_client: Any, _data: Any, message: Any) -> None:
        told = json.loads(message.payload)
        row = (message.topic, told["observed_at_ms"], time.time_ns() // 1_000_000, told["value"])
        with lock:
            waiting.append(row)

    def subscribe(client: Any, *_: Any) -> None:
        client.subscribe("readings/#", qos=1)

    def ready(*_: Any) -> None:
        print("ready", flush=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="keeper")
    client.on_message = heard
    client.on_connect = subscribe
    client.on_subscribe = ready
    client.connect("127.0.0.1", port)
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    client.loop_start()
    kept = 0
    while not stopped.wait(_COMMIT_S) or waiting:
        with lock:
            rows, waiting[:] = list(waiting), []
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
        kept += len(rows)
    client.loop_stop()
    connection.close()
    print(kept, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
