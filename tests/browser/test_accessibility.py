"""Every page of the console and of the portal: axe-core finds nothing (WCAG 2.2 AA), nothing scrolls sideways, the focus is always seen.

Each page is opened once, in one of four looks that take turns. `INET_TESTS_EVERY_LOOK=1` opens each page in every look.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, TimeoutError, expect

from app.settings import DEMO_PASSWORD
from app.supervisor import Stack
from tests.browser.browsers import DESKTOP, PHONE, Browsers
from tests.browser.furnishing import furnish
from tests.browser.world import ENVIRONMENT
from tests.conftest import free_port

# The first test waits for the product; a machine may be busy.
pytestmark = pytest.mark.timeout(1200)
_PATIENCE_MS = 120_000
_ROOM_MS = 5_000
_EVERY_LOOK = os.environ.get("INET_TESTS_EVERY_LOOK") == "1"
# Nobody is asked: what is shown is what was laid out.
_OUTSIDE = {
    "INET_WAVE_BASE_URL": "http://127.0.0.1:9",
    "INET_WAVE_API_KEY": "none",
    "INET_PORTABILLING_URL": "http://127.0.0.1:9",
    "INET_PORTABILLING_USER": "inet",
    "INET_PORTABILLING_PASSWORD": "none",
}
_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
_HARD = ("critical", "serious", "moderate")
_DRAWN = "document.querySelector('main, .login')?.innerText.trim().length > 20"
# What is on its way in has the colours of what is behind it.
_STILL = "document.getAnimations().every((one) => one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"
_WIDER = "document.documentElement.scrollWidth - innerWidth"
# The element that has the focus: what it is, whether something shows it, and whether anything of it is in sight.
_FOCUS = """async () => {
  // Whatever shows it may be on its way.
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const { left, top, width, height } = at.getBoundingClientRect();
  const style = getComputedStyle(at), field = at.closest(".q-field");
  const ring = at.matches(".q-btn") && style.boxShadow.includes("0px 0px 0px 4px");
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const shown = ring || outlined || !!field?.classList.contains("q-field--focused");
  const points = [[.5, .5], [.1, .5], [.9, .5], [.5, .1], [.5, .9]]
    .map(([x, y]) => document.elementFromPoint(left + width * x, top + height * y));
  const own = (el) => el && (at.contains(el) || el.contains(at) && !el.matches("html, body") || field?.contains(el));
  return { what: at.outerHTML.slice(0, 120), shown, seen: points.some(own) };
}"""


@dataclass(frozen=True)
class Look:
    screen: Literal["desk", "phone"]
    scheme: Literal["light", "dark"]


LOOKS = (Look("desk", "light"), Look("phone", "dark"), Look("desk", "dark"), Look("phone", "light"))


@dataclass(frozen=True)
class House:
    """A product that stands still, with something on every page. `pages` are addresses by what they are called."""

    url: str
    pages: dict[str, str]
    unknown: tuple[str, ...]
    cookies: list[Any]


@pytest.fixture(scope="module")
def house(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("INET_", "PYTEST_", "NICEGUI_"))]:
            patch.delenv(name)
        directory = tmp_path_factory.mktemp("house")
        stack = Stack(directory, free_port(), sandbox=False, workers=0, scheduler=False, durable=False, env=ENVIRONMENT | _OUTSIDE)
    stack.start()
    try:
        said = furnish(stack.environment)
        pages = {path: address for path, address in said["console"].items() if address} | {
            f"portal: {name}": address for name, address in said["portal"].items()
        }
        unknown = tuple(path for path, address in said["console"].items() if address is None)
        yield House(stack.url, pages, unknown, _logged_in(chromium, stack.url))
    finally:
        stack.stop()


def _logged_in(chromium: Browser, url: str) -> list[Any]:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{url}/console/login")
    page.get_by_label("E-mail").fill("root@inet.demo")
    page.get_by_label("Password", exact=True).fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page).to_have_url(f"{url}/console", timeout=_PATIENCE_MS)
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture
def visitors(chromium: Browser, house: House) -> Iterator[Browsers]:
    opened = Browsers(chromium, (house.url,))
    yield opened
    opened.close()
    assert not opened.complaints


def _owner(visitors: Browsers, house: House, look: Look) -> Page:
    page = visitors.open(screen=DESKTOP if look.screen == "desk" else PHONE, is_touch=look.screen == "phone", may_keep_cookies=True)
    page.set_default_timeout(_PATIENCE_MS)
    page.context.add_cookies(house.cookies)
    page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
    return page


def _goes(page: Page, house: House, address: str) -> int:
    """Answers the status once the page is drawn."""
    answer = page.goto(house.url + address)
    assert answer is not None
    if answer.status < 500:
        page.wait_for_function(_DRAWN)
    page.evaluate("() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))")
    return answer.status


def _flaws(page: Page, name: str, *, without: tuple[str, ...] = ()) -> list[str]:
    page.wait_for_function(_STILL)
    left_out = {rule: {"enabled": False} for rule in without}
    found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": _RULES, "rules": left_out}).response["violations"]
    return [
        f"{name}: {rule['id']} ({rule['impact']}): {node['html'][:160]}: {node.get('failureSummary', '')[:240]}"
        for rule in found
        if rule["impact"] in _HARD
        for node in rule["nodes"]
    ]


def test_every_page_has_an_address_to_look_at(house: House) -> None:
    """Where a page's address names a thing, tests/browser/furnished.py says which one."""
    assert house.unknown == ()


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.screen}-{look.scheme}")
def test_everybody_can_use_every_page(house: House, visitors: Browsers, look: Look) -> None:
    page = _owner(visitors, house, look)
    names = list(house.pages)
    found: list[str] = []
    for name in names if _EVERY_LOOK else names[LOOKS.index(look) :: len(LOOKS)]:
        if (status := _goes(page, house, house.pages[name])) >= 500:
            found.append(f"{name}: answered {status}")
            continue
        found += _flaws(page, name)
        # Wherever it was looked at, it fits on a phone, once the navigation has made room.
        page.set_viewport_size(PHONE)
        with suppress(TimeoutError):
            page.wait_for_function(f"{_WIDER} <= 0", timeout=_ROOM_MS)
        if (wider := page.evaluate(_WIDER)) > 0:
            found.append(f"{name}: {wider} pixels wider than a phone")
        page.set_viewport_size(DESKTOP if look.screen == "desk" else PHONE)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", LOOKS[:2], ids=lambda look: f"{look.screen}-{look.scheme}")
