"""What an open page does again and again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import background_tasks, core, ui


def again_every(seconds: float, act: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    """Call `act` again and again as long as this page is open: first after so many seconds, or `at_once` when its browser is there.

    It ends together with the page. A `ui.timer` that sleeps holds what is left of its page until it wakes: at a minute, and a person who
    goes from page to page, that is more than the pages that are open.
    """
    client, slot = ui.context.client, ui.context.slot

    async def go_on() -> None:
        if not at_once:
            # Before it waits for the browser, which NiceGUI takes for a wish to send the page as it is.
            await asyncio.sleep(seconds)
        await client.connected()
        while not client.is_deleted:
            with slot:
                try:
                    await act()
                except Exception as error:
                    core.app.handle_exception(error)
            await asyncio.sleep(seconds)

    task = background_tasks.create(go_on(), name=f"console page, every {seconds:g} s")

    def end() -> None:
        task.cancel()

    client.on_delete(end)
