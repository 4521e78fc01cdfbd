"""How long a page outlives its connection, and what pages and connections cost the process. The browser's half is static/connection.js."""

from __future__ import annotations

import asyncio
from functools import partial

from nicegui import Client, app, background_tasks, core
from uvicorn.protocols.websockets import wsproto_impl
from wsproto.extensions import PerMessageDeflate

RECONNECT_SECONDS = 30.0
"""A page whose connection was lost waits so long for its browser, with all that is open on it. After that it comes back by a reload."""
# A page that was left has nothing to wait for but the last words typed on it, which are being saved.
_LEFT_SECONDS = 3.0
# What NiceGUI keeps for each tab of a browser: nothing of ours is in it.
_TAB_SECONDS = 3600.0
# A page that was fetched and never came to life (a robot at the log-in page) is dropped by NiceGUI after a minute; beyond so many pages
# sooner, so that a flood of them has a bound.
_MANY_PAGES, _SOONER_SECONDS, _LOOKED_EVERY_SECONDS = 400, 15.0, 5.0


def install() -> None:
    """Before it serves. A page is freed soon after its person went on to another: else each would stay for `RECONNECT_SECONDS` whole."""
    app.storage.max_tab_storage_age = _TAB_SECONDS
    # Kept from one message to the next, a socket's compressor and its opposite take 300 KB: a fifth of all that an open page costs. uvicorn
    # has no setting for it, and NiceGUI none for another protocol than this one.
    sparing = partial(PerMessageDeflate, client_no_context_takeover=True, server_no_context_takeover=True)
    wsproto_impl.PerMessageDeflate = sparing  # type: ignore[attr-defined, assignment]
    core.sio.on("leave", _left)
    # A simulated browser registers the pages on an application that runs already, and has few of them.
    if not app.is_started:
        app.on_startup(lambda: background_tasks.create(_bound(), name="console pages"))


async def _bound() -> None:
    while not app.is_stopping:
        await asyncio.sleep(_LOOKED_EVERY_SECONDS)
        if len(Client.instances) > _MANY_PAGES:
            Client.prune_instances(client_age_threshold=_SOONER_SECONDS)


def _left(sid: str) -> None:
    for room in core.sio.rooms(sid):
        if client := Client.instances.get(room):
            background_tasks.create(_forget(client), name="console page left")


async def _forget(client: Client) -> None:
    await asyncio.sleep(_LEFT_SECONDS)
    if client.is_deleted or client.has_socket_connection:
        return
    for document_id in list(client._delete_tasks):
        client._cancel_delete_task(document_id)
    client.delete()
