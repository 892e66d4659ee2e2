"""How a fleet speaks over HTTP."""

from __future__ import annotations

import asyncio

from cityloop.studies.sensor_http import HttpSender


def test_a_connection_that_the_server_closed_is_opened_anew():
    """Servers hang up on whoever is silent for a while; a seldom sensor's next request goes through all the same."""

    async def two_requests() -> list[tuple[int, bytes]]:
        hung_up: asyncio.Queue[None] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            hung_up.put_nowait(None)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sender = HttpSender(f"http://127.0.0.1:{port}", "")
            answers = [await sender.request("GET", "/")]
            await hung_up.get()
            await asyncio.sleep(0.2)
            answers.append(await sender.request("GET", "/"))
            sender.close()
        return answers

    assert asyncio.run(two_requests()) == [(200, b"ok"), (200, b"ok")]
