"""The keys that lead to pages, and the help that tells them."""

from __future__ import annotations

import pytest
from nicegui.testing import User

from pages.components.keys import GO
from pages.shell import PAGES
from services.accounts.models import Role
from tests.pages.conftest import SignIn

pytestmark = pytest.mark.usefixtures("shop")


async def test_each_letter_leads_to_one_page_of_the_navigation(user: User) -> None:
    assert len(set(GO.values())) == len(GO)
    assert [path for path in GO if path not in PAGES or not PAGES[path].in_navigation] == []
    assert "g" not in GO.values()


async def test_the_help_tells_the_pages_own_keys_and_only_pages_that_the_person_may_open(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/tickets")
    user.find(marker="keys").click()
    await user.should_see("New ticket", retries=100)
    await user.should_see("Next row")
    await user.should_see("Sessions")
    await user.should_not_see("Ledger")
