"""Logging in and out, and who is let in where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from nicegui import app
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.db import in_transaction, transaction
from jobs.schedule import PERIODIC
from pages.login import _own_address
from pages.shell import TOKEN, PageGate
from pages.sla import CALENDARS_PATH, POLICY_PATH
from services.access.models import AccessSession, Gateway
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS
from services.network.incident_models import Incident
from services.network.models import AccessPoint
from services.operations import errors, periodic
from services.operations.error_models import ErrorGroup
from services.operations.models import JobFailure, PeriodicJob
from services.packages.service import offers
from services.payments.models import Payment
from services.payments.reconciliation.models import FindingKind, Fix, ReconciliationFinding, ReconciliationRun, RunState
from services.tickets.models import Ticket
from services.tickets.sla.defaults import add_default_policies
from services.tickets.sla_models import BusinessCalendar, SlaPolicy
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.models import Voucher
from tests.conftest import NOON
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.services.access.online import incident_at
from tests.services.network.places import make_access_point, make_site
from tests.services.operations.faults_made import a_fault
from tests.services.vouchers.sheets.builders import a_batch

pytestmark = pytest.mark.usefixtures("shop")


async def test_the_right_password_opens_the_dashboard(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.should_see("Taken today")


async def test_a_wrong_password_is_told_at_the_form_and_opens_nothing(user: User) -> None:
    await user.open("/console/login")
    user.find(marker="email").type(builders.email_of(Role.ROOT))
    user.find(marker="password").type("not the password")
    user.find(marker="log-in").click()
    await user.should_see("E-mail or password is not right.", retries=100)
    with user:
        assert TOKEN not in app.storage.user


async def test_the_demo_log_ins_fill_the_form(user: User) -> None:
    await user.open("/console/login")
    user.find("care@inet.demo · Customer Care").click()
    assert next(iter(user.find(marker="email").elements)).value == "care@inet.demo"  # type: ignore[attr-defined]


async def test_a_page_asks_for_the_log_in_first_and_comes_back_after_it(user: User) -> None:
    await user.open("/console/payments?status=served")
    await user.should_see(marker="log-in")
    user.find(marker="email").type(builders.email_of(Role.ROOT))
    user.find(marker="password").type(builders.PASSWORD)
    user.find(marker="log-in").click()
    await user.should_see("Every purchase by Wave", retries=100)


async def test_logging_in_anew_gives_a_new_token_and_ends_the_old_session(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    with user:
        first = app.storage.user[TOKEN]
        app.storage.user["planted"] = "by somebody else"
    await sign_in(Role.CUSTOMER_CARE)
    with user:
        assert app.storage.user[TOKEN] != first
        assert "planted" not in app.storage.user


async def test_logging_out_ends_the_session(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    user.find(marker="log-out").click()
    await user.should_see(marker="log-in", retries=100)
    await user.open("/console/payments")
    await user.should_see(marker="log-in")


@pytest.mark.parametrize(
    "elsewhere", ["https://example.com", "//example.com", "/console//example.com", "/portal", "/consoles", "/console\\x"]
)
def test_the_way_back_after_a_log_in_never_leaves_the_console(elsewhere: str) -> None:
    assert _own_address(elsewhere) == "/console"
    assert _own_address("/console/payments?status=served") == "/console/payments?status=served"


def _addresses(paths: Iterable[str]) -> dict[str, str]:
    """The pages' addresses, by their paths, with rows of the shop in them."""
    with transaction() as session:
        point, incident = _a_network(session)
        names = {
            "/console/sessions/{session_id}": session.exec(select(AccessSession.id)).first(),
            "/console/sites/{site_id}": point.site_id,
            "/console/access-points/{access_point_id}": point.id,
            "/console/incidents/{reference}": incident.reference,
            f"{POLICY_PATH}/{{policy_id}}": _a_policy(session),
            f"{CALENDARS_PATH}/{{calendar_id}}": _a_calendar(session),
            "/console/tickets/{reference}/deadline": _a_ticket(session),
            "/console/payments/{reference}": session.exec(select(Payment.reference)).first(),
            "/console/vouchers/{voucher_id}": session.exec(select(Voucher.id)).first(),
            "/console/batches/{batch_id}": _a_batch(session),
            "/console/reconciliation/runs/{run_id:int}": _a_run(session),
            "/console/reconciliation/findings/{finding_id:int}": _a_finding(session),
            "/console/customers/{customer_id}": session.exec(select(Payment.customer_id)).first(),
            "/console/gateways/{slug}": session.exec(select(Gateway.slug)).first(),
            "/console/staff/{staff_id}": session.exec(select(Staff.id)).first(),
            "/console/tickets/{reference}": _a_ticket(session),
            "/console/errors/{error_id}": _an_error(session),
            "/console/jobs/{job_id}": _a_job(session),
            "/console/jobs/failures/{failure_id}": _a_failure(session),
            "/console/help/roles/{role}": "customer-care",
            "/console/help/journeys/{journey}": "paid-not-online",
        }
    return {path: re.sub(r"\{\w+(:int)?\}", str(names[path]), path) if "{" in path else path for path in paths}


