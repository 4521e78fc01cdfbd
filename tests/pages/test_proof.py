"""An open page whose session ended for idleness, or whose last proof is too old."""

from __future__ import annotations

import pytest
from nicegui import app
from nicegui.testing import User

from app import redis
from pages.shell import TOKEN
from services.accounts.models import Role
from services.accounts.sessions import session_id_of
from services.vouchers import codes
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, until

pytestmark = pytest.mark.usefixtures("shop")


def session_key(user: User) -> str:
    with user:
        return f"staff-session:{session_id_of(app.storage.user[TOKEN])}"


def log_in_again(user: User) -> None:
    user.find(marker="email").type(builders.email_of(Role.CUSTOMER_CARE))
    user.find(marker="password").type(builders.PASSWORD)
    user.find(marker="log-in").click()


async def test_a_code_is_shown_after_a_fresh_proof_where_the_last_is_old(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers/1")
    redis.client().hset(session_key(user), "proven", "1")
    user.find(marker="reveal").click()
    await user.should_see(marker="prove", retries=100)
    user.find(marker="field-password").type("not the password")
    user.find(marker="prove").click()
    field = next(iter(user.find(marker="field-password").elements))
    await until(lambda: "not right" in str(field.props.get("error-message")))
    await user.should_not_see(marker="code", retries=1)
    user.find(marker="field-password").clear().type(builders.PASSWORD)
    user.find(marker="prove").click()
    await user.should_see(marker="code", retries=100)
    codes.read_code(label(user, "code"))


async def test_an_idle_session_leads_to_the_log_in_says_why_and_comes_back(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers/1")
    redis.client().delete(session_key(user))
    user.find(marker="reveal").click()
    await user.should_see("You were logged out after 30 minutes without activity.", retries=100)
    log_in_again(user)
    await user.should_see("Voucher No. 1", retries=100)


async def test_a_page_opened_after_the_idle_end_says_so_too(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    redis.client().delete(session_key(user))
    await user.open("/console/payments?status=served")
    await user.should_see("You were logged out after 30 minutes without activity.", retries=100)
    log_in_again(user)
    await user.should_see("Every purchase by Wave", retries=100)


@pytest.mark.parametrize("idle", ["0", "-1", "99999999999999", "x", "<b>30</b>"])
async def test_an_address_that_anybody_wrote_says_nothing(user: User, idle: str) -> None:
    await user.open(f"/console/login?idle={idle}")
    await user.should_see(marker="log-in")
    await user.should_not_see(marker="was-idle", retries=1)
