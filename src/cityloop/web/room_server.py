"""The server of the room: whoever watches is let go before it waits for what is under way."""

from __future__ import annotations

import socket

import uvicorn

from cityloop.web.ports import Desk

__all__ = ["RoomServer"]


class RoomServer(uvicorn.Server):
    """Ends feeds and event streams, which would go on for ever, when it is told to stop."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the watchers go, then wait for the rest as any server does."""
        desk = self._desk
        desk.events.close()
        desk.board.close()
        if desk.halves is not None:
            desk.halves.board.close()
        await super().shutdown(sockets)
