"""A web process that is stopped and started anew behind the real nginx, beside another: nobody notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.proxied import PROGRAM, WHERE_FROM, Proxy
from tests.gated_web import GatedWeb

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHERE_FROM)
# Together well below what nginx lets one address ask for.
_BUYERS, _PAUSE_SECONDS = 3, 0.015


@dataclass
class Buyers:
    """Send what must not be sent twice, one after the other, each over a connection of its own."""

    proxy: Proxy
    answered: list[list[int]] = field(default_factory=lambda: [[] for _ in range(_BUYERS)])
    """Which processes answered, for each buyer."""
    failed: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Buyers:
        self._threads = [threading.Thread(target=self._buy_on, args=[mine]) for mine in self.answered]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _buy_on(self, mine: list[int]) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            try:
                answer = self.proxy.ask("/api/wave/checkout", "POST", body=b"{}")
            except OSError as error:
                self.failed.append(repr(error))
                continue
            if answer.status == 200:
                mine.append(int(answer.body))
            else:
                self.failed.append(f"{answer.status}: {answer.body!r}")

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, self.failed
            time.sleep(0.05)

    def buy(self, count: int) -> None:
        """So many more purchases of each: one that had to wait for a process to start would keep its buyer from it."""
        enough = [len(mine) + count for mine in self.answered]
        self.until(lambda: self.failed or all(len(mine) >= wanted for mine, wanted in zip(self.answered, enough, strict=True)))

    def are_served_by(self, web: GatedWeb) -> None:
        own, known = web.pids(), [len(mine) for mine in self.answered]
        self.until(lambda: any(own & set(mine[seen:]) for mine, seen in zip(self.answered, known, strict=True)))


@pytest.fixture
def webs(tmp_path: Path) -> Iterator[tuple[GatedWeb, GatedWeb]]:
    made = GatedWeb(tmp_path / "gate-1"), GatedWeb(tmp_path / "gate-2")
    with ExitStack() as stack:
        for web in made:
            web.start()
            stack.callback(web.kill)
            web.open()
            web.await_service()
        yield made


@pytest.mark.timeout(200)
def test_while_a_process_starts_anew_the_other_serves_and_nobody_waits(webs: tuple[GatedWeb, GatedWeb], tmp_path: Path) -> None:
    with Proxy(tmp_path, [web.address for web in webs], [webs[0].address]) as proxy, Buyers(proxy) as buyers:
        for web in webs:
            buyers.buy(20)
            web.stop()
            buyers.buy(20)
            web.shut()
            web.start()
            # It imports, for as long as the gate is shut.
            buyers.buy(50)
            web.open()
            buyers.are_served_by(web)
    assert buyers.failed == []
