"""The search over every page: what it answers whom, what was open lately, what can be done there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import select

from app.db import in_transaction
from pages.palette_actions import ACTIONS, find_places, may_do
from pages.shell import PAGES
from services.accounts.models import Customer, Role
from services.payments.models import Payment
from services.tickets.models import Ticket
from services.vouchers import codes
from services.vouchers.models import Voucher
from tests.factories import staff
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until

pytestmark = pytest.mark.usefixtures("shop")


def drawn(user: User) -> str:
    (found,) = user.find(kind=ui.html, marker="palette-found").elements
    return found.content


def hrefs(user: User) -> list[str]:
    return re.findall(r'role="option"[^>]*? href="([^"]*)"', drawn(user))


async def ask(user: User, text: str, number: int) -> None:
    """As the browser asks, once the fingers rest."""
    user.find(marker="palette").trigger("inet_ask", {"detail": {"text": text, "number": number}})
    await until(lambda: f'data-number="{number}"' in drawn(user))


async def one(model: Any, *where: Any) -> Any:
    return await in_transaction(lambda session: session.exec(select(model).where(*where).limit(1)).one())


async def test_a_customer_is_found_by_phone_in_both_forms_and_shown_masked(user: User, sign_in: SignIn) -> None:
    customer = await one(Customer)
    await sign_in(Role.CUSTOMER_CARE)
    national = customer.phone_e164.removeprefix("+220")
    for number, text in enumerate((national, national[2:], f"{national[:2]} {national[2:5]} {national[5:]}"), start=1):
        await ask(user, text, number)
        assert hrefs(user)[0] == f"/console/customers/{customer.id}"
        assert national not in drawn(user).replace(f"q={text}", "")


async def test_a_whole_voucher_code_finds_its_voucher_and_stands_nowhere(user: User, sign_in: SignIn) -> None:
    voucher = await one(Voucher)
    code = codes.unseal_code(voucher.code_sealed)
    await sign_in(Role.CUSTOMER_CARE)
    await ask(user, codes.show_code(code).lower(), 1)
    assert hrefs(user) == [f"/console/vouchers/{voucher.id}"]
    assert code not in drawn(user).upper().replace("-", "")


async def test_a_technician_finds_own_tickets_and_no_money(user: User, sign_in: SignIn) -> None:
    payment, own, others = await one(Payment), await one(Ticket, Ticket.assignee_id != None), await one(Ticket, Ticket.assignee_id == None)  # noqa: E711
    await sign_in(Role.FIELD_TECHNICIAN)
    for number, (text, wanted) in enumerate(
        ((own.reference, [f"/console/tickets/{own.reference}"]), (others.reference, []), (payment.reference, [])), start=1
    ):
        await ask(user, text, number)
        assert [href for href in hrefs(user) if not href.startswith("/console/sla")] == wanted
    assert "Nothing found" in drawn(user)


async def test_an_old_answer_is_not_shown_after_a_newer_question(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await ask(user, "refunds", 7)
    newer = drawn(user)
    user.find(marker="palette").trigger("inet_ask", {"detail": {"text": "vouchers", "number": 3}})
    await ask(user, "refunds", 8)
    assert drawn(user) == newer.replace('data-number="7"', 'data-number="8"')


async def test_before_anything_is_typed_there_is_what_was_open_lately(user: User, sign_in: SignIn) -> None:
    customer, payment = await one(Customer), await one(Payment)
    await sign_in(Role.CUSTOMER_CARE)
    for path in (f"/console/customers/{customer.id}", f"/console/payments/{payment.reference}", "/console/payments/NOSUCH"):
        await user.open(path)
    await user.open("/console")
    await ask(user, "", 1)
    assert hrefs(user)[:2] == [f"/console/payments/{payment.reference}", f"/console/customers/{customer.id}"]
    assert "NOSUCH" not in drawn(user)


async def test_what_is_typed_is_shown_as_it_is_and_never_as_a_part_of_the_page(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await ask(user, "<img src=x onerror=alert(1)> & “'", 1)
    assert "<img" not in drawn(user)
    assert "&lt;img src=x onerror=alert(1)&gt;" in drawn(user)


@pytest.mark.parametrize("detail", [None, "x", 5, {}, {"text": None}, {"text": ["a"], "number": "1"}, {"number": True}])
async def test_a_browser_that_asks_nonsense_gets_no_error(user: User, sign_in: SignIn, detail: object) -> None:
    await sign_in(Role.ROOT)
    user.find(marker="palette").trigger("inet_ask", {"detail": detail}).trigger("inet_do", {"detail": detail})
    await ask(user, "tickets", 1000)
    assert "/console/tickets" in hrefs(user)


async def test_light_and_dark_are_chosen_from_the_search(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    (light,) = user.find(kind=ui.dark_mode).elements
    user.find(marker="palette").trigger("inet_do", {"detail": {"do": "dark"}})
    await until(lambda: light.value is True)
    (button,) = user.find(marker="light-switch").elements
    assert button.props["icon"] == "dark_mode"


async def test_log_out_is_done_from_the_search(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    user.find(marker="palette").trigger("inet_do", {"detail": {"do": "log-out"}})
    await user.should_see(marker="log-in", retries=100)


@pytest.mark.parametrize("role", list(Role))
def test_only_what_a_role_may_do_and_open_is_offered(user: User, role: Role) -> None:
    actor = staff(role)
    offered = {action.path for action in may_do(actor)}
    for page in PAGES.values():
        if page.permission is not None and not actor.may(page.permission):
            assert page.path not in offered
            assert page.path not in {place.path for places in find_places(actor, page.title) for place in places}
        elif page.in_navigation:
            assert page.path in {place.path for place in find_places(actor, page.title)[0]}


@pytest.mark.parametrize(
    ("typed", "path"),
    [("refnuds", "/console/refunds"), ("routers", "/console/gateways"), ("net map", "/console/network"), ("uptime", "/console/uptime")],
)
def test_pages_are_found_mistyped_and_by_other_words(user: User, typed: str, path: str) -> None:
    assert find_places(staff(Role.ROOT), typed)[0][0].path == path


@pytest.mark.parametrize("action", [action for action in ACTIONS if action.press], ids=lambda action: action.title)
async def test_each_action_s_button_stands_on_its_page(user: User, sign_in: SignIn, action: Any) -> None:
    await sign_in(Role.ROOT)
    await user.open(action.path)
    await user.should_see(kind=ui.button, content=action.press)
