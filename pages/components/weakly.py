"""Parts of a page that tell the whole of what happened, without holding it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec
from weakref import WeakMethod

_P = ParamSpec("_P")


def weakly(method: Callable[_P, Awaitable[None]]) -> Callable[_P, Awaitable[None]]:
    """The method, for as long as its object lives otherwise; then nothing happens.

    A part that holds what holds it would outlive its page until a full garbage collection (pages/garbage.py).
    """
    held = WeakMethod(method)

    async def tell(*args: _P.args, **named: _P.kwargs) -> None:
        if (living := held()) is not None:
            await living(*args, **named)

    return tell
