"""Staff administration, the own account, reset links and API tokens, as people do it in the console."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pyotp
import pytest
import sqlalchemy as sa
from nicegui import app, ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.settings import get_settings
from pages.roles import WORDS
from pages.shell import TOKEN
from services.accounts import administration as admin
from services.accounts import links, second_factor, sessions
from services.accounts.models import ApiToken, Role, Staff
from services.accounts.permissions import Permission
from services.accounts.sessions import open_sessions
from services.accounts.tokens import principal_for_token
from services.audit.models import AuditEntry
from services.integrations import clients
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, toasted, until
from tests.services.integrations.test_mail import MailServer, server

__all__ = ["server"]
NEW = "tangerine bicycle under moon"


@pytest.fixture(autouse=True)
def people(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "env", "production")


@pytest.fixture
def mailing(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """An installation that sends mail."""
    monkeypatch.setenv("INET_EMAIL_URL", server.url)
    get_settings.cache_clear()
    clients.close()
    yield server
    monkeypatch.undo()
    get_settings.cache_clear()
    clients.close()


def of(role: Role) -> Callable[[Session], Staff]:
    return lambda session: session.exec(select(Staff).where(Staff.role == role)).first() or Staff()


async def staff_of(role: Role) -> Staff:
    return await in_transaction(of(role))


def last_action(session: Session) -> str:
    return session.exec(select(AuditEntry.action).order_by(col(AuditEntry.id).desc())).first() or ""


def text(user: User, marker: str, value: str) -> None:
    user.find(marker=marker).clear().type(value)


def choose(user: User, marker: str, value: object) -> None:
    (field,) = user.find(kind=ui.select, marker=marker).elements
    field.value = value


async def opens_link(user: User, link: str) -> None:
    user.javascript_rules[re.compile(r".*location\.hash")] = lambda _: link.partition("#")[2]
    await user.open(links.PATH)


async def test_the_list_shows_everybody_and_is_narrowed_by_role(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/staff")
    await user.should_see("1–5 of 5")
    await user.open("/console/staff?role=billing_officer&q=billing")
    assert [row["email"] for row in table(user, "staff").rows] == ["billing.officer@inet.test"]


async def test_an_invited_person_chooses_a_password_by_the_link_and_logs_in(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/staff")
    user.find(marker="invite").click()
    text(user, "field-email", "binta@inet.test")
    text(user, "field-name", "Binta Jow")
    user.find(marker="submit").click()
    await user.should_see(marker="link", retries=100)
    link = label(user, "link")
    assert "Invited" in {row["state"]["text"] for row in table(user, "staff").rows}

    await opens_link(user, link)
    await user.should_see("Binta Jow · binta@inet.test", retries=100)
    text(user, "field-password", "binta-jow-2026")
    user.find(marker="set-password").click()
    await until(lambda: "tried first" in str(next(iter(user.find(marker="field-password").elements)).props.get("error-message")))
    text(user, "field-password", NEW)
    user.find(marker="set-password").click()
    await user.should_see(marker="password-set", retries=100)

    await opens_link(user, link)
    await user.should_see("This link does not work any more", retries=100)
    await user.open("/console/login")
    text(user, "email", "binta@inet.test")
    text(user, "password", NEW)
    user.find(marker="log-in").click()
    await user.should_see(marker="person", retries=100)


async def test_an_address_that_is_taken_is_told_at_its_field(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/staff")
    user.find(marker="invite").click()
    text(user, "field-email", builders.email_of(Role.CUSTOMER_CARE))
    user.find(marker="submit").click()
    await until(lambda: "already a staff account" in str(next(iter(user.find(marker="field-email").elements)).props.get("error-message")))


async def test_a_role_is_changed_with_a_reason_and_the_person_is_out(user: User, sign_in: SignIn) -> None:
    care = await staff_of(Role.CUSTOMER_CARE)
    token = await in_transaction(lambda _: sessions.open_session(care, now=utc_now()))
    await sign_in(Role.ROOT)
    await user.open(f"/console/staff/{care.id}")
    user.find(marker="change-role").click()
    choose(user, "field-role", Role.FIELD_TECHNICIAN.value)
    user.find(marker="submit").click()
    await until(lambda: "why" in str(next(iter(user.find(marker="field-reason").elements)).props.get("error-message")))
    text(user, "field-reason", "moved to the field team")
    user.find(marker="submit").click()
    await until(toasted(user, "The role is changed."))
    assert (await in_transaction(lambda session: session.get_one(Staff, care.id))).role is Role.FIELD_TECHNICIAN
    assert await in_transaction(lambda session: sessions.principal_of_session(session, sessions.session_id_of(token))) is None
    await user.should_see("Field Technician")


@pytest.mark.parametrize(
    ("marker", "action"),
    [("disable", "staff.disable"), ("log-out-everywhere", "staff.log_out_everywhere"), ("make-link", "staff.make_reset_link")],
)
async def test_an_action_is_confirmed_with_a_reason(user: User, sign_in: SignIn, marker: str, action: str) -> None:
    care = await staff_of(Role.CUSTOMER_CARE)
    await in_transaction(lambda _: sessions.open_session(care, now=utc_now(), agent="Firefox on Fedora"))
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/staff/{care.id}")
    await user.should_see("Firefox on Fedora")
    user.find(marker=marker).click()
    await user.should_see(marker="reason")
    text(user, "reason", "asked by phone")
    user.find(marker="confirm").click()
    await user.should_not_see("Firefox on Fedora", retries=100)
    assert await in_transaction(last_action) == action


async def test_a_lost_second_factor_is_reset(user: User, sign_in: SignIn, now: datetime) -> None:
    def enrol(session: Session) -> int:
        staff = of(Role.CUSTOMER_CARE)(session)
        staff.totp_sealed, staff.totp_confirmed_at = "x", now
        return staff.id or 0

    await sign_in(Role.ROOT)
    await user.open(f"/console/staff/{await in_transaction(enrol)}")
    user.find(marker="reset-factor").click()
    await user.should_see(marker="reason")
    text(user, "reason", "phone fell into the river")
    user.find(marker="confirm").click()
    await until(toasted(user, "Done."))
    assert not (await staff_of(Role.CUSTOMER_CARE)).has_second_factor


@pytest.mark.parametrize("whom", [Role.ROOT, Role.SYSTEM_ADMIN])
async def test_a_system_admin_is_offered_nothing_on_root_or_on_the_own_account(user: User, sign_in: SignIn, whom: Role) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/staff/{(await staff_of(whom)).id}")
    await user.should_see(marker="hands-off")
    await user.should_not_see(marker="disable", retries=1)


async def test_an_admin_who_was_demoted_meanwhile_changes_nothing_in_an_open_page(user: User, sign_in: SignIn) -> None:
    care = await staff_of(Role.CUSTOMER_CARE)
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/staff/{care.id}")
    user.find(marker="disable").click()
    await user.should_see(marker="reason")

    def demote(session: Session) -> None:
        of(Role.SYSTEM_ADMIN)(session).role = Role.CUSTOMER_CARE

    await in_transaction(demote)
    text(user, "reason", "out of spite")
    user.find(marker="confirm").click()
    await until(toasted(user, "Your role does not allow this"))
    assert (await in_transaction(lambda session: session.get_one(Staff, care.id))).is_active


async def test_an_admin_who_was_disabled_meanwhile_is_out_with_the_next_action(user: User, sign_in: SignIn) -> None:
    care, system_admin = await staff_of(Role.CUSTOMER_CARE), await staff_of(Role.SYSTEM_ADMIN)
    root = sessions.principal_of(await staff_of(Role.ROOT))
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/staff/{care.id}")
    user.find(marker="change-role").click()
    await in_transaction(admin.disable, actor=root, staff_id=system_admin.id or 0, reason="left the company", now=utc_now())
    text(user, "field-reason", "out of spite")
    user.find(marker="submit").click()
    await user.should_see(marker="log-in", retries=100)


async def test_the_roles_page_has_words_for_every_permission(user: User, sign_in: SignIn) -> None:
    assert set(WORDS) == set(Permission)
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/roles")
    for words in WORDS.values():
        await user.should_see(words)


async def test_the_own_password_is_changed_and_this_browser_stays_logged_in(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    with user:
        before = app.storage.user[TOKEN]
    await user.open("/console/account")
    user.find(marker="change-password").click()
    text(user, "field-present", "not the present one")
    text(user, "field-password", NEW)
    user.find(marker="submit").click()
    await until(lambda: "not your present" in str(next(iter(user.find(marker="field-present").elements)).props.get("error-message")))
    text(user, "field-present", builders.PASSWORD)
    user.find(marker="submit").click()
    await until(toasted(user, "The new password counts"))
    with user:
        assert app.storage.user[TOKEN] != before
    await user.open("/console/payments")
    await user.should_see(marker="person")


async def test_a_second_factor_is_set_up_and_asked_for_at_the_next_log_in(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/account")
    user.find(marker="begin-factor").click()
    text(user, "field-present", builders.PASSWORD)
    user.find(marker="submit").click()
    await user.should_see(marker="seed", retries=100)
    phone = pyotp.TOTP(label(user, "seed").replace(" ", ""))
    text(user, "field-code", "000000")
    user.find(marker="switch-on").click()
    await until(lambda: "not right" in str(next(iter(user.find(marker="field-code").elements)).props.get("error-message")))
    # The step before the present one, so that the present one still opens.
    text(user, "field-code", phone.at(utc_now() - timedelta(seconds=30)))
    user.find(marker="switch-on").click()
    await user.should_see(marker="recovery-codes", retries=100)
    codes = label(user, "recovery-codes").split()
    assert len(codes) == 10

    await user.open("/console/login")
    text(user, "email", builders.email_of(Role.CUSTOMER_CARE))
    text(user, "password", builders.PASSWORD)
    user.find(marker="log-in").click()
    await user.should_see("Enter the six digits", retries=100)
    text(user, "code", codes[0])
    user.find(marker="log-in").click()
    await user.should_see(marker="person", retries=100)


async def test_sessions_elsewhere_are_listed_and_ended(user: User, sign_in: SignIn) -> None:
    care = await staff_of(Role.CUSTOMER_CARE)
    for agent in ("Opera at home", "Tablet at the counter"):
        await in_transaction(lambda _, agent=agent: sessions.open_session(care, now=utc_now() - timedelta(hours=1), agent=agent))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/account")
    await user.should_see("Opera at home")
    user.find(marker="end-others").click()
    await user.should_not_see("Opera at home", retries=100)
    await user.should_see("This one")
    assert len(await in_transaction(lambda _: open_sessions(care.id or 0))) == 1


@pytest.mark.usefixtures("production")
async def test_in_production_a_role_that_needs_a_second_factor_is_led_to_set_it_up(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.should_see(marker="must-enrol")
    await user.open("/console/payments")
    await user.should_see(marker="must-enrol")
    user.find(marker="begin-factor").click()
    text(user, "field-present", builders.PASSWORD)
    user.find(marker="submit").click()
    await user.should_see(marker="seed", retries=100)
    text(user, "field-code", pyotp.TOTP(label(user, "seed").replace(" ", "")).at(utc_now()))
    user.find(marker="switch-on").click()
    await user.should_see(marker="recovery-codes", retries=100)
    await user.open("/console/payments")
    await user.should_see("Every purchase by Wave")


@pytest.mark.usefixtures("production")
async def test_in_production_customer_care_works_without_one(user: User, sign_in: SignIn) -> None:
    assert not second_factor.is_required(Role.CUSTOMER_CARE)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/payments")
    await user.should_see("Every purchase by Wave")


async def test_without_mail_the_reset_page_names_the_admin(user: User) -> None:
    await opens_link(user, "")
    await user.should_see(marker="ask-an-admin", retries=100)


async def test_a_reset_mail_goes_to_who_exists_and_the_page_says_the_same_to_everybody(user: User, mailing: MailServer) -> None:
    for email in ("nobody@inet.test", builders.email_of(Role.CUSTOMER_CARE)):
        await opens_link(user, "")
        await user.should_see(marker="mail-link", retries=100)
        text(user, "email", email)
        user.find(marker="mail-link").click()
        await user.should_see("If there is an account with that address", retries=100)
    await until(lambda: bool(mailing.taken))
    (mail,) = mailing.taken
    assert mail["To"] == builders.email_of(Role.CUSTOMER_CARE)
    link = re.search(r"http\S+#\S+", str(mail.get_payload()).replace("=\n", "").replace("=\r\n", ""))
    assert link is not None
    await opens_link(user, link[0])
    await user.should_see("Choose your password", retries=100)


async def test_a_token_is_shown_once_used_and_revoked(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/tokens")
    user.find(marker="add-token").click()
    text(user, "field-name", "Till at the counter")
    choose(user, "field-scope", ["access:read"])
    text(user, "field-addresses", "203.0.113.7, 198.51.100.0/24")
    user.find(marker="submit").click()
    await user.should_see(marker="token", retries=100)
    clear = label(user, "token")

    def use(session: Session) -> bool:
        return principal_for_token(session, clear, now=utc_now(), address="198.51.100.9") is not None

    assert await in_transaction(use)
    await user.open("/console/tokens")
    (row,) = table(user, "tokens").rows
    assert (row["used_from"], row["state"]["text"], row["by"]) == ("198.51.100.9", "Active", builders.email_of(Role.ROOT))
    assert clear not in str(row)
    user.find(kind=ui.table, marker="tokens-table").trigger("act", row["id"])
    await user.should_see(marker="reason", retries=100)
    text(user, "reason", "contract ended")
    user.find(marker="confirm").click()
    await until(toasted(user, "Revoked."))
    assert not await in_transaction(use)
    assert (await in_transaction(lambda session: session.exec(select(ApiToken)).one())).revoked_at is not None


async def test_a_scope_that_will_not_do_is_told_at_its_field(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/tokens")
    user.find(marker="add-token").click()
    text(user, "field-name", "Till at the counter")
    user.find(marker="submit").click()
    await until(lambda: "may have these scopes" in str(next(iter(user.find(marker="field-scope").elements)).props.get("error-message")))


async def test_what_is_done_in_an_open_page_is_audited_with_its_address(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    rows = await in_transaction(lambda session: session.exec(select(AuditEntry)).all())
    assert [row.action for row in rows] == ["staff.log_in"]
    assert rows[0].address