def _a_policy(session: Session) -> int | None:
    add_default_policies(session, now=NOON)
    return session.exec(select(SlaPolicy.id)).first()


def _a_calendar(session: Session) -> int | None:
    add_default_policies(session, now=NOON)
    return session.exec(select(BusinessCalendar.id)).first()


def _a_batch(session: Session) -> int | None:
    held = session.exec(select(VoucherBatch.id)).first()
    return held or a_batch(session, offer=offers(session)[0], size=1)[0].id


def _a_run(session: Session) -> int | None:
    held = session.exec(select(ReconciliationRun)).first()
    run = held or ReconciliationRun(from_day=NOON.date(), to_day=NOON.date(), state=RunState.DONE, created_at=NOON)
    session.add(run)
    session.flush()
    return run.id


def _a_finding(session: Session) -> int | None:
    held = session.exec(select(ReconciliationFinding.id)).first()
    if held is not None:
        return held
    finding = ReconciliationFinding(
        run_id=_a_run(session) or 0,
        key="lost_row:1",
        kind=FindingKind.LOST_ROW,
        day=NOON.date(),
        fix=Fix.LOOK,
        created_at=NOON,
        seen_at=NOON,
    )
    session.add(finding)
    session.flush()
    return finding.id


def _an_error(session: Session) -> int | None:
    errors.record(session, [a_fault("a", at=NOON)], now=NOON)
    return session.exec(select(ErrorGroup.id)).first()


def _a_job(session: Session) -> str:
    session.merge(PeriodicJob(id=PERIODIC[0].id, first_seen_at=NOON))
    return PERIODIC[0].id


@pytest.fixture
def schedule() -> Iterator[None]:
    held = dict(periodic.declared())
    periodic.declare(PERIODIC)
    yield
    periodic.declare(held.values())


def _a_failure(session: Session) -> int | None:
    failure = JobFailure(job="jobs.payments.sweep", queue="urgent", failed_at=NOON, error="ValueError: no", trace="in sweep")
    session.add(failure)
    session.flush()
    return failure.id


def _a_ticket(session: Session) -> str | None:
    return session.exec(select(Ticket.reference).where(col(Ticket.assignee_id).is_not(None))).first()


def _a_network(session: Session) -> tuple[AccessPoint, Incident]:
    """An access point at a site, and an outage there; made once."""
    held = session.exec(select(AccessPoint).where(col(AccessPoint.site_id).is_not(None))).first()
    point = held or make_access_point(session, site=make_site(session))
    incident = session.exec(select(Incident)).first() or incident_at(session, NOON)
    return point, incident


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("role", Role)
async def test_a_role_opens_the_pages_of_its_permissions_and_no_other(user: User, sign_in: SignIn, role: Role) -> None:
    from pages.shell import PAGES

    await sign_in(role)
    addresses = await in_transaction(lambda _: _addresses(PAGES))
    for page in PAGES.values():
        if page.permission is None:
            continue
        await user.open(addresses[page.path])
        if page.permission in ROLE_PERMISSIONS[role]:
            await user.should_not_see(marker="not-allowed", retries=1)
            await user.should_not_see(marker="refused", retries=1)
            await user.should_not_see(marker="broken", retries=1)
        else:
            await user.should_see(marker="not-allowed")


async def test_the_navigation_shows_only_what_the_role_may_open(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.should_see("Gateways")
    await user.should_not_see("Vouchers", retries=1)


async def test_every_console_page_is_registered_with_its_permission(user: User) -> None:
    from nicegui import Client
    from nicegui import app as served

    from pages.shell import PAGES

    assert set(Client.page_routes.values()) <= {*PAGES, "/"}
    assert [page.path for page in PAGES.values() if page.permission is None] == ["/console/login", "/console/reset"]
    for route in served.routes:
        path = getattr(route, "path", "")
        if path in PAGES and PAGES[path].permission is not None:
            gates = [needed.call for needed in route.dependant.dependencies]  # type: ignore[attr-defined]
            assert any(type(gate).__name__ == PageGate.__name__ for gate in gates)


async def test_a_disabled_person_is_out_at_the_next_page(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)

    def disable(session) -> None:  # type: ignore[no-untyped-def]
        session.exec(select(Staff).where(Staff.role == Role.ROOT)).one().is_active = False

    await in_transaction(disable)
    await user.open("/console/payments")
    await user.should_see(marker="log-in")
