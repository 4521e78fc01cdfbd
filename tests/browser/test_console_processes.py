"""Several console processes behind the proxy: one dies, or the way to them does, and the people on it hardly notice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browsers import DESKTOP
from tests.browser.console import Staff
from tests.browser.portal import Report, reported
from tests.browser.world import World, wait_for
from tests.conftest import free_port
from tests.deploy.proxied import PROGRAM, WHERE_FROM, Proxy

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHERE_FROM)
_CHECKOUT = Path(__file__).parents[2]
_PATIENCE_MS = 60_000
_HOST = "localhost"


class Console:
    """A console process beside the one that the product itself runs."""

    def __init__(self, world: World) -> None:
        self.port = free_port()
        self.log = world.stack.data_dir / "log" / f"console-{self.port}.log"
        command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**world.stack.environment, "INET_ROLES": "console"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=_CHECKOUT, stdout=log, stderr=subprocess.STDOUT)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serves(self) -> bool:
        status = self._process.poll()
        assert status is None, f"it ended with status {status}: {self.log.read_text()[-2000:]}"
        try:
            return httpx.get(f"http://{self.address}/healthz/live").status_code == 200
        except httpx.HTTPError:
            return False

    def falls_silent(self) -> None:
        """What is sent to it from now on nobody reads."""
        self._process.send_signal(signal.SIGSTOP)

    def die(self) -> None:
        self._process.kill()
        self._process.wait(20)


@dataclass(frozen=True)
class Site(World):
    """The product as it is seen through its proxy."""

    proxy: Proxy = field(kw_only=True)

    @property
    def url(self) -> str:
        return f"https://{_HOST}:{self.proxy.https}"

    def way_to(self, console: Console) -> dict[str, str]:
        """The cookie of a browser that the proxy leads there: of so many new ones about half are."""
        ways = {}
        for _ in range(24):
            correlation_id = uuid.uuid4().hex
            answer = self.proxy.ask("/console/static/connection.js", host=_HOST, X_Correlation_ID=correlation_id)
            ways[correlation_id] = SimpleCookie(answer.headers["Set-Cookie"])["inet_way"].value
        found = (way for one, way in ways.items() if self.proxy.logged(one, 1)[0]["upstream"] == console.address)
        return {"name": "inet_way", "value": next(found), "url": self.url}


@pytest.fixture
def another(world: World) -> Iterator[Console]:
    console = Console(world)
    try:
        wait_for(console.serves, "another console process", seconds=200)
        yield console
    finally:
        console.die()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """In a browser that knows nothing."""
    context = chromium.new_context(viewport=DESKTOP, ignore_https_errors=True)
    context.set_default_timeout(_PATIENCE_MS)
    yield context.new_page()
    context.close()


class Writer(Staff):
    """Somebody of Customer Care, who has a ticket open and writes an answer."""

    def begins(self, words: str, on: Report) -> Writer:
        self.reference = on.reference
        self.logs_in("care").is_in().opens(f"/tickets/{on.reference}?from=a-list").writes(words)
        return self.reads_that_it_is_kept()

    def writes_on(self, words: str) -> Writer:
        self.answer.press_sequentially(words)
        return self

    def reads_that_it_is_kept(self) -> Writer:
        expect(self.page.get_by_text("Draft kept", exact=True)).to_be_visible(timeout=_PATIENCE_MS)
        return self

    def is_told(self, words: str) -> Writer:
        """By the bar that speaks of the connection."""
        expect(self.page.locator("#connection")).to_contain_text(words, timeout=_PATIENCE_MS)
        return self

    def finds(self, words: str) -> Writer:
        """It stands before them, and soon on the server."""
        expect(self.answer).to_have_value(words, timeout=_PATIENCE_MS)
        kept = "SELECT 1 FROM draft WHERE place = %s AND text = %s"
        wait_for(lambda: self.world.ask_database(kept, f"ticket:{self.reference}:reply", words), "the whole draft", seconds=60)
        return self


@pytest.fixture
def report(world: World) -> Report:
    return reported(world, "It is slow at the market")


def test_who_was_on_a_console_process_that_is_killed_goes_on_with_another(
    world: World, another: Console, page: Page, report: Report, tmp_path: Path
) -> None:
    with Proxy(tmp_path, ["127.0.0.1:9"], [urlsplit(world.url).netloc, another.address], name=_HOST) as proxy:
        site = Site(world.stack, world.sandbox, proxy=proxy)
        page.context.add_cookies([site.way_to(another)])  # type: ignore[list-item]
        writer = Writer(site, page).begins("We looked at the router", report)
        here = page.url
        another.falls_silent()
        writer.writes_on(" and it is well")
        another.die()
        began = time.monotonic()
        writer.is_told("You are back where you were")
        print(f"back after {time.monotonic() - began:.1f} s")
        writer.finds("We looked at the router and it is well")
        assert page.url == here


def test_a_lost_way_is_said_and_mends_itself_with_all_that_is_open(world: World, page: Page, report: Report, tmp_path: Path) -> None:
    with Proxy(tmp_path, ["127.0.0.1:9"], [urlsplit(world.url).netloc], name=_HOST) as proxy:
        writer = Writer(Site(world.stack, world.sandbox, proxy=proxy), page).begins("Half a", report)
        page.evaluate("window.sameAsBefore = true")
        proxy.__exit__()
        writer.is_told("Connection lost. What you write is kept; trying again.").writes_on(" sentence")
        proxy.__enter__()
        writer.is_told("Connected again.").finds("Half a sentence")
        assert page.evaluate("window.sameAsBefore") is True