def test_a_dialog_has_a_name_fits_and_gives_the_focus_back(house: House, visitors: Browsers, look: Look) -> None:
    page = _owner(visitors, house, look)
    _goes(page, house, "/console/style-guide")
    button = page.get_by_role("button", name="confirm, with a reason")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Give D 25 back?")
    expect(dialog.get_by_label("Reason")).to_be_focused(timeout=_PATIENCE_MS)
    # axe-core holds a dialog's buttons against what lies behind it; the page itself shows the same ones, and they are checked there.
    flaws = _flaws(page, "dialog", without=("color-contrast",))
    assert not flaws, "\n".join(flaws)
    box = dialog.locator(".dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= (page.viewport_size or PHONE)["width"]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()


@pytest.mark.parametrize("path", ["/console/payments", "/console/style-guide"])
def test_the_focus_is_shown_and_never_hidden(house: House, visitors: Browsers, path: str) -> None:
    """Neither under the header that stays at the top, nor below what stays at the bottom."""
    page = _owner(visitors, house, LOOKS[0])
    _goes(page, house, path)
    found: list[str] = []
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUS)
        if at is not None and not (at["shown"] and at["seen"]):
            found.append(f"{'hidden' if at['shown'] else 'not shown'}: {at['what']}")
    assert not found, "\n".join(found)


def test_nothing_moves_for_who_does_not_want_it(house: House, visitors: Browsers) -> None:
    page = _owner(visitors, house, LOOKS[0])
    _goes(page, house, "/console/style-guide")
    longest = "Math.max(...[...document.querySelectorAll('*')].map((el) => parseFloat(getComputedStyle(el).animationDuration) || 0))"
    assert page.evaluate(longest) < 0.001
