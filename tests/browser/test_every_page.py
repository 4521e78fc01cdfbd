"""What holds on every page of the portal: for thumbs, screen readers, small and slow phones."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Response

from tests.browser.browsers import PHONE, SMALL_PHONE, Browsers
from tests.browser.portal import Customer
from tests.browser.world import World

CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
MOST_BYTES_OF_A_VISIT = 30 * 1024
PATHS = (
    "/",
    "/portal/",
    "/portal/buy/month-family",
    "/portal/buy/nothing",
    "/portal/voucher",
    "/portal/v/ABCD-EFGHJ-KMNPR",
    "/portal/find",
    "/portal/help",
    "/portal/help?ticket=T-ABCDEFG",
    "/portal/session",
    "/portal/pay/unknown",
    "/portal/nothing",
)


def flaws(page: Page, what: str) -> list[str]:
    return [f"{what}: {flaw}" for flaw in page.evaluate(CHECKS)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_usable_on_a_small_phone(world: World, browsers: Browsers, scheme: str) -> None:
    page = browsers.open(screen=SMALL_PHONE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    customer = Customer(world, page, world.join())
    entry = customer.arrives().page.get_by_role("link", name="Have a voucher?").get_attribute("href") or ""
    context = entry.partition("?")[2]
    found = flaws(page, "hotspot")
    for path in PATHS:
        page.goto(f"{world.url}{path}{'&' if '?' in path else '?'}{context}")
        found += flaws(page, path)
    page.goto(f"{world.url}/portal/voucher?{context}")
    page.get_by_label("Voucher code").fill("ABCD")
    page.get_by_role("button", name="Go online").click()
    page.get_by_role("alert").wait_for()
    found += flaws(page, "wrong voucher")
    customer.arrives().buys()
    page.get_by_text("Pay with another phone").click()
    found += flaws(page, "open at Wave")
    world.sandbox.pay(customer.receipt)
    customer.is_online()
    found += flaws(page, "online")
    customer.page.get_by_role("link", name="INET").click()
    customer.is_online()
    found += flaws(page, "start, online")
    assert not found


def test_a_whole_visit_weighs_at_most_thirty_kilobytes(world: World, browsers: Browsers) -> None:
    page = browsers.open(screen=PHONE)
    answers: list[Response] = []
    page.on("response", lambda response: answers.append(response) if response.url.startswith(world.url) else None)
    customer = Customer(world, page, world.join())
    customer.arrives().buys().goes_to_wave().pays().is_online()
    page.wait_for_load_state("networkidle")
    weights = {response.url.partition("?")[0]: response.request.sizes()["responseBodySize"] for response in answers}
    assert {path.rpartition(".")[2] for path in weights} >= {"css", "js"}
    assert sum(response.request.sizes()["responseBodySize"] for response in answers) <= MOST_BYTES_OF_A_VISIT, weights
    assert not any("set-cookie" in response.all_headers() for response in answers)
