"""Promo codes: what they take off, for whom, how often, and in which words they do not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.listing import After
from services.packages import promos
from services.packages.promo_errors import (
    NoSuchPromo,
    PromoExists,
    PromoNotYet,
    PromoOtherPackage,
    PromoOver,
    PromoRefused,
    PromoTakesNothingOff,
    PromoUnknown,
    PromoUsedUp,
    PromoYoursAlready,
)
from services.payments import checkout
from services.payments.checkout import Order
from services.payments.models import Payment, PaymentStatus
from tests.conftest import NOON
from tests.factories import PHONE, make_package, staff
from tests.services.packages.promoting import DAY, make_promo, rules

OTHER = "+220833000002"


def buy(session: Session, package_id: str, code: str = "TABASKI-20", phone: str = PHONE, **order: object) -> Payment:
    wish = Order(package_id, phone, promo_code=code, **order)  # type: ignore[arg-type]
    return session.get_one(Payment, checkout.save(session, wish, now=NOON))


def test_a_purchase_with_a_code_asks_for_less_and_keeps_what_it_was_given(session: Session) -> None:
    offer, promo = make_package(session, amount_bututs=2500), make_promo(session)
    payment = buy(session, offer.public_id, " tabaski-20 ")
    assert (payment.amount_bututs, payment.discount_bututs, payment.promo_code_id) == (2000, 500, promo.id)
    promos.change(session, actor=staff(), promo_id=promo.id, expected_revision=promo.revision, rules=rules(percent_off=50), now=NOON)
    promos.end(session, actor=staff(), promo_id=promo.id, now=NOON)
    session.refresh(payment)
    assert (payment.amount_bututs, payment.discount_bututs) == (2000, 500)


def test_each_reason_against_a_code_is_said_by_itself(session: Session) -> None:
    offer, other = make_package(session), make_package(session)
    cheapest = make_package(session, amount_bututs=100)
    make_promo(session, "NOT-YET", valid_from=NOON + DAY, valid_until=NOON + 2 * DAY)
    make_promo(session, "OTHER", package_ids=(other.public_id,))
    make_promo(session, "DRY", most_uses=1, most_per_customer=None)
    make_promo(session, "MINE")
    ended = make_promo(session, "ENDED")
    promos.end(session, actor=staff(), promo_id=ended.id, now=NOON)
    for code in ("DRY", "MINE"):
        buy(session, offer.public_id, code)
    customer = session.exec(select(Payment.customer_id)).first()
    refused: dict[str, type[Exception]] = {
        "NEVER": PromoUnknown,
        "'; DROP": PromoUnknown,
        "": PromoUnknown,
        "NOT-YET": PromoNotYet,
        "OTHER": PromoOtherPackage,
        "ENDED": PromoOver,
        "DRY": PromoUsedUp,
        "MINE": PromoYoursAlready,
    }
    for code, why in refused.items():
        with pytest.raises(why) as refusal:
            promos.discount(session, code, offer, customer, NOON)
        assert getattr(refusal.value, "field", None) == "promo_code"
    with pytest.raises(PromoTakesNothingOff):
        promos.discount(session, "MINE", cheapest, None, NOON)
    with pytest.raises(PromoOver):
        promos.discount(session, "MINE", offer, None, NOON + DAY)
    assert promos.quote(session, "OTHER", other, now=NOON).discount_bututs > 0


@pytest.mark.parametrize("gives_back", [PaymentStatus.EXPIRED, PaymentStatus.FAILED])
def test_a_purchase_that_comes_to_nothing_gives_its_use_back(session: Session, gives_back: PaymentStatus) -> None:
    offer = make_package(session)
    promo = make_promo(session, most_uses=1)
    payment = buy(session, offer.public_id)
    with pytest.raises(PromoUsedUp):
        buy(session, offer.public_id, phone=OTHER)
    payment.move(gives_back, now=NOON)
    session.flush()
    assert promos.one_promo(session, actor=staff(), promo_id=promo.id).uses_left == 1
    assert buy(session, offer.public_id).discount_bututs == 500


def test_a_customer_uses_it_as_often_as_allowed_whichever_form_their_number_has(session: Session) -> None:
    offer = make_package(session)
    make_promo(session, most_per_customer=2)
    buy(session, offer.public_id, phone=PHONE)
    buy(session, offer.public_id, phone="3000001")
    with pytest.raises(PromoYoursAlready):
        buy(session, offer.public_id, phone=PHONE)
    assert buy(session, offer.public_id, phone=OTHER).discount_bututs == 500


def test_of_a_gift_it_is_the_givers_use(session: Session) -> None:
    offer = make_package(session)
    make_promo(session)
    buy(session, offer.public_id, phone=OTHER, is_gift=True, buyer_phone=PHONE)
    with pytest.raises(PromoYoursAlready):
        buy(session, offer.public_id, phone=PHONE)
    assert buy(session, offer.public_id, phone=OTHER).discount_bututs == 500


def test_a_repeated_order_is_the_same_purchase_also_when_the_code_is_used_up_by_it(session: Session) -> None:
    offer = make_package(session)
    make_promo(session, most_uses=1)
    first = buy(session, offer.public_id, idempotency_key="one-and-the-same")
    assert buy(session, offer.public_id, idempotency_key="one-and-the-same").id == first.id


@pytest.mark.usefixtures("database")
def test_of_64_at_once_no_more_than_allowed_get_the_last_uses() -> None:
    with transaction() as session:
        package_id = make_package(session).public_id
        promo = make_promo(session, most_uses=5)

    def one(number: int) -> bool:
        try:
            with transaction() as session:
                checkout.save(session, Order(package_id, f"+2208330001{number:02}", promo_code="TABASKI-20"), now=NOON)
        except PromoUsedUp:
            return False
        return True

    with ThreadPoolExecutor(64) as pool:
        won = list(pool.map(one, range(64)))
    assert sum(won) == 5
    with transaction() as session:
        view = promos.one_promo(session, actor=staff(), promo_id=promo.id)
        assert (view.uses, view.uses_left) == (5, 0)
        assert session.execute(sa.select(sa.func.sum(col(Payment.discount_bututs)))).scalar_one() == 5 * 500


def test_the_desk_sees_uses_and_what_was_given(session: Session) -> None:
    offer = make_package(session)
    promo = make_promo(session, most_uses=3)
    older = make_promo(session, "OLDER")
    payment = buy(session, offer.public_id)
    buy(session, offer.public_id, phone=OTHER)
    payment.wave_transaction_id, payment.paid_at = "T1", NOON
    payment.move(PaymentStatus.PAID, now=NOON)
    session.flush()
    found = promos.list_promos(session, actor=staff(), part=After(limit=1))
    assert [view.code for view in found][:1] == ["OLDER"]
    view = promos.one_promo(session, actor=staff(), promo_id=promo.id)
    assert (view.uses, view.paid, view.given_bututs, view.uses_left) == (2, 1, 500, 1)
    assert older.uses_left is None
    with pytest.raises(NoSuchPromo):
        promos.one_promo(session, actor=staff(), promo_id=10**9)


def test_making_and_changing_is_audited_and_for_who_may(session: Session) -> None:
    with pytest.raises(Forbidden):
        promos.make(session, actor=staff(Role.FIELD_TECHNICIAN), code="NOT-MINE", rules=rules(), now=NOON)
    promo = make_promo(session)
    changed = promos.change(
        session,
        actor=staff(),
        promo_id=promo.id,
        expected_revision=promo.revision,
        rules=rules(bututs_off=1000, note=" For Tabaski "),
        now=NOON,
    )
    assert (changed.rules.percent_off, changed.rules.bututs_off, changed.rules.note) == (None, 1000, "For Tabaski")
    with pytest.raises(Stale):
        promos.change(session, actor=staff(), promo_id=promo.id, expected_revision=promo.revision, rules=rules(), now=NOON)
    promos.end(session, actor=staff(), promo_id=promo.id, now=NOON)
    promos.end(session, actor=staff(), promo_id=promo.id, now=NOON)
    actions = session.exec(select(AuditEntry.action).where(AuditEntry.target_id == promo.code).order_by(col(AuditEntry.id))).all()
    assert list(actions) == ["promo.make", "promo.change", "promo.end"]


def test_letters_that_no_code_has_and_a_second_one_are_refused_at_the_field(session: Session) -> None:
    make_promo(session)
    for code in ("", "AB", "WITH_SPACE!", "X" * 25, "-AB", "ŋŋŋ"):
        with pytest.raises(InvalidInput) as refusal:
            make_promo(session, code)
        assert refusal.value.field == "code"
    with pytest.raises(PromoExists) as exists:
        make_promo(session, "tabaski-20")
    assert exists.value.field == "code"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": 100}, "percent_off"),
        ({"percent_off": 12.5}, "percent_off"),
        ({"bututs_off": 50}, "bututs_off"),
        ({"bututs_off": -100}, "bututs_off"),
        ({"bututs_off": 0.5}, "bututs_off"),
        ({"percent_off": 10, "bututs_off": 100}, "percent_off"),
        ({"percent_off": None, "bututs_off": None}, "percent_off"),
        ({"valid_from": NOON, "valid_until": NOON}, "valid_until"),
        ({"valid_from": NOON, "valid_until": NOON - timedelta(hours=1)}, "valid_until"),
        ({"most_uses": 0}, "most_uses"),
        ({"most_per_customer": 0}, "most_per_customer"),
        ({"note": "x" * 201}, "note"),
    ],
)
def test_rules_that_make_no_sense_are_refused_at_their_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rules(**given)
    assert refusal.value.field == field


def test_one_that_would_be_over_already_or_is_for_no_package_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput) as over:
        make_promo(session, valid_from=NOON - 2 * DAY, valid_until=NOON - DAY)
    with pytest.raises(InvalidInput) as missing:
        make_promo(session, package_ids=("no-such",))
    assert (over.value.field, missing.value.field) == ("valid_until", "package_ids")


def test_every_refusal_is_a_conflict_in_words() -> None:
    for why in PromoRefused.__subclasses__():
        assert why.code != PromoRefused.code
