"""The price list and the promo codes, as a Billing Officer works with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from nicegui.testing import User
from sqlmodel import Session

from app.db import in_transaction
from services.access.gateways import site_named
from services.accounts.models import Role
from services.listing import Slice
from services.packages import promos
from services.packages.promos import PromoView
from services.packages.service import Offer, offers
from tests.factories import staff
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def on_list(session: Session) -> dict[str, Offer]:
    return {offer.public_id: offer for offer in offers(session, on_sale_only=False)}


def newest_promo(session: Session) -> PromoView:
    return promos.find_promos(session, actor=staff(), search="", part=Slice()).rows[0]


async def comes_true(read: Callable[[Session], Any], is_so: Callable[[Any], bool]) -> None:
    """Actions hop to a thread: look until the database says so."""
    for _ in range(500):
        if is_so(await in_transaction(read)):
            return
    raise AssertionError("it did not come to pass")


def field(user: User, name: str) -> Any:
    (found,) = user.find(marker=f"field-{name}").elements
    return found


def said_at(user: User, name: str, words: str) -> Any:
    return lambda: words in str(field(user, name).props.get("error-message"))


async def test_a_package_is_sold_only_for_a_while_and_only_at_some_sites(user: User, sign_in: SignIn) -> None:
    site_id = await in_transaction(site_named, "Serekunda Market")
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    user.find(marker="edit-day-1").click()
    field(user, "on_sale_from").set_value("2030-12-01T08:00")
    field(user, "on_sale_until").set_value("2030-12-01T08:00")
    user.find(marker="save-package").click()
    await until(said_at(user, "on_sale_until", "must end after it begins"))
    field(user, "on_sale_until").set_value("2030-12-24T18:30")
    field(user, "site_ids").set_value([site_id])
    user.find(marker="field-stock_mark").clear().type("0.5")
    user.find(marker="save-package").click()
    await until(said_at(user, "stock_mark", "Enter a whole number."))
    user.find(marker="field-stock_mark").clear().type("7")
    user.find(marker="save-package").click()
    await until(toasted(user, "is saved"))
    offer = (await in_transaction(on_list))["day-1"]
    assert (offer.version, offer.sale.site_ids, offer.sale.stock_mark) == (1, (site_id,), 7)
    assert offer.sale.on_sale_until == datetime(2030, 12, 24, 18, 30, tzinfo=UTC)
    await user.should_see("Not yet on sale", retries=100)
    await user.should_see("Sold 01.12.2030 08:00 to 24.12.2030 18:30, Serekunda Market", retries=100)


@pytest.mark.parametrize("price", ["-1", "0.5", "0", "NaN", ""])
async def test_a_price_that_is_none_is_refused_at_its_field(user: User, sign_in: SignIn, price: str) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    before = await in_transaction(on_list)
    user.find(marker="edit-day-1").click()
    field(user, "amount_bututs").set_value(price)
    user.find(marker="save-package").click()
    await until(said_at(user, "amount_bututs", "whole number"))
    assert await in_transaction(on_list) == before


async def test_a_move_puts_the_whole_list_in_order(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    before = list(await in_transaction(on_list))
    user.find(marker=f"down-{before[0]}").click()

    await comes_true(on_list, lambda found: list(found) == [before[1], before[0], *before[2:]])


async def test_versions_tell_what_changed_and_how_many_were_bought(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    user.find(marker="edit-day-1").click()
    user.find(marker="field-amount_bututs").clear().type("60")
    user.find(marker="save-package").click()
    await until(toasted(user, "is saved"))
    await user.should_see("day-1 · version 2", retries=100)
    user.find(marker="versions-day-1").click()
    await user.should_see("Version 2", retries=100)
    await user.should_see("Price: D 50 → D 60")
    await user.should_see(marker="bought-1")


async def test_who_may_only_read_changes_nothing(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/packages")
    await user.should_see(marker="preview-day-1")
    await user.should_not_see(marker="edit-day-1", retries=1)
    await user.should_not_see(marker="add-package", retries=1)
    await user.open("/console/promos")
    await user.should_see("No promo codes yet")
    await user.should_not_see(marker="make-promo", retries=1)


async def test_a_promo_code_is_made_changed_and_ended(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/promos")
    user.find(marker="make-promo").click()
    await user.should_see(marker="field-code", retries=100)
    user.find(marker="field-code").type("x")
    user.find(marker="field-size").clear().type("100")
    user.find(marker="save-promo").click()
    await until(said_at(user, "size", "from 1 to 99"))
    user.find(marker="field-size").clear().type("20")
    user.find(marker="save-promo").click()
    await until(said_at(user, "code", "Use 3 to 24"))
    field(user, "code").set_value("tabaski-20")
    field(user, "most_uses").set_value("100")
    user.find(marker="save-promo").click()
    await until(toasted(user, "Saved."))
    made = await in_transaction(newest_promo)
    assert (made.code, made.rules.percent_off, made.uses_left) == ("TABASKI-20", 20, 100)

    await until(lambda: bool(table(user, "promos").rows))
    (row,) = table(user, "promos").rows
    assert (row["off"], row["left"]) == ("20 %", "0 of 100 used, 100 left")
    # A closed dialog stays in the simulated page: nothing hides it there.
    await user.open("/console/promos")
    user.find(marker="promos-table").trigger("act", made.id)
    await user.should_see(marker="change-promo", retries=100)
    user.find(marker="change-promo").click()
    await user.should_see(marker="field-kind", retries=100)
    field(user, "kind").set_value("bututs_off")
    field(user, "size").set_value("5")
    user.find(marker="save-promo").click()
    await comes_true(newest_promo, lambda promo: promo.rules.bututs_off == 500)

    # A closed dialog stays in the simulated page: nothing hides it there.
    await user.open("/console/promos")
    user.find(marker="promos-table").trigger("act", made.id)
    await user.should_see(marker="end-promo", retries=100)
    user.find(marker="end-promo").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "has ended"))
    assert not (await in_transaction(newest_promo)).rules.is_active
