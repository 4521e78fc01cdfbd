"""A part of a page tells the whole of what happened, and does not keep it alive."""

from __future__ import annotations

import gc

from pages.components.weakly import weakly


class Whole:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def hear(self, word: str) -> None:
        self.heard.append(word)


async def test_the_whole_hears_while_it_lives() -> None:
    whole = Whole()
    await weakly(whole.hear)("sorted")
    assert whole.heard == ["sorted"]


async def test_nothing_happens_once_nobody_holds_it() -> None:
    whole = Whole()
    heard, tell = whole.heard, weakly(whole.hear)
    gc.disable()
    try:
        del whole
        await tell("sorted")
    finally:
        gc.enable()
    assert heard == []
