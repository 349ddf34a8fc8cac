"""A small HTTP server to be checked: `python -m bench.target PORT_FILE`, one process, answers at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

__all__: list[str] = []

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\nConnection: close\r\n\r\n"
    b'{"status":"ok","items":[1]}'
)


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(_ANSWER)  # type: ignore[attr-defined]
            self.transport.close()


async def _serve(port_file: Path) -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=4096)
    port_file.write_text(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
