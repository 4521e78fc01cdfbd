"""Vouchers of one's own: shown while they wait, given once to whom they are meant for, and then nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import DomainError, InvalidInput
from app.keys import unseal
from services.access import entry
from services.access.entitlements import usable_for_client
from services.access.models import Entitlement, EntitlementState
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, Device
from services.apps import documents, giving
from services.apps.callers import Caller
from services.apps.giving import PaymentNotKept, TimeHasBegun
from services.apps.models import SyncChange
from services.audit.models import AuditEntry
from services.notifications.models import Medium, Notification
from services.notifications.queries import words_sent
from services.notifications.service import BODY
from services.payments import verify
from services.payments.find import find_by_receipt, public_id_of
from services.payments.models import Payment, PaymentStatus
from services.vouchers import codes
from services.vouchers.errors import VoucherBlocked, VoucherExpired, VoucherNotFound, VoucherNotReady
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import enter_code
from tests.conftest import NOON
from tests.factories import staff
from tests.services.access.at_the_router import AtRouter
from tests.services.apps.buying import bought, issued
from tests.services.apps.texting import logged_in

MINE, NEW, OLD = "+220833000011", "+220833000012", "3000012"
LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session, MINE)[1]


@pytest.fixture
def friend(session: Session) -> Caller:
    return logged_in(session, NEW)[1]


def give(session: Session, caller: Caller, voucher: Voucher, phone: str = NEW) -> giving.Given:
    assert voucher.id is not None
    return giving.give(session, caller, voucher.id, phone=phone, now=LATER)


def code_of(session: Session, caller: Caller, voucher: Voucher) -> str:
    assert voucher.id is not None
    return giving.code_of(session, caller, voucher.id, now=LATER).code


def texts_to(session: Session, caller: Caller) -> list[Notification]:
    of_gifts = select(Notification).where(Notification.event == "voucher_given", Notification.medium == Medium.SMS)
    return list(session.exec(of_gifts.where(Notification.customer_id == caller.customer_id).order_by(col(Notification.id))).all())


def text_of(message: Notification) -> str:
    return unseal(BODY, message.body_sealed).decode()


def test_an_own_code_comes_with_the_link_that_its_qr_says(session: Session, me: Caller) -> None:
    voucher = issued(session, MINE)
    shown = giving.code_of(session, me, voucher.id or 0, now=LATER)
    assert shown.code == codes.show_code(codes.unseal_code(voucher.code_sealed))
    assert shown.link.endswith(f"/portal/v/{shown.code}")
    assert shown.use_before == voucher.use_before


def test_the_code_of_a_purchase_is_shown_until_its_time_begins(session: Session, me: Caller) -> None:
    _, voucher, time = bought(session, MINE)
    assert code_of(session, me, voucher)
    time.start(at=LATER)
    with pytest.raises(TimeHasBegun):
        code_of(session, me, voucher)


@pytest.mark.parametrize("phone", [NEW, OLD])
def test_a_gift_is_the_new_owners_who_is_told_the_code_by_sms(session: Session, me: Caller, friend: Caller, phone: str) -> None:
    voucher = issued(session, MINE)
    given = give(session, me, voucher, phone)
    assert given.to == "+220 ••• 0012"
    (text,) = texts_to(session, friend)
    assert code_of(session, friend, voucher) in text_of(text)
    with pytest.raises(VoucherNotFound):
        code_of(session, me, voucher)


def test_the_code_that_the_giver_knew_opens_nothing_any_more(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    old = code_of(session, me, voucher)
    give(session, me, voucher)
    with pytest.raises(VoucherNotFound):
        enter_code(session, code=old, context=None, device=None, now=LATER)
    entered = enter_code(session, code=code_of(session, friend, voucher), context=None, device=None, now=LATER)
    assert entered.entitlement.customer_id == friend.customer_id


def test_the_time_of_a_purchase_goes_along_and_the_giver_has_no_way_back_to_it(session: Session, me: Caller, friend: Caller) -> None:
    payment, voucher, time = bought(session, MINE)
    router = AtRouter(session)
    give(session, me, voucher)
    assert session.get_one(Entitlement, time.id, populate_existing=True).customer_id == friend.customer_id
    # Neither by the receipt, nor by the payment's page.
    found = find_by_receipt(session, phone=MINE, reference=payment.reference, context=router.joins(), device=None, now=LATER)
    assert (found.access, found.device) == (None, None)
    truth = verify.tell(session, payment, now=LATER)
    assert (truth.voucher_code, truth.access) == (None, None)
    # Nor is the new owner led to the giver's payment.
    assert public_id_of(session, time) is None


def test_a_device_that_waits_before_a_router_loses_its_place(session: Session, me: Caller) -> None:
    _, voucher, time = bought(session, MINE)
    context = AtRouter(session).joins()
    device = entry.let_in(session, time, context, None, swap=False, now=NOON).device
    assert isinstance(device, Device)
    give(session, me, voucher)
    assert usable_for_client(session, context, device, now=LATER) is None


def test_once_a_router_may_have_let_a_device_in_nothing_is_given(session: Session, me: Caller) -> None:
    _, voucher, time = bought(session, MINE)
    router = AtRouter(session)
    entry.let_in(session, time, router.joins(), None, swap=False, now=NOON)
    router.view(NOON)
    with pytest.raises(TimeHasBegun):
        give(session, me, voucher)
    router.polls(NOON)
    with pytest.raises(TimeHasBegun):
        give(session, me, voucher)


def test_the_same_gift_again_changes_nothing(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    first = give(session, me, voucher, NEW)
    code = code_of(session, friend, voucher)
    assert give(session, me, voucher, OLD) == first
    assert code_of(session, friend, voucher) == code
    assert len(texts_to(session, friend)) == 1
    with pytest.raises(VoucherNotFound):
        give(session, me, voucher, "+220833000013")


def test_a_gift_can_be_given_back_and_again(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    give(session, me, voucher)
    give(session, friend, voucher, MINE)
    give(session, me, voucher)
    assert code_of(session, friend, voucher)
    assert len(texts_to(session, friend)) == 2


def test_it_is_kept_who_gave_it_to_whom_and_both_phones_are_told_by_sync(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    give(session, me, voucher)
    kept = session.exec(select(AuditEntry).where(AuditEntry.action == giving.GIVEN)).one()
    assert (kept.actor, kept.target_id) == (me.label, str(voucher.id))
    assert (kept.before, kept.after) == ({"customer_id": me.customer_id}, {"customer_id": friend.customer_id})
    told = select(SyncChange.audience).where(SyncChange.kind == "voucher", SyncChange.entity_id == voucher.id)
    assert set(session.exec(told).all()) == {f"c:{me.customer_id}", f"c:{friend.customer_id}"}
    assert documents.one(session, me, "voucher", voucher.id or 0) is None
    assert documents.one(session, friend, "voucher", voucher.id or 0) is not None


def test_staff_who_may_read_messages_do_not_read_the_code_there(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    give(session, me, voucher)
    (text,) = texts_to(session, friend)
    _, words = words_sent(session, actor=staff(), notification_id=text.id or 0)
    assert code_of(session, friend, voucher) not in words


def _blocked(session: Session, voucher: Voucher) -> None:
    voucher.state = VoucherState.BLOCKED


def _expired(session: Session, voucher: Voucher) -> None:
    voucher.state = VoucherState.EXPIRED


def _not_ready(session: Session, voucher: Voucher) -> None:
    voucher.state = VoucherState.PENDING


def _late(session: Session, voucher: Voucher) -> None:
    voucher.use_before = LATER


def _begun(session: Session, voucher: Voucher) -> None:
    enter_code(session, code=codes.unseal_code(voucher.code_sealed), context=None, device=None, now=NOON).entitlement.start(at=NOON)


def _used_up(session: Session, voucher: Voucher) -> None:
    time = enter_code(session, code=codes.unseal_code(voucher.code_sealed), context=None, device=None, now=NOON).entitlement
    time.start(at=NOON)
    time.state = EntitlementState.ENDED


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (_blocked, VoucherBlocked),
        (_expired, VoucherExpired),
        (_late, VoucherExpired),
        (_not_ready, VoucherNotReady),
        (_begun, TimeHasBegun),
        (_used_up, TimeHasBegun),
    ],
)
def test_what_cannot_be_used_is_neither_shown_nor_given(
    session: Session, me: Caller, change: Callable[[Session, Voucher], None], refusal: type[DomainError]
) -> None:
    voucher = issued(session, MINE)
    change(session, voucher)
    session.flush()
    with pytest.raises(refusal):
        code_of(session, me, voucher)
    with pytest.raises(refusal):
        give(session, me, voucher)


@pytest.mark.parametrize("way", [(PaymentStatus.REFUNDING,), (PaymentStatus.REFUNDING, PaymentStatus.REFUNDED), (PaymentStatus.ATTENTION,)])
def test_what_was_refunded_is_not_given(session: Session, me: Caller, way: tuple[PaymentStatus, ...]) -> None:
    payment, voucher, _ = bought(session, MINE)
    for status in way:
        payment.move(status, now=LATER)
    session.flush()
    with pytest.raises(PaymentNotKept):
        give(session, me, voucher)


@pytest.mark.parametrize("phone", [MINE, "3000011", "00220 83 300 0011"])
def test_nobody_gives_to_themselves(session: Session, me: Caller, phone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        give(session, me, issued(session, MINE), phone)
    assert refused.value.field == "phone"


def test_a_bad_number_and_another_persons_voucher_are_refused(session: Session, me: Caller, friend: Caller) -> None:
    voucher = issued(session, MINE)
    with pytest.raises(BadPhone):
        give(session, me, voucher, "12")
    with pytest.raises(VoucherNotFound):
        code_of(session, friend, voucher)
    with pytest.raises(VoucherNotFound):
        give(session, friend, voucher, "+220833000013")


def test_a_refused_gift_leaves_no_customer_behind(session: Session, friend: Caller) -> None:
    voucher = issued(session, MINE)
    with pytest.raises(VoucherNotFound), transaction() as own:
        give(own, friend, voucher, "+220833000019")
    assert session.exec(select(Customer).where(Customer.phone_e164 == "+220833000019")).one_or_none() is None
    assert session.exec(select(Payment)).all() == []


def test_of_two_gifts_at_once_one_counts(database: sa.Engine) -> None:
    with transaction() as session:
        _, me = logged_in(session, MINE)
        voucher = issued(session, MINE)
        assert voucher.id is not None
    number, both = voucher.id, Barrier(2)

    def gives(phone: str) -> str:
        both.wait()
        try:
            with transaction() as session:
                return giving.give(session, me, number, phone=phone, now=LATER).to
        except VoucherNotFound:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(gives, [NEW, "+220833000013"]))
    assert answers.count("refused") == 1
    with transaction() as session:
        owner = session.get_one(Customer, session.get_one(Voucher, number).customer_id)
        assert owner.masked_phone in answers
        assert len(session.exec(select(AuditEntry).where(AuditEntry.action == giving.GIVEN)).all()) == 1
