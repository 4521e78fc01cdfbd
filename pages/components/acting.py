"""What a click sets going outlives the element that was clicked: news may redraw a list before its handler has begun."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui


def on_the_page(act: Callable[[], Awaitable[object] | object]) -> Callable[[], Awaitable[None]]:
    """The handler, acting on the page on which it is made, and not within the element that it is made for."""
    page = ui.context.client.content

    async def acting() -> None:
        with page:
            done = act()
            if isinstance(done, Awaitable):
                await done

    return acting
