"""A voucher at a hotspot: let in, or told clearly why not."""

from __future__ import annotations

import pytest

from services.vouchers.codes import new_code, show_code
from tests.browser.browsers import Browsers
from tests.browser.portal import Customer
from tests.browser.world import World

MISTYPED = "That is not a voucher code"


@pytest.fixture(scope="module")
def codes(product: World) -> dict[str, str]:
    """Codes of vouchers by what is the matter with them."""
    return product.issue_vouchers("good", "good-2", "linked", "used", "blocked", "expired")


def enters(customer: Customer, code: str) -> Customer:
    """From the hotspot's page to the voucher form, and the code into it."""
    customer.arrives().page.get_by_role("link", name="Have a voucher?").click()
    customer.sees("Enter your voucher")
    # Typed, not pasted at once: the script groups what is typed.
    customer.page.get_by_label("Voucher code").press_sequentially(code)
    customer.page.get_by_role("button", name="Go online").click()
    return customer


@pytest.mark.parametrize(("kind", "level", "javascript"), [("good", 3, True), ("good-2", 4, False)])
def test_a_voucher_lets_the_phone_in(
    world: World, browsers: Browsers, codes: dict[str, str], kind: str, level: int, javascript: bool
) -> None:
    customer = Customer(world, browsers.open(javascript=javascript), world.join(level))
    enters(customer, codes[kind].lower().replace("-", " ")).is_online()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("mistyped", MISTYPED),
        ("too short", MISTYPED),
        ("blank", MISTYPED),
        ("unknown", "There is no voucher with that code"),
        ("blocked", "This voucher is blocked"),
        ("expired", "This voucher has expired"),
    ],
)
def test_a_voucher_that_cannot_be_used_says_why_and_lets_nobody_in(
    world: World, browsers: Browsers, codes: dict[str, str], kind: str, said: str
) -> None:
    good = codes["linked"]
    entered = {
        "mistyped": good[:-1] + ("2" if good[-1] != "2" else "3"),
        "too short": good[:8],
        "blank": " ",
        "unknown": show_code(new_code()),
    } | codes
    # The script leaves nothing of a blank to be sent, so that one is tried without it.
    customer = enters(Customer(world, browsers.open(javascript=kind != "blank"), world.join()), entered[kind])
    alert = customer.page.get_by_role("alert").filter(has_text=said)
    alert.wait_for()
    field = customer.page.get_by_label("Voucher code")
    assert field.input_value() == entered[kind].strip()
    customer.is_captive()


def test_a_used_voucher_does_not_let_a_second_phone_in(world: World, browsers: Browsers, codes: dict[str, str]) -> None:
    enters(Customer(world, browsers.open(), world.join()), codes["used"]).is_online()
    second = enters(Customer(world, browsers.open(), world.join(level=4)), codes["used"])
    second.page.get_by_role("alert").filter(has_text="This voucher is already used").wait_for()
    second.is_captive()


def test_the_link_of_a_qr_code_is_filled_in_and_spends_nothing_by_itself(world: World, browsers: Browsers, codes: dict[str, str]) -> None:
    code = codes["linked"]
    looking = browsers.open()
    looking.goto(f"{world.url}/portal/v/{code}")
    looking.reload()
    assert looking.get_by_label("Voucher code").input_value() == code
    customer = Customer(world, browsers.open(), world.join())
    context = customer.arrives().page.get_by_role("link", name="Have a voucher?").get_attribute("href") or ""
    customer.page.goto(f"{world.url}/portal/v/{code}?{context.partition('?')[2]}")
    customer.page.get_by_role("button", name="Go online").click()
    customer.is_online()


def test_an_empty_code_is_not_even_sent(world: World, browsers: Browsers) -> None:
    page = browsers.open()
    page.goto(f"{world.url}/portal/voucher")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Use this voucher").click()
    assert page.get_by_label("Voucher code").evaluate("field => field.matches(':invalid:focus')")
    assert not posts
