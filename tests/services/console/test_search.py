"""The console's search: people by any form of their number and any spelling of their name, money, devices and places; to each their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Device, NameWord, Role
from services.accounts.permissions import Permission, Principal
from services.console.finders.asked import Asked
from services.console.finders.hits import Group, Hit, Kind, Rank
from services.console.search import FINDERS, Finder, Patience, find, hits_of
from services.payments.models import PaymentStatus
from services.tickets.changes import By
from services.tickets.models import Channel, Ticket
from services.tickets.opening import Opening, open_ticket
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.people import a_person

PATIENT = Patience(each_ms=20_000, all_ms=100_000)


def found(session: Session, text: str, role: Role = Role.ROOT, *, actor: Principal | None = None) -> dict[Kind, Group]:
    groups = find(session, actor=actor or staff(role), text=text, now=NOON, patience=PATIENT)
    return {group.kind: group for group in groups}


def keys(groups: Mapping[Kind, Group], kind: Kind) -> list[str]:
    return [hit.key for hit in groups[kind].hits] if kind in groups else []


def a_customer(session: Session, phone: str, name: str | None = None) -> Customer:
    customer = find_or_create_customer(session, phone=phone, now=NOON)
    customer.name = name
    session.flush()
    return customer


@pytest.mark.parametrize(
    "typed",
    [
        "833012345",
        "3012345",
        "301 2345",
        "83 301 2345",
        "+220 83 301 2345",
        "00220 3012345",
        "+2203012345",
        "0833012345",
        "٨٣٣٠١٢٣٤٥",
        "12345",
        "2345",
        "83301",
        "301",
        "+22083301",
        "220 833",
    ],
)
def test_a_person_is_found_by_any_form_beginning_or_end_of_the_number(session: Session, typed: str) -> None:
    customer = a_customer(session, "+220833012345")
    a_customer(session, "+220833999999")
    assert str(customer.id) in keys(found(session, typed), Kind.PEOPLE)


@pytest.mark.parametrize("typed", ["833102345", "3013245", "83301234", "8330123345", "301345"])
def test_a_mistyped_number_finds_the_person_where_it_is_nobody_s_own(session: Session, typed: str) -> None:
    customer = a_customer(session, "+220833012345")
    groups = found(session, typed)
    assert keys(groups, Kind.PEOPLE) == [str(customer.id)]


@pytest.mark.parametrize(
    "typed", ["Awa Camara", "awa", "camara", "camara awa", "AWA CAM", "Camraa", "camra", "awaa camara", "Kamara", "aw cama"]
)
def test_a_person_is_found_by_name_in_any_order_and_mistyped(session: Session, typed: str) -> None:
    customer = a_customer(session, "+220833012345", "Awa Camara")
    a_customer(session, "+220833999999", "Lamin Jobe")
    assert keys(found(session, typed), Kind.PEOPLE) == [str(customer.id)]


def test_the_best_comes_first(session: Session) -> None:
    reversed_ = a_customer(session, "+220833012341", "Jallow Awa")
    longer = a_customer(session, "+220833012342", "Awa Jallow Bah")
    exact = a_customer(session, "+220833012343", "Awa Jallow")
    group = found(session, "awa jallow")[Kind.PEOPLE]
    assert [hit.key for hit in group.hits] == [str(one.id) for one in (exact, longer, reversed_)]
    assert [hit.rank for hit in group.hits] == [Rank.EXACT, Rank.PREFIX, Rank.PART]


def test_at_most_five_of_a_kind_are_shown_and_that_there_are_more_is_said(session: Session) -> None:
    for number in range(7):
        a_customer(session, f"+22083301234{number}", "Awa Jallow")
    group = found(session, "awa")[Kind.PEOPLE]
    assert (len(group.hits), group.is_more) == (5, True)


def test_a_person_who_was_erased_is_found_by_nothing_and_leaves_no_word(session: Session) -> None:
    customer = a_customer(session, "+220833012345", "Awa Njakatajobarteh")
    other = a_customer(session, "+220833012346", "Awa Bah")
    customer.name, customer.erased_at = None, NOON
    session.flush()
    assert found(session, "833012345").get(Kind.PEOPLE) is None
    assert keys(found(session, "awa"), Kind.PEOPLE) == [str(other.id)]
    words = set(session.exec(select(NameWord.word)).all())
    assert "njakatajobarteh" not in words
    assert "awa" in words


def test_numbers_are_masked_in_every_answer(session: Session) -> None:
    a_customer(session, "+220833012345", "Awa Camara")
    for text in ("833012345", "awa", "2345"):
        assert "3012345" not in repr(found(session, text))


def a_sale(session: Session) -> builders.Payment:
    offer, gateway = builders.an_offer(session, now=NOON), builders.a_gateway(session, now=NOON)
    customer = builders.a_customer(session, 7, now=NOON)
    return builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=NOON, gateway=gateway)


def test_a_payment_is_found_by_receipt_code_its_beginning_a_slip_wave_s_ids_and_the_phone(session: Session) -> None:
    payment = a_sale(session)
    code = payment.reference
    swapped = next(code[:at] + code[at + 1] + code[at] + code[at + 2 :] for at in range(7) if code[at] != code[at + 1])
    wave = payment.wave_transaction_id or ""
    phone = session.get_one(Customer, payment.customer_id).phone_e164
    for text in (code, code.lower(), code[:5], swapped, code[:-1], code + "X", wave, f"cos-{code.lower()}", phone):
        assert keys(found(session, text), Kind.PAYMENTS) == [code], text


def test_a_voucher_is_found_by_its_whole_code_its_end_its_account_and_its_owner(session: Session) -> None:
    offer = builders.an_offer(session, now=NOON)
    customer = builders.a_customer(session, 7, now=NOON)
    voucher = builders.a_voucher(session, offer=offer, state=VoucherState.ACTIVE, at=NOON, customer=customer)
    code = codes.unseal_code(voucher.code_sealed)
    voucher.tail_mac = codes.tail_mac(code)
    session.flush()
    account = voucher.porta_account_id
    for text in (
        code,
        codes.show_code(code).lower(),
        code[-5:],
        account,
        account.removeprefix("inet-v-"),
        account[:12],
        customer.phone_e164,
    ):
        groups = found(session, text)
        assert keys(groups, Kind.VOUCHERS) == [str(voucher.id)], text
        assert code not in repr(groups)


def test_a_device_is_found_in_any_notation_and_leads_to_its_owner_or_only_to_its_session(session: Session) -> None:
    payment = a_sale(session)
    session.add(Device(customer_id=payment.customer_id, last_mac="0a:1b:2c:3d:4e:5f", created_at=NOON, last_seen_at=NOON))
    session.flush()
    for text in ("0A:1B:2C:3D:4E:5F", "0a1b2c3d4e5f", "0a-1b-2c-3d-4e-5f", "0a1b.2c3d.4e5f", "0a:1b:2c", "0A1B2C"):
        assert keys(found(session, text), Kind.DEVICES) == [str(payment.customer_id)], text
    (hit,) = found(session, "02:00:00:bb:00:50", Role.FIELD_TECHNICIAN)[Kind.DEVICES].hits
    assert hit.key.startswith("session-")
    assert "•••" not in hit.note


@pytest.mark.parametrize("typed", ["Serekunda Market", "serekunda", "market", "Serekudna", "serkunda", "serekunda makret"])
def test_places_and_routers_are_found_by_part_of_a_name_and_mistyped(session: Session, typed: str) -> None:
    gateway = builders.a_gateway(session, now=NOON, name="Serekunda Market")
    groups = found(session, typed)
    assert keys(groups, Kind.GATEWAYS) == [gateway.slug]
    assert keys(groups, Kind.SITES) == [str(gateway.site_id)]


def test_staff_are_found_by_who_may_see_staff(session: Session) -> None:
    person = a_person(session, "binta.sowe@inet.test", role=Role.CUSTOMER_CARE)
    for text in ("binta.sowe@inet.test", "binta"):
        assert keys(found(session, text), Kind.STAFF) == [str(person.id)]
        assert Kind.STAFF not in found(session, text, Role.CUSTOMER_CARE)


def a_ticket(session: Session, subject: str, assignee_id: int | None) -> Ticket:
    ticket = open_ticket(
        session, Opening(channel=Channel.PORTAL, body="My Wi-Fi does not work", subject=subject), who=By("system"), now=NOON
    )
    ticket.assignee_id = assignee_id
    session.flush()
    return ticket


def test_a_technician_finds_own_tickets_only(session: Session) -> None:
    me = a_person(session, "me@inet.test", role=Role.FIELD_TECHNICIAN)
    other = a_person(session, "other@inet.test", role=Role.FIELD_TECHNICIAN)
    mine, theirs = a_ticket(session, "Antenna fell", me.id), a_ticket(session, "Antenna fell", other.id)
    actor = Principal(
        kind="staff", id=me.id or 0, name="Me", role=Role.FIELD_TECHNICIAN, permissions=staff(Role.FIELD_TECHNICIAN).permissions
    )
    assert keys(found(session, "antenna", actor=actor), Kind.TICKETS) == [mine.reference]
    assert keys(found(session, theirs.reference, actor=actor), Kind.TICKETS) == []
    assert keys(found(session, theirs.reference[:-1], actor=actor), Kind.TICKETS) == []
    assert hits_of(session, actor=actor, things=((Kind.TICKETS, theirs.reference), (Kind.TICKETS, mine.reference)))[0].key == mine.reference
    assert set(keys(found(session, "antenna"), Kind.TICKETS)) == {mine.reference, theirs.reference}


_TYPED = st.one_of(
    st.text(max_size=120),
    st.text(alphabet="0123456789+ -().", max_size=30),
    st.text(alphabet="abcdefABCDEF0123456789:-.", max_size=20),
    st.text(alphabet=codes.ALPHABET + "-", max_size=20),
    st.text(alphabet="awcmr'\"\\%_&|!:*()<> ", max_size=30),
    st.sampled_from(["833000007", "awa", "serekunda", "inet-v-", "T-", "I-", "\x00", "\ud800", "%", "_", "a" * 5000, "9" * 100]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_TYPED, role=st.sampled_from([*Role, None]))
def test_whatever_is_typed_raises_nothing_and_shows_nothing_without_permission(session: Session, text: str, role: Role | None) -> None:
    if session.exec(select(Customer.id)).first() is None:
        a_sale(session)
    actor = staff(role) if role else Principal(kind="staff", id=1, name="New", permissions=frozenset({Permission.SELF_EDIT}))
    groups = found(session, text, actor=actor)
    assert not {kind for kind in groups if not any(actor.may(one) for one in FINDERS[kind].permissions)}
    assert session.execute(sa.text("SELECT 1")).scalar_one() == 1


def test_a_slow_kind_holds_up_no_other_and_is_told_of(session: Session) -> None:
    customer = a_customer(session, "+220833012345", "Awa Camara")

    def slow(session: Session, _: Principal, __: Asked) -> list[Hit]:
        session.execute(sa.text("SELECT pg_sleep(30)"))
        return []

    finders = {Kind.TICKETS: Finder(slow, None, (Permission.TICKETS_READ,)), Kind.PEOPLE: FINDERS[Kind.PEOPLE]}
    groups = find(
        session, actor=staff(), text="awa", now=NOON + timedelta(0), finders=finders, patience=Patience(each_ms=50, all_ms=60_000)
    )
    assert [(group.kind, group.is_late) for group in groups] in (
        [(Kind.PEOPLE, False), (Kind.TICKETS, True)],
        # A busy machine may take longer for the others as well.
        [(Kind.TICKETS, True), (Kind.PEOPLE, True)],
    )
    assert session.get_one(Customer, customer.id).name == "Awa Camara"


def test_what_was_open_is_shown_as_it_is_now_and_to_who_may_see_it(session: Session) -> None:
    payment = a_sale(session)
    voucher = session.exec(select(Voucher)).one()
    things = (
        (Kind.VOUCHERS, str(voucher.id)),
        (Kind.PAYMENTS, payment.reference),
        (Kind.PEOPLE, str(payment.customer_id)),
        (Kind.PEOPLE, "9" * 40),
        (Kind.SITES, "x"),
    )
    assert [(hit.kind, hit.key) for hit in hits_of(session, actor=staff(), things=things)] == list(things[:3])
    assert hits_of(session, actor=staff(Role.FIELD_TECHNICIAN), things=things) == ()
