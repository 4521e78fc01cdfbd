"""For each action on many rows: rows it changes, rows that are so already, rows it refuses, and how somebody gets in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlmodel import Session, col, select

from services.access.models import AccessSession
from services.access.sessions_desk import end_session_now
from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal
from services.network.desk import change_access_point
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, SetBy
from services.notifications import desk as messages_desk
from services.notifications.models import Medium, Notification, NotificationState, Urgency
from services.payments.reconciliation import desk as findings_desk
from services.payments.reconciliation.models import (
    FindingKind,
    FindingState,
    Fix,
    ReconciliationFinding,
    ReconciliationRun,
    RunState,
)
from services.tickets import merging
from services.tickets import service as tickets
from services.tickets.models import Priority, Ticket
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.pages.builders import a_voucher
from tests.services.access.online import incident_at, online
from tests.services.network.places import make_access_point, make_site
from tests.services.tickets import working
from tests.services.tickets.people import a_person
from tests.services.vouchers.batches.ordering import made, number, order

NOBODY = 999_999


@dataclass
class Scene:
    """`stands` is how all of it stands; `get_between` is somebody else changing one row after the step."""

    action: str
    actor: Principal
    good: list[int]
    same: list[int]
    bad: list[int]
    stands: Callable[[], object]
    get_between: Callable[[int], object]
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[int]:
        """The refused ones first: what comes after them is done all the same."""
        return [*self.bad, *self.good, *self.same]


def _person(role: Role) -> Principal:
    return replace(staff(role), proven_at=NOON)


def _vouchers(session: Session, action: str) -> Scene:
    offer, shown = make_package(session), dict[VoucherState, list[int]]()
    for state in (*VoucherState, *VoucherState):
        shown.setdefault(state, []).append(a_voucher(session, offer=offer, state=state, at=NOON - timedelta(hours=1)).id or 0)
    pending, active, used, blocked, expired = (shown[state] for state in VoucherState)
    good, same, bad = {
        "voucher.block": ([*pending, *active], blocked, [*used, *expired]),
        "voucher.unblock": (blocked, [], [*pending, *used, *expired]),
        "voucher.expire": ([*pending, *active, *blocked], expired, used),
    }[action]

    def stands() -> object:
        return session.exec(select(Voucher.id, Voucher.state).order_by(col(Voucher.id))).all()

    def use(voucher_id: int) -> None:
        voucher = session.get_one(Voucher, voucher_id)
        voucher.state, voucher.used_at = VoucherState.USED, NOON
        session.flush()

    return Scene(action, _person(Role.BILLING_OFFICER), good, same, [*bad, NOBODY], stands, use)


def _tickets(session: Session, action: str) -> Scene:
    awa = working.care(session)
    one, two, urgent, merged = (working.a_ticket(session, body) for body in ("a", "b", "c", "d"))
    tickets.triage(session, actor=awa, reference=urgent.reference, priority=Priority.URGENT, now=NOON)
    merging.merge(session, actor=awa, source=merged.reference, into=one.reference, now=NOON)

    def stands() -> object:
        return session.exec(select(Ticket.id, Ticket.priority, Ticket.state).order_by(col(Ticket.id))).all()

    def triage(ticket_id: int) -> None:
        reference = session.get_one(Ticket, ticket_id).reference
        tickets.triage(session, actor=awa, reference=reference, priority=Priority.LOW, now=NOON)

    ids = [ticket.id or 0 for ticket in (one, two, urgent, merged)]
    return Scene(action, awa, ids[:2], ids[2:3], [ids[3], NOBODY], stands, triage, {"priority": "urgent"})


def _batches(session: Session, action: str) -> Scene:
    one, two, gone = (order(session, name=name) for name in ("one", "two", "gone"))
    out = made(session, name="out", size=1)
    voucher = session.exec(select(Voucher).where(Voucher.batch_id == out.id)).one()
    voucher.state, voucher.used_at = VoucherState.USED, NOON
    session.get_one(VoucherBatch, number(gone)).state = BatchState.CANCELLED
    session.flush()

    def stands() -> object:
        return session.exec(select(VoucherBatch.id, VoucherBatch.state).order_by(col(VoucherBatch.id))).all()

    return Scene(
        action, _person(Role.BILLING_OFFICER), [number(one), number(two)], [number(gone)], [number(out), NOBODY], stands, lambda _: None
    )


def _sessions(session: Session, action: str) -> Scene:
    care = staff(Role.CUSTOMER_CARE)
    for _ in range(3):
        online(session)
    ids = [row.id or 0 for row in session.exec(select(AccessSession).order_by(col(AccessSession.id))).all()]
    end_session_now(session, actor=care, session_id=ids[2], reason="earlier", now=NOON)

    def stands() -> object:
        return session.exec(select(AccessSession.id, AccessSession.state).order_by(col(AccessSession.id))).all()

    return Scene(action, care, ids[:2], ids[2:], [NOBODY], stands, lambda _: None)


def a_finding(session: Session, name: str, *, state: FindingState = FindingState.OPEN, assignee_id: int | None = None) -> int:
    run = ReconciliationRun(from_day=NOON.date(), to_day=NOON.date(), state=RunState.DONE, created_at=NOON, ended_at=NOON)
    session.add(run)
    session.flush()
    finding = ReconciliationFinding(
        run_id=run.id or 0,
        key=name,
        kind=FindingKind.PAID_HERE_ONLY,
        day=NOON.date(),
        fix=Fix.LOOK,
        state=state,
        assignee_id=assignee_id,
        created_at=NOON,
        seen_at=NOON,
    )
    session.add(finding)
    session.flush()
    return finding.id or 0


def _findings(session: Session, action: str) -> Scene:
    fatou = a_person(session, "fatou@inet.test", role=Role.BILLING_OFFICER)
    other = a_person(session, "other@inet.test", role=Role.BILLING_OFFICER)
    officer = _person(Role.BILLING_OFFICER)
    good = [a_finding(session, "one"), a_finding(session, "two", assignee_id=other.id)]
    same = [a_finding(session, "same", assignee_id=fatou.id)]
    bad = [a_finding(session, "gone", state=FindingState.GONE), NOBODY]
    is_giving = action == "finding.assign"

    def stands() -> object:
        wanted = select(ReconciliationFinding.id, ReconciliationFinding.state, ReconciliationFinding.assignee_id)
        return session.exec(wanted.order_by(col(ReconciliationFinding.id))).all()

    def get_between(finding_id: int) -> None:
        if is_giving:
            findings_desk.assign(session, actor=officer, finding_id=finding_id, staff_id=other.id, now=NOON + timedelta(seconds=1))
            if session.get_one(ReconciliationFinding, finding_id).assignee_id != other.id:
                raise AssertionError
        else:
            # A later run saw nothing wrong any more.
            session.get_one(ReconciliationFinding, finding_id).state = FindingState.GONE
            session.flush()

    answers = {"assignee": str(fatou.id)} if is_giving else {}
    return Scene(action, officer, good + ([] if is_giving else same), same if is_giving else [], bad, stands, get_between, answers)


def _access_points(session: Session, action: str) -> Scene:
    admin = staff(Role.SYSTEM_ADMIN)
    market, lodge = make_site(session, "Market"), make_site(session, "Lodge")
    points = [make_access_point(session, site=site) for site in (None, lodge, market, lodge)]
    ids = [point.id or 0 for point in points]
    for point in points[1:3]:
        point.site_set_by = SetBy.STAFF
    session.flush()

    def stands() -> object:
        wanted = select(AccessPoint.id, AccessPoint.site_id, AccessPoint.site_set_by, AccessPoint.gateway_id)
        return session.exec(wanted.order_by(col(AccessPoint.id))).all()

    def move(point_id: int) -> None:
        change_access_point(session, actor=admin, access_point_id=point_id, changes={"site_id": None}, expected_revision=None, now=NOON)

    if action == "access-point.site":
        good, same = [ids[0], ids[1], ids[3]], [ids[2]]
        return Scene(action, admin, good, same, [NOBODY], stands, move, {"site": str(market.id)})
    return Scene(action, admin, ids[1:3], [ids[0], ids[3]], [NOBODY], stands, move)


def _incidents(session: Session, action: str) -> Scene:
    one, two, over = (incident_at(session, NOON - timedelta(hours=1)) for _ in range(3))
    over.state, over.resolved_at = IncidentState.FALSE_ALARM, NOON
    session.flush()

    def stands() -> object:
        return session.exec(select(Incident.id, Incident.state).order_by(col(Incident.id))).all()

    return Scene(action, staff(Role.SYSTEM_ADMIN), [one.id or 0, two.id or 0], [over.id or 0], [NOBODY], stands, lambda _: None)


def a_message(session: Session, to: Staff, name: str, state: NotificationState, *, urgency: Urgency = Urgency.NORMAL) -> int:
    message = Notification(
        dedupe_key=name,
        event="ticket_assigned",
        medium=Medium.EMAIL,
        urgency=urgency,
        staff_id=to.id,
        body_sealed="sealed",
        state=state,
        attempts=5,
        created_at=NOON - timedelta(hours=1),
    )
    session.add(message)
    session.flush()
    return message.id or 0


def _messages(session: Session, action: str) -> Scene:
    care, awa = staff(Role.CUSTOMER_CARE), a_person(session, "awa@inet.test")
    failed, unknown = (a_message(session, awa, state, state) for state in (NotificationState.FAILED, NotificationState.UNKNOWN))
    off = a_message(session, awa, "off", NotificationState.FAILED)
    messages_desk.dismiss(session, actor=care, notification_id=off, now=NOON - timedelta(minutes=1))
    bad = [a_message(session, awa, "sent", NotificationState.SENT), NOBODY]
    is_sending = action == "message.send"
    if is_sending:
        bad.append(a_message(session, awa, "code", NotificationState.FAILED, urgency=Urgency.ONE_TIME))

    def stands() -> object:
        wanted = select(Notification.id, Notification.state, Notification.dismissed_at)
        return session.exec(wanted.order_by(col(Notification.id))).all()

    def send(message_id: int) -> None:
        messages_desk.retry(session, actor=care, notification_id=message_id, now=NOON)

    good = [failed, unknown, *([off] if is_sending else [])]
    return Scene(action, care, good, [] if is_sending else [off], bad, stands, send)


_MAKERS: Mapping[str, Callable[[Session, str], Scene]] = {
    "vouchers": _vouchers,
    "tickets": _tickets,
    "batches": _batches,
    "sessions": _sessions,
    "findings": _findings,
    "access-points": _access_points,
    "incidents": _incidents,
    "messages": _messages,
}


def scene_of(session: Session, page: str, action: str) -> Scene:
    return _MAKERS[page](session, action)
