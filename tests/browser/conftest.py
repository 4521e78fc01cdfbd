"""One running product and one headless Chromium for all browser tests, started once and stopped when the last of them is done
(one worker runs them all: tests/scheduling.py).

Both are package-wide, not session-wide: while playwright is open its event loop counts as running in this thread, which tests of
other packages must not meet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from app.supervisor import Stack
from tests import prepared
from tests.browser.browsers import ARGUMENTS, Browsers, find_chromium
from tests.browser.world import ENVIRONMENT, World, wait_for_hotspots
from tests.conftest import Sandbox, free_port

_HERE = Path(__file__).parent
# A machine that is busy with the rest of the suite may stand still for a moment: how quick a page is, the bench says.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("browser tests need Chromium, and there is none here; get one with: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def product(chromium: Browser, migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole product with its sandbox, as `inet up` runs it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Workers share this directory. A second product costs minutes and is no failure by itself, so it is made one.
        (tmp_path_factory.getbasetemp().parent / "browser-product").touch(exist_ok=False)
    with pytest.MonkeyPatch.context() as patch:
        # Other tests point this process at servers of their own, and NiceGUI behaves otherwise where it sees pytest at work.
        for name in [name for name in os.environ if name.startswith(("INET_", "PYTEST_", "NICEGUI_"))]:
            patch.delenv(name)
        data_dir = tmp_path_factory.mktemp("product")
        prepared.put_into(data_dir / "postgres")
        stack = Stack(data_dir, free_port(), free_port(), durable=False, env=ENVIRONMENT)
    stack.start()
    try:
        assert stack.sandbox_url is not None
        with httpx.Client(base_url=stack.sandbox_url, timeout=10) as http:
            world = World(stack, Sandbox(stack.sandbox_url, http))
            wait_for_hotspots(world)
            yield world
    finally:
        stack.stop()


@pytest.fixture
def world(product: World) -> Iterator[World]:
    """The running product with an outside world that behaves."""
    product.behave()
    yield product
    product.behave()


@pytest.fixture
def browsers(chromium: Browser, world: World) -> Iterator[Browsers]:
    """Opens browsers that know nothing; what every page must hold is checked when they close."""
    opened = Browsers(chromium, (world.url, world.sandbox.url))
    yield opened
    opened.close()
    assert not opened.complaints
