"""A browser as the console's server sees it: it fetches a page, opens the page's socket, answers pings, and says when it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import httpx
import websockets

_CLIENT = re.compile(r"'client_id': '([0-9a-f-]{36})'|\"client_id\": ?\"([0-9a-f-]{36})\"")


class Open:
    """One open page; `async with` opens and leaves it. Counts what the server sent meanwhile.

    `tab` is the browser's tab: who goes on to another page in it keeps it.
    """

    def __init__(self, http: httpx.AsyncClient, address: str, path: str, cookie: str, tab: str = "") -> None:
        self._http, self._address, self._path, self._cookie, self._tab = http, address, path, cookie, tab or str(uuid.uuid4())
        self.received = self.size = 0

    async def __aenter__(self) -> Self:
        answer = await self._http.get(f"http://{self._address}{self._path}", headers={"Cookie": f"inet={self._cookie}"})
        answer.raise_for_status()
        self.size = len(answer.content)
        found = _CLIENT.search(answer.text)
        assert found, f"{self._path} is no page: {answer.status_code} {answer.headers.get('location', '')}"
        query = {
            "EIO": "4",
            "transport": "websocket",
            "client_id": found[1] or found[2],
            "implicit_handshake": "true",
            "tab_id": self._tab,
            "document_id": str(uuid.uuid4()),
            "next_message_id": "0",
        }
        address = f"ws://{self._address}/_nicegui_ws/socket.io/?{urlencode(query)}"
        self._socket = await websockets.connect(address, additional_headers={"Cookie": f"inet={self._cookie}"}, max_size=None)
        await self._socket.recv()
        await self._socket.send("40")
        while not str(await self._socket.recv()).startswith("40"):
            pass
        self._task = asyncio.create_task(self._listen())
        return self

    async def _listen(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for said in self._socket:
                self.received += 1
                if said == "2":
                    await self._socket.send("3")

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._task.cancel()
        with contextlib.suppress(websockets.ConnectionClosed, asyncio.CancelledError):
            await self._socket.send('42["leave"]')
            await self._socket.close()
            await self._task
