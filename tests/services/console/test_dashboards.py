"""First pages: each person is shown the parts of their work, each number is the number of rows of its list, and it costs what is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.errors import Forbidden
from app.queue import QueueName
from services.access.models import Gateway
from services.accounts.models import Role, Staff
from services.accounts.permissions import Permission, Principal
from services.console.dashboards import Part, dashboard, load_part, parts_of
from services.console.dashboards.field import FieldPart
from services.console.dashboards.figures import Weight, What
from services.console.dashboards.first_steps import Step, first_steps
from services.console.dashboards.help_desk import HelpPart
from services.console.dashboards.money import MoneyPart
from services.console.dashboards.network import NetworkPart
from services.console.dashboards.running import RunningPart
from services.fieldwork.worklist import Band
from services.network.alarm_models import AlarmKind
from services.network.alarms import raise_alarm
from services.network.models import Health
from services.operations import errors, periodic
from services.operations.models import PeriodicJob, RunOutcome
from services.payments.models import PaymentStatus
from services.tickets.queries import COUNTED
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.access.online import incident_at
from tests.services.network.places import make_access_point, make_site
from tests.services.operations.faults_made import a_fault
from tests.services.tickets.people import a_person
from tests.services.vouchers.stocking import make_stocked_package, set_mark

MINUTE = timedelta(minutes=1)


@contextmanager
def asked(session: Session) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", hear)
    yield said
    sa.event.remove(connection, "before_cursor_execute", hear)


def numbers(session: Session, part: Part, actor: Principal | None = None) -> dict[What, int]:
    shown = load_part(session, actor=actor or staff(), part=part, now=NOON)
    return {figure.what: figure.number for figure in shown.figures}


def bought(session: Session, status: PaymentStatus, *, minutes_ago: int = 10, number: int = 1, dalasi: int = 50) -> str:
    offer = builders.an_offer(session, now=NOON, public_id=f"p-{dalasi}", dalasi=dalasi)
    customer = builders.a_customer(session, number, now=NOON)
    return builders.a_payment(session, offer=offer, customer=customer, status=status, at=NOON - minutes_ago * MINUTE).reference


@pytest.mark.parametrize(
    ("role", "parts"),
    [
        (Role.ROOT, [Part.MONEY, Part.HELP, Part.NETWORK, Part.RUNNING]),
        (Role.SYSTEM_ADMIN, [Part.RUNNING, Part.NETWORK, Part.HELP, Part.MONEY]),
        (Role.BILLING_OFFICER, [Part.MONEY]),
        (Role.CUSTOMER_CARE, [Part.HELP, Part.MONEY, Part.NETWORK]),
        (Role.FIELD_TECHNICIAN, [Part.FIELD, Part.NETWORK]),
    ],
)
def test_each_role_is_shown_its_own_work_in_its_own_order(session: Session, role: Role, parts: list[Part]) -> None:
    assert list(dashboard(session, actor=staff(role), now=NOON).parts) == parts


def test_who_holds_more_than_a_role_sees_what_that_opens_behind_it() -> None:
    care = staff(Role.CUSTOMER_CARE)
    more = care.permissions | {Permission.HEALTH_READ, Permission.JOBS_READ, Permission.ERRORS_READ, Permission.BACKUPS_READ}
    assert parts_of(replace(care, permissions=more)) == (*parts_of(care), Part.RUNNING)


def test_who_holds_less_is_not_shown_what_they_may_not_see(session: Session) -> None:
    root = staff()
    fewer = replace(root, permissions=root.permissions - {Permission.MONEY_READ, Permission.PAYMENTS_REFUND, Permission.COMPENSATION_EDIT})
    shown = load_part(session, actor=fewer, part=Part.MONEY, now=NOON)
    assert isinstance(shown, MoneyPart)
    assert (shown.takings, shown.low, shown.given_back) == (None, (), None)
    assert {figure.what for figure in shown.figures} == {What.UNSERVED, What.STARTED}


@pytest.mark.parametrize("part", list(Part))
def test_no_part_is_open_to_who_may_not_see_it(session: Session, part: Part) -> None:
    nobody = replace(staff(), permissions=frozenset({Permission.DASHBOARD_READ}))
    with pytest.raises(Forbidden):
        load_part(session, actor=nobody, part=part, now=NOON)
    with pytest.raises(Forbidden):
        dashboard(session, actor=replace(nobody, permissions=frozenset()), now=NOON)


def test_the_money_counts_what_stands_still_and_what_the_day_brought(session: Session) -> None:
    person = bought(session, PaymentStatus.ATTENTION, minutes_ago=60)
    late = bought(session, PaymentStatus.PAID, minutes_ago=30, number=2)
    bought(session, PaymentStatus.PAID, minutes_ago=2, number=3)
    bought(session, PaymentStatus.SERVED, minutes_ago=3 * 1440, number=4)
    shown = load_part(session, actor=staff(Role.BILLING_OFFICER), part=Part.MONEY, now=NOON)
    assert isinstance(shown, MoneyPart)
    assert shown.takings is not None
    found = {figure.what: figure.number for figure in shown.figures}
    assert (found[What.UNSERVED], found[What.STARTED], found[What.PAID]) == (2, 3, 3)
    assert [row.reference for row in shown.today.attention] == [person, late]
    assert shown.takings.taken_bututs == 15_000


def test_only_who_decides_refunds_is_asked_to(session: Session) -> None:
    assert What.REFUNDS_ASKED in numbers(session, Part.MONEY, staff(Role.BILLING_OFFICER))
    care = numbers(session, Part.MONEY, staff(Role.CUSTOMER_CARE))
    assert What.REFUNDS_REFUSED in care
    assert not {What.REFUNDS_ASKED, What.UNEXPLAINED, What.STOCK_LOW, What.FINDINGS} & set(care)


def test_a_stock_that_runs_low_asks_for_somebody(session: Session) -> None:
    offer = make_stocked_package(session, mark=4, now=NOON)
    assert numbers(session, Part.MONEY)[What.STOCK_LOW] == 0
    set_mark(session, offer, 100)
    shown = load_part(session, actor=staff(), part=Part.MONEY, now=NOON)
    assert isinstance(shown, MoneyPart)
    assert [(level.name, level.ready) for level in shown.low] == [(offer.terms.name, 4)]
    assert [figure.asks for figure in shown.figures if figure.what is What.STOCK_LOW] == [True]


def a_ticket(session: Session, *, due: timedelta, assignee: Staff | None = None) -> str:
    ticket = builders.a_ticket(session, at=NOON - timedelta(hours=1), assignee=assignee)
    ticket.due_at = NOON + due
    session.flush()
    return ticket.reference


def test_the_desk_counts_tickets_as_the_list_does_and_shows_what_is_due_first(session: Session) -> None:
    care = a_person(session, "isatou@inet.test", role=Role.CUSTOMER_CARE)
    actor = replace(staff(Role.CUSTOMER_CARE), id=care.id or 0)
    later = a_ticket(session, due=timedelta(days=2))
    late = a_ticket(session, due=-MINUTE, assignee=care)
    soon = a_ticket(session, due=timedelta(hours=2))
    shown = load_part(session, actor=actor, part=Part.HELP, now=NOON)
    assert isinstance(shown, HelpPart)
    assert [row.ticket.reference for row in shown.due] == [late, soon, later]
    found = {figure.what: figure.number for figure in shown.figures}
    assert (found[What.LATE], found[What.TONIGHT], found[What.MINE], found[What.NOBODYS], found[What.UNDONE]) == (1, 2, 1, 2, 3)


def test_tickets_are_counted_no_further_than_anybody_pages(session: Session) -> None:
    one = a_ticket(session, due=-MINUTE)
    described = session.execute(sa.text("SELECT column_name FROM information_schema.columns WHERE table_name = 'ticket'")).scalars()
    same = ", ".join(name for name in described if name not in ("id", "reference", "public_id", "token_mac"))
    copied = f"SELECT 'X-' || n, {same} FROM ticket, generate_series(1, :more) n WHERE reference = :one"
    session.execute(sa.text(f"INSERT INTO ticket (reference, {same}) {copied}"), {"more": COUNTED, "one": one})
    shown = load_part(session, actor=staff(), part=Part.HELP, now=NOON)
    late = next(figure for figure in shown.figures if figure.what is What.LATE)
    assert (late.number, late.is_least) == (COUNTED, True)


def test_a_technician_is_shown_only_what_was_given_to_them(session: Session) -> None:
    person = a_person(session, "lamin@inet.test")
    actor = replace(staff(Role.FIELD_TECHNICIAN), id=person.id or 0)
    a_ticket(session, due=-MINUTE)
    today = a_ticket(session, due=timedelta(hours=3), assignee=person)
    late = a_ticket(session, due=-MINUTE, assignee=person)
    shown = load_part(session, actor=actor, part=Part.FIELD, now=NOON)
    assert isinstance(shown, FieldPart)
    assert [(errand.ticket.reference, errand.band) for errand in shown.errands] == [(late, Band.LATE), (today, Band.TODAY)]
    found = {figure.what: figure.number for figure in shown.figures}
    assert (found[What.LATE], found[What.TONIGHT], found[What.UNDONE]) == (1, 2, 2)


def test_the_network_counts_outages_silence_and_who_is_online(session: Session) -> None:
    site, gateway = make_site(session), builders.a_gateway(session, now=NOON)
    make_access_point(session, site=site)
    make_access_point(session, site=site, health=Health.OFFLINE)
    older, newer = incident_at(session, NOON - timedelta(hours=3)), incident_at(session, NOON - timedelta(hours=1))
    raise_alarm(session, AlarmKind.GATEWAY_SILENT, gateway.slug, "It does not poll.", now=NOON)
    offer, customer = builders.an_offer(session, now=NOON), builders.a_customer(session, 1, now=NOON)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=NOON - MINUTE, gateway=gateway)
    shown = load_part(session, actor=staff(Role.FIELD_TECHNICIAN), part=Part.NETWORK, now=NOON)
    assert isinstance(shown, NetworkPart)
    assert [row.incident.reference for row in shown.incidents] == [older.reference, newer.reference]
    assert [row.slug for row in shown.silent] == [gateway.slug]
    found = {figure.what: figure.number for figure in shown.figures}
    assert found == {What.INCIDENTS: 2, What.DOWN: 1, What.SILENT: 1, What.ONLINE: 1, What.ALARMS: 1}
    assert shown.known == 2


@dataclass(frozen=True)
class _Line:
    id: str = "sweep-payments"
    job: str = "jobs.payments.sweep"
    seconds: int = 60
    queue: QueueName = "urgent"
    what: str = "Takes up payments"
    timeout_seconds: int = 30


@pytest.fixture
def one_job() -> Iterator[_Line]:
    held, line = dict(periodic.declared()), _Line()
    periodic.declare([line])
    yield line
    periodic.declare(held.values())


def test_errors_and_failing_jobs_are_shown_to_who_keeps_inet_running(session: Session, one_job: _Line) -> None:
    failed, said = RunOutcome.FAILED, "No route to host"
    session.add(PeriodicJob(id=one_job.id, first_seen_at=NOON, last_started_at=NOON, last_outcome=failed, last_error=said))
    errors.record(session, [a_fault()], now=NOON)
    shown = load_part(session, actor=staff(Role.SYSTEM_ADMIN), part=Part.RUNNING, now=NOON)
    assert isinstance(shown, RunningPart)
    found = {figure.what: figure.number for figure in shown.figures}
    assert (found[What.JOBS_FAILING], found[What.ERRORS]) == (1, 1)
    assert [job.line.id for job in shown.jobs] == [one_job.id]
    assert [row.group.kind for row in shown.errors] == ["KeyError"]


def test_what_is_nothing_asks_for_nobody(session: Session) -> None:
    shown = dashboard(session, actor=staff(Role.CUSTOMER_CARE), now=NOON)
    assert [figure.what for part in shown.parts.values() for figure in part.figures if figure.asks] == []
    assert all(figure.weight is Weight.PLAIN or figure.number == 0 for part in shown.parts.values() for figure in part.figures)


def test_a_fresh_installation_is_led_to_its_first_customer(session: Session) -> None:
    a_person(session, "root@inet.test", role=Role.ROOT)

    def done() -> frozenset[Step] | None:
        found = first_steps(session, actor=staff())
        return found.done if found else None

    assert done() == frozenset()
    builders.an_offer(session, now=NOON)
    builders.a_gateway(session, now=NOON, polled_ago=None)
    assert done() == frozenset({Step.PACKAGE, Step.GATEWAY})
    session.exec(select(Gateway)).one().last_poll_at = NOON
    a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE)
    session.flush()
    assert done() == frozenset(Step)
    bought(session, PaymentStatus.CREATED)
    assert done() is None


def test_first_steps_are_for_those_who_can_take_one(session: Session) -> None:
    assert first_steps(session, actor=staff(Role.FIELD_TECHNICIAN)) is None
    assert first_steps(session, actor=staff(Role.BILLING_OFFICER)) is not None


def test_a_first_page_asks_as_many_questions_among_many_rows_as_among_few(session: Session) -> None:
    def questions() -> int:
        with asked(session) as said:
            dashboard(session, actor=staff(), now=NOON)
        return len(said)

    bought(session, PaymentStatus.ATTENTION)
    a_ticket(session, due=-MINUTE)
    incident_at(session, NOON)
    few = questions()
    for number in range(2, 12):
        bought(session, PaymentStatus.ATTENTION, number=number)
        a_ticket(session, due=-MINUTE)
        incident_at(session, NOON)
    assert questions() == few
