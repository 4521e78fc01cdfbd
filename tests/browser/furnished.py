"""`python -m tests.browser.furnished` puts something on every page of the console, and prints as JSON where each page shows it.

A process of its own, for the same reason as `tests.browser.counter`, and for a product without workers: nothing moves what is laid out.
Printed are the console's pages, each with the address that shows it (null where nobody said which), and the portal's addresses.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import LiteralString

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import db
from app.clock import utc_now
from app.db import dispose, transaction
from services.access.context import HotspotContext
from services.access.models import AccessSession, DeviceSlot, Gateway
from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.accounts.tokens import create_api_token
from services.fieldwork import findings as field_findings
from services.fieldwork import visits
from services.fieldwork.checklists import for_category
from services.fieldwork.models import VisitState
from services.fieldwork.steps import Place, Worker
from services.notifications import Recipient, tell
from services.notifications.models import Notification, NotificationState
from services.operations import errors
from services.operations.backup_models import Backup, BackupState
from services.operations.health.parts import PARTS, PROBES
from services.operations.health.reading import down, well
from services.operations.health.rounds import Probed, keep, minute_of
from services.operations.models import (
    HealthSample,
    HealthState,
    JobFailure,
    JobHour,
    PeriodicJob,
    ProcessKind,
    RunningProcess,
    RunOutcome,
)
from services.payments.models import Payment, PaymentStatus
from services.payments.reconciliation.models import FindingKind, Fix, ReconciliationFinding, ReconciliationRun, RunState
from services.tickets import changes, inbound_store, mail_intake
from services.tickets.intake_models import InboundSource
from services.tickets.models import HoldReason, Ticket
from services.tickets.notes import note
from services.tickets.replies import reply
from services.tickets.tokens import reply_token
from services.vouchers.batches import making
from tests.pages import builders
from tests.pages.test_teams import READ
from tests.services.network.outage import some_alarms, two_outages
from tests.services.operations.faults_made import a_fault
from tests.services.packages.promoting import make_promo
from tests.services.tickets.mails import a_mail
from tests.services.vouchers.batches.ordering import order, within

# The page that a row of this query is looked at on; the first column fills the address.
ADDRESSES: dict[str, LiteralString] = {
    "/console/payments/{reference}": "SELECT reference FROM payment WHERE status = 'attention'",
    "/console/vouchers/{voucher_id}": "SELECT max(id) FROM voucher WHERE state = 'used'",
    "/console/batches/{batch_id}": "SELECT min(id) FROM voucher_batch",
    "/console/reconciliation/runs/{run_id:int}": "SELECT max(id) FROM reconciliation_run",
    "/console/reconciliation/findings/{finding_id:int}": "SELECT max(id) FROM reconciliation_finding",
    "/console/customers/{customer_id}": "SELECT customer_id FROM payment WHERE status = 'served' ORDER BY id",
    "/console/sessions/{session_id}": "SELECT min(id) FROM access_session WHERE entitlement_id IS NOT NULL",
    "/console/gateways/{slug}": "SELECT slug FROM gateway ORDER BY id",
    "/console/access-points/{access_point_id}": "SELECT min(id) FROM access_point",
    "/console/sites/{site_id}": "SELECT min(id) FROM site",
    "/console/incidents/{reference}": "SELECT reference FROM incident ORDER BY started_at",
    "/console/tickets/{reference}": "SELECT reference FROM ticket WHERE customer_id IS NOT NULL ORDER BY id",
    "/console/tickets/{reference}/deadline": "SELECT reference FROM ticket WHERE customer_id IS NOT NULL ORDER BY id",
    "/console/sla/policies/{policy_id}": "SELECT min(id) FROM sla_policy",
    "/console/sla/calendars/{calendar_id}": "SELECT min(id) FROM business_calendar",
    "/console/staff/{staff_id}": "SELECT min(id) FROM staff WHERE role = 'field_technician'",
    "/console/errors/{error_id}": "SELECT min(id) FROM error_group",
    "/console/jobs/{job_id}": "SELECT id FROM periodic_job WHERE id = 'sweep-payments'",
    "/console/jobs/failures/{failure_id}": "SELECT min(id) FROM job_failure",
    "/console/help/roles/{role}": "SELECT 'customer-care'",
    "/console/help/journeys/{journey}": "SELECT 'paid-not-online'",
}


def _person(session: Session, role: Role) -> Staff:
    return session.exec(select(Staff).where(Staff.role == role).order_by(col(Staff.id))).first() or builders.a_staff(
        session, role, now=utc_now()
    )


def _money(session: Session, now: datetime) -> None:
    actor = replace(principal_of(_person(session, Role.ROOT)), proven_at=now)
    for name in ("Tobaski kiosks", "Festival"):
        batch = order(session, actor=actor, now=now - timedelta(days=2), package_id="day-1", size=40, name=name)
        making.make(partial(within, session), batch.id or 0, clock=lambda: now - timedelta(days=2))
    make_promo(session, "TABASKI-20", valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=9))
    make_promo(session, "FERRY-5", bututs_off=500, valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=30))
    day = now.date()
    run = ReconciliationRun(from_day=day, to_day=day, state=RunState.PARTIAL, error="PortaBilling was not read whole (no answer).")
    run.created_at = run.started_at = run.ended_at = now
    run.found = 1
    run.totals = {
        "wave": {day.isoformat(): {"rows": 3, "whole": True, "error": None}},
        "porta": {"offset": 200, "rows": 200, "whole": False, "ended": True, "error": "no answer"},
        "sums": {
            "wave": {"payments": 3, "gross": 7500, "fees": 75, "net": 7425, "refunds": 0},
            "ledger": {"payments": 2, "gross": 5000, "refunds": 0},
            "porta": {"accounts": 2, "charged": 5000},
        },
    }
    session.add(run)
    session.flush()
    session.add(
        ReconciliationFinding(
            run_id=run.id or 0,
            key="charge_missing:1",
            kind=FindingKind.FOREIGN_PAYMENT,
            day=day,
            wave_bututs=3300,
            evidence={"wave": {"transaction": "TFOREIGN1", "gross_bututs": 3300, "shown_at": now.isoformat()}, "ledger": {}, "porta": {}},
            fix=Fix.HOLD_IN_SUSPENSE,
            created_at=now - timedelta(days=2),
            seen_at=now,
        )
    )


def _network(session: Session, now: datetime) -> None:
    outages = two_outages(session, now=now)
    for site, latitude, longitude in ((outages.site, 13.4432, -16.6781), (outages.other_site, 13.38, -16.76)):
        site.latitude, site.longitude, site.address = latitude, longitude, "Kombo"
    outages.other_site.name = "Brufut Beach"
    session.execute(sa.text("DELETE FROM network_check"))
    some_alarms(session, now=now)
    row = session.exec(select(AccessSession).where(col(AccessSession.entitlement_id).is_not(None))).first()
    assert row is not None
    session.add(DeviceSlot(entitlement_id=row.entitlement_id or 0, number=1, device_id=row.device_id or 0, taken_at=now))


def _help(session: Session, now: datetime) -> None:
    care, field = (principal_of(_person(session, role)) for role in (Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN))
    tickets = list(session.exec(select(Ticket).where(col(Ticket.customer_id).is_not(None)).order_by(col(Ticket.id))))
    first = tickets[0]
    changes.record(session, first, "triaged", READ, who=changes.SYSTEM, now=now)
    reply(session, actor=care, reference=first.reference, text="Please send us your receipt code.", expected_revision=None, now=now)
    note(session, actor=care, reference=first.reference, text="Looks like the router of Serekunda Market.", now=now)
    worked = tickets[1]
    changes.set_field(session, worked, "assignee_id", field.id, who=changes.SYSTEM, now=now)
    worker = Worker(field, now - timedelta(hours=2), now)
    visits.step(session, worker=worker, ticket_id=worked.id or 0, to=VisitState.ON_SITE, place=Place(13.44321, -16.67812, 12))
    item = for_category(session, worked.category)[0].key
    field_findings.check(session, worker=worker, ticket_id=worked.id or 0, item=item, is_done=False, note="Light is red")
    field_findings.use_part(session, worker=worker, ticket_id=worked.id or 0, name="PoE injector", serial="SN-77", quantity=2)
    visits.step(session, worker=worker, ticket_id=worked.id or 0, to=VisitState.CANNOT, reason="The pole is rotten", hold=HoldReason.PART)
    raw = a_mail("Buy <b>now</b>", subject="Cheap", X_Spam_Flag="YES")
    inbound_store.keep(session, source=InboundSource.IMAP, key="help@inet.gm/INBOX:1:1", raw=raw, received_at=now)
    for number, state in enumerate((NotificationState.SENT, NotificationState.FAILED, NotificationState.UNKNOWN)):
        values = {"reference": f"T-{number}", "text": "Try once more."}
        to = Recipient(customer_id=first.customer_id)
        (made,) = tell(session, event="ticket_reply", to=to, values=values, dedupe_key=f"r{number}", now=now)
        row = session.get_one(Notification, made)
        row.state, row.next_attempt_at, row.error = state, None, "InvalidPhoneNumber" if state is NotificationState.FAILED else None
    told = {"by": "Awa Sarr", "reference": first.reference, "subject": "No Wi-Fi"}
    to = Recipient(staff_id=_person(session, Role.ROOT).id)
    tell(session, event="ticket_assigned", to=to, values=told, dedupe_key="bell", link="/console", now=now)


def _running(session: Session, now: datetime) -> None:
    for at, wave in ((now - timedelta(minutes=1), well("answers")), (now, down("no answer", "Look at their page."))):
        session.add(HealthSample(part=PROBES, at=minute_of(at), state=HealthState.OK))
        keep(session, [Probed(part, wave if part.name == "wave" else well("here"), 7) for part in PARTS], now=at)
    for number, (kind, serves) in enumerate(((ProcessKind.WORKER, "urgent,default,triage,bulk"), (ProcessKind.SCHEDULER, ""))):
        row = RunningProcess(id=str(number), kind=kind, host="a-host", pid=number, serves=serves, started_at=now, beat_at=now)
        row.release = f"1.{number}"
        session.add(row)
    hour = now.replace(minute=0, second=0, microsecond=0)
    jobs = {"sweep-payments": RunOutcome.FAILED, "keep-stock": RunOutcome.DONE}
    for job, outcome in jobs.items():
        job_row = session.get(PeriodicJob, job) or PeriodicJob(id=job, first_seen_at=now - timedelta(days=1))
        job_row.last_started_at = job_row.last_ended_at = now - timedelta(hours=1)
        job_row.last_outcome, job_row.last_ms = outcome, 1234
        session.add(job_row)
    session.add(JobHour(job="jobs.payments.sweep", hour=hour, runs=3, failures=1, total_ms=30))
    failure = JobFailure(job="jobs.payments.advance_payment", arguments=[4711], queue="urgent", failed_at=now, error="ValueError: no")
    failure.trace, failure.correlation_id = "Traceback: in advance", "abc-123-def"
    session.add(failure)
    errors.record(session, [a_fault("a", times=3, at=now - timedelta(hours=3)), a_fault("b", at=now)], now=now)
    session.add(Backup(state=BackupState.FAILED, file_name="one.inetbackup", started_at=now, content={}, error="Full."))
    whole = Backup(state=BackupState.VERIFIED, file_name="two.inetbackup", started_at=now - timedelta(hours=3), content={})
    whole.snapshot_at = whole.verified_at = whole.started_at
    whole.size_bytes, whole.content = 48_210_944, {"rows": {"payment": 1234}, "files": {"files": 7, "missing": 2}}
    session.add(whole)
    create_api_token(
        session, name="Tills of the kiosks", scopes=["payments:read"], now=now, actor=principal_of(_person(session, Role.ROOT))
    )


def _portal(session: Session, now: datetime) -> dict[str, str]:
    gateway = session.exec(select(Gateway).order_by(col(Gateway.id))).first()
    assert gateway is not None
    context = HotspotContext(gateway.id or 0, "a" * 64, "02:00:00:bb:00:50", True, now).token()
    served = session.exec(select(Payment).where(Payment.status == PaymentStatus.SERVED)).first()
    failed = session.exec(select(Payment).where(Payment.status == PaymentStatus.FAILED)).first()
    ticket = session.exec(select(Ticket).where(col(Ticket.customer_id).is_not(None)).order_by(col(Ticket.id))).first()
    assert served is not None
    assert failed is not None
    assert ticket is not None
    plain = {
        "start": "/portal/",
        "buy": "/portal/buy/day-1",
        "voucher": "/portal/voucher",
        "find": "/portal/find",
        "help": "/portal/help",
        "session": "/portal/session",
        "paid": f"/portal/pay/{served.public_id}",
        "failed": f"/portal/pay/{failed.public_id}",
        "not-found": "/portal/nothing",
    }
    return {
        "elsewhere": "/",
        "ticket": f"/ticket/{ticket.reference}?t={reply_token(ticket)}",
    } | {name: f"{path}?c={context}" for name, path in plain.items()}


def furnish() -> dict[str, str]:
    """Lay everything out. Answers the portal's addresses."""
    now = utc_now()
    with transaction() as session:
        builders.a_whole_shop(session, now=now)
        for step in (_money, _network, _help, _running):
            step(session, now)
        session.flush()
        portal = _portal(session, now)
    mail_intake.read(transaction, clock=utc_now)
    return portal


def _console() -> dict[str, str | None]:
    import pages
    from pages import shell

    pages.register()
    found: dict[str, str | None] = {}
    with db.engine().connect() as connection:
        for path in shell.PAGES:
            query = ADDRESSES.get(path)
            if "{" not in path:
                found[path] = path
            elif query is None:
                found[path] = None
            else:
                value = connection.execute(sa.text(query)).scalar()
                found[path] = None if value is None else f"{path[: path.index('{')]}{value}{path[path.index('}') + 1 :]}"
    return found


def main() -> None:
    portal = furnish()
    said = {"portal": portal, "console": _console()}
    dispose()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
