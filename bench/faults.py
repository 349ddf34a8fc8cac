"""A server whose paths can be broken, and that takes webhooks: `python -m bench.faults PORT_FILE JOURNAL`.

GET /SOURCE answers 200, or 500 once POST /break/SOURCE was said and until POST /mend/SOURCE; POST /hook
appends `SECONDS BODY` to the journal: when the message arrived, and the message.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO

from aiohttp import web

__all__: list[str] = []


class _Faults:
    def __init__(self, journal: TextIO) -> None:
        self.broken: set[str] = set()
        self.journal = journal

    async def get(self, request: web.Request) -> web.Response:
        broken = request.match_info["source"] in self.broken
        return web.json_response({"status": "broken" if broken else "ok"}, status=500 if broken else 200)

    async def turn(self, request: web.Request) -> web.Response:
        change = self.broken.add if request.match_info["how"] == "break" else self.broken.discard
        change(request.match_info["source"])
        return web.Response(text=f"{time.time():.6f}")

    async def hook(self, request: web.Request) -> web.Response:
        at = time.time()
        self.journal.write(f"{at:.6f} {(await request.read()).decode()}\n")
        self.journal.flush()
        return web.Response()


async def _serve(port_file: Path, journal: Path) -> None:
    with journal.open("a") as lines:
        faults = _Faults(lines)
        app = web.Application()
        app.router.add_post("/hook", faults.hook)
        app.router.add_post("/{how:break|mend}/{source}", faults.turn)
        app.router.add_get("/{source}", faults.get)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port_file.write_text(str(runner.addresses[0][1]))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
