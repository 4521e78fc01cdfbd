"""A customer wishes to be forgotten and has no app: one of the staff asks for it, another looks at it and carries it out.

It cannot be taken back, and whoever can be talked into it at a counter can be talked into forgetting somebody else. So it needs a second
pair of eyes, never the asker's, and a day in which either can call it off, and the customer come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.events import publish
from services.access.models import AccessSession, Entitlement, EntitlementState, SessionState
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer, Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.apps import erasure, unspent
from services.apps.models import AppDevice
from services.audit import service as audit
from services.notifications.service import Recipient, tell
from services.operations.models import ErasureChannel, ErasureProof, ErasureRequest, ErasureState
from services.operations.personal_data.errors import ErasureDecided, ErasureNotFound, ErasureWaits, NobodyLeft, NotYet, OwnErasure
from services.packages.models import PackageVersion
from services.payments.models import Payment
from services.tickets.changes import by
from services.tickets.models import Ticket, TicketState
from services.vouchers.models import Voucher, VoucherState

THINK_IT_OVER = timedelta(days=1)
TOPIC = "erasures"
MONEY_OPEN = "A payment or refund of this customer is not finished. Wait until it is, or has expired, and ask again."
TIME_LEFT = "The customer has time or codes that were paid and not used. Tell them what is left, and say whether they give it up."
_MOST_SHOWN = 50
_OVER = (TicketState.RESOLVED, TicketState.CLOSED)


@dataclass(frozen=True)
class ErasurePreview:
    """What would be lost, and what stands in its way. `waits_for` says in words why it cannot be done now."""

    waits_for: str | None
    unused_vouchers: int
    unused_bututs: int
    seconds_left: int
    online_now: int
    open_tickets: int
    tickets: int
    payments: int
    phones: int
    request: ErasureRequest | None

    @property
    def is_time_left(self) -> bool:
        return bool(self.unused_vouchers or self.seconds_left)


def preview(session: Session, *, actor: Principal, customer_id: int, now: datetime) -> ErasurePreview:
    """What is shown before somebody asks or carries out. Raises Forbidden, CustomerNotFound or NobodyLeft."""
    actor.require(Permission.PERSONAL_DATA_ERASE)
    _standing_customer(session, customer_id)
    vouchers, worth = _unused(session, customer_id, now)
    tickets = sa.select(sa.func.count()).where(col(Ticket.customer_id) == customer_id)
    return ErasurePreview(
        waits_for=MONEY_OPEN if unspent.is_payment_under_way(session, customer_id) else None,
        unused_vouchers=vouchers,
        unused_bututs=worth,
        seconds_left=_seconds_left(session, customer_id, now),
        online_now=_number(
            session,
            sa.select(sa.func.count()).where(col(AccessSession.customer_id) == customer_id, col(AccessSession.state) != SessionState.ENDED),
        ),
        open_tickets=_number(session, tickets.where(col(Ticket.state).not_in(_OVER), col(Ticket.merged_into_id).is_(None))),
        tickets=_number(session, tickets),
        payments=_number(session, sa.select(sa.func.count()).where(col(Payment.customer_id) == customer_id)),
        phones=_number(
            session,
            sa.select(sa.func.count()).where(col(AppDevice.customer_id) == customer_id, col(AppDevice.revoked_at).is_(None)),
        ),
        request=_asked(session, customer_id),
    )


def _number(session: Session, query: sa.Select[Any]) -> int:
    return int(session.execute(query).scalar_one())


def _unused(session: Session, customer_id: int, now: datetime) -> tuple[int, int]:
    """Codes that nobody entered, and what they are worth."""
    row = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(PackageVersion.amount_bututs), 0))
        .select_from(Voucher)
        .join(PackageVersion, col(PackageVersion.id) == col(Voucher.package_version_id))
        .where(
            col(Voucher.customer_id) == customer_id,
            col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)),
            col(Voucher.use_before) > now,
        )
    ).one()
    return int(row[0]), int(row[1])


def _seconds_left(session: Session, customer_id: int, now: datetime) -> int:
    standing = (EntitlementState.READY, EntitlementState.RUNNING)
    wanted = select(Entitlement).where(Entitlement.customer_id == customer_id, col(Entitlement.state).in_(standing))
    return sum(one.seconds_left(now=now) for one in session.exec(wanted).all())


def request_of(session: Session, *, actor: Principal, customer_id: int) -> ErasureRequest | None:
    """What was asked for and is not decided yet, or what came of the newest request. Raises Forbidden."""
    actor.require(Permission.PERSONAL_DATA_READ)
    wanted = select(ErasureRequest).where(ErasureRequest.customer_id == customer_id)
    return session.exec(wanted.order_by(col(ErasureRequest.id).desc()).limit(1)).first()


def waiting(session: Session, *, actor: Principal) -> Sequence[ErasureRequest]:
    """What was asked for and is not decided yet, the oldest first. Raises Forbidden."""
    actor.require(Permission.PERSONAL_DATA_READ)
    wanted = select(ErasureRequest).where(ErasureRequest.state == ErasureState.ASKED)
    return session.exec(wanted.order_by(col(ErasureRequest.asked_at), col(ErasureRequest.id)).limit(_MOST_SHOWN)).all()


def newest_request(session: Session, *, actor: Principal, customer_id: int) -> ErasureRequest:
    """Raises Forbidden, or ErasureNotFound when nobody asked for it ever."""
    found = request_of(session, actor=actor, customer_id=customer_id)
    if found is None:
        raise ErasureNotFound
    return found


def ask(
    session: Session,
    *,
    actor: Principal,
    customer_id: int,
    channel: ErasureChannel,
    proof: ErasureProof,
    gives_up_time: bool = False,
    now: datetime,
) -> ErasureRequest:
    """Ask for a customer to be forgotten. Nothing changes for them before a second person carries it out.

    Raises Forbidden, FreshProofNeeded, CustomerNotFound, NobodyLeft, ErasureWaits, PaymentUnderWay, or TimeUnspent.
    """
    _require(actor, now)
    _locked_customer(session, customer_id)
    if _asked(session, customer_id) is not None:
        raise ErasureWaits
    _refuse_while_open(session, customer_id, gives_up_time=gives_up_time, now=now)
    request = ErasureRequest(
        customer_id=customer_id,
        channel=channel,
        proof=proof,
        gives_up_time=gives_up_time,
        asked_by=actor.label,
        asked_by_id=actor.id,
        asked_at=now,
    )
    session.add(request)
    session.flush()
    after = {"channel": channel, "proof": proof, "gives_up_time": gives_up_time}
    audit.record(session, actor, "customer.ask_erasure", target=("customer", customer_id), now=now, after=after)
    # It may not be they who stood at the counter.
    day = (now + THINK_IT_OVER).strftime("%d.%m.%Y")
    tell(
        session,
        event="erasure_asked",
        to=Recipient(customer_id=customer_id),
        values={"day": day},
        dedupe_key=f"erasure:{request.id}",
        now=now,
    )
    _tell_deciders(session, request, actor, now=now)
    publish(session, TOPIC, customer_id)
    return request


def _tell_deciders(session: Session, request: ErasureRequest, actor: Principal, *, now: datetime) -> None:
    """Whoever may be the second person."""
    roles = [role for role in Role if Permission.PERSONAL_DATA_ERASE in ROLE_PERMISSIONS[role]]
    people = session.exec(select(Staff.id).where(col(Staff.role).in_(roles), col(Staff.is_active), col(Staff.id) != actor.id)).all()
    for staff_id in people:
        tell(
            session,
            event="erasure_waits",
            to=Recipient(staff_id=staff_id),
            values={"by": actor.name, "customer": request.customer_id},
            dedupe_key=f"erasure-waits:{request.id}:{staff_id}",
            link=f"/console/customers/{request.customer_id}",
            now=now,
        )


def carry_out(session: Session, *, actor: Principal, request_id: int, now: datetime) -> None:
    """The second person agrees: the customer is gone with this transaction.

    Raises Forbidden, FreshProofNeeded, ErasureNotFound, ErasureDecided, OwnErasure, NotYet, NobodyLeft, PaymentUnderWay, or TimeUnspent
    when there is time that was not there, and not given up, when it was asked for.
    """
    _require(actor, now)
    customer, request = _to_decide(session, request_id)
    if request.asked_by_id == actor.id:
        raise OwnErasure
    if now < request.asked_at + THINK_IT_OVER:
        raise NotYet
    assert customer.id is not None
    if customer.erased_at is not None:
        raise NobodyLeft
    is_time_left = _refuse_while_open(session, customer.id, gives_up_time=request.gives_up_time, now=now)
    erasure.carry_out(session, customer, who=by(actor), now=now)
    _decide(session, session.get_one(ErasureRequest, request_id), ErasureState.DONE, actor, now=now)
    after = {"gave_up_time": is_time_left, "asked_by": request.asked_by, "channel": request.channel, "proof": request.proof}
    audit.record(session, actor, "customer.erase", target=("customer", customer.id), now=now, after=after)


def call_off(session: Session, *, actor: Principal, request_id: int, now: datetime) -> None:
    """Nothing happens to the customer; the asker may, and everybody else who may ask. Raises Forbidden, FreshProofNeeded, ErasureNotFound,
    or ErasureDecided.
    """
    _require(actor, now)
    customer, request = _to_decide(session, request_id)
    _decide(session, request, ErasureState.CALLED_OFF, actor, now=now)
    after = {"asked_by": request.asked_by}
    audit.record(session, actor, "customer.call_off_erasure", target=("customer", customer.id), now=now, after=after)


def _require(actor: Principal, now: datetime) -> None:
    actor.require(Permission.PERSONAL_DATA_ERASE)
    actor.require_proof(now=now)
    if actor.kind != "staff":
        raise InvalidInput("Only a person of the staff decides about this.", field="actor")


def _standing_customer(session: Session, customer_id: int, *, locked: bool = False) -> Customer:
    customer = session.get(Customer, customer_id, with_for_update=True if locked else None, populate_existing=locked)
    if customer is None:
        raise CustomerNotFound("There is no customer under that number.")
    if customer.erased_at is not None:
        raise NobodyLeft
    return customer


def _locked_customer(session: Session, customer_id: int) -> Customer:
    return _standing_customer(session, customer_id, locked=True)


def _asked(session: Session, customer_id: int) -> ErasureRequest | None:
    wanted = select(ErasureRequest).where(ErasureRequest.customer_id == customer_id, ErasureRequest.state == ErasureState.ASKED)
    return session.exec(wanted).one_or_none()


def _to_decide(session: Session, request_id: int) -> tuple[Customer, ErasureRequest]:
    """The customer first, as everybody locks them."""
    customer_id = session.exec(select(ErasureRequest.customer_id).where(ErasureRequest.id == request_id)).one_or_none()
    if customer_id is None:
        raise ErasureNotFound
    customer = session.get_one(Customer, customer_id, with_for_update=True, populate_existing=True)
    request = session.get_one(ErasureRequest, request_id, with_for_update=True, populate_existing=True)
    if request.state is not ErasureState.ASKED:
        raise ErasureDecided
    return customer, request


def _refuse_while_open(session: Session, customer_id: int, *, gives_up_time: bool, now: datetime) -> bool:
    try:
        return erasure.refuse_while_open(session, customer_id, gives_up_time=gives_up_time, now=now)
    except erasure.PaymentUnderWay:
        raise erasure.PaymentUnderWay(MONEY_OPEN) from None
    except erasure.TimeUnspent:
        raise erasure.TimeUnspent(TIME_LEFT, field="give_up_time") from None


def _decide(session: Session, request: ErasureRequest, state: ErasureState, actor: Principal, *, now: datetime) -> None:
    request.state, request.decided_by, request.decided_by_id, request.decided_at = state, actor.label, actor.id, now
    session.flush()
    publish(session, TOPIC, request.customer_id)
