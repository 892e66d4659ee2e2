"""Where devices speak: SensorThings and the fast lanes beside the API, on the same port."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from cityloop.web.ports import Desk

__all__ = ["mount_sensing"]


def mount_sensing(desk: Desk, data: Path, token: str, mqtt_port: int | None, closing: ExitStack) -> None:
    """Mount the sensing rooms' application; what they own is closed with the server."""
