"""Keys in the course of time: what an earlier one sealed opens, is sealed anew, and then opens without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select
from typer.testing import CliRunner

from app import keys
from app.cli import cli
from app.db import transaction
from app.keys import BadSeal
from app.settings import Settings, SettingsError, get_settings
from app.tables import metadata
from services import secrets
from services.access import agent
from services.access.gateway_keys import rotate_key
from services.access.gateways import keys_of
from services.accounts import idempotency, second_factor
from services.accounts.models import IdempotentAnswer, Role, Staff
from services.accounts.staff import add_staff
from services.notifications import Recipient, preferences, pushes, tell
from services.notifications.models import Medium, Notification, PushToken
from services.payments.checkout import Order, save
from services.tickets import inbound_store, people
from services.tickets.intake_models import Correspondent, InboundMessage, InboundSource
from services.vouchers.models import Voucher
from services.vouchers.service import find_by_code, issue_voucher
from tests.app.test_settings import SOUND
from tests.conftest import NOON, SECRET
from tests.factories import FASKEY, PHONE, make_gateway, make_package, make_payment, staff

NEW = "another-secret-another-secret-another-sec"
With = Callable[..., AbstractContextManager[None]]
CLEAR = b"INET: paid D25."


@pytest.fixture
def with_keys(servers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[With]:
    def forget() -> None:
        get_settings.cache_clear()
        keys.forget()

    @contextmanager
    def current(key: str, *previous: str) -> Iterator[None]:
        with monkeypatch.context() as patched:
            patched.setenv("INET_SECRET_KEY", key)
            patched.setenv("INET_SECRET_KEY_PREVIOUS", ",".join(previous))
            forget()
            yield
        forget()

    yield current
    forget()


def test_what_an_earlier_key_sealed_opens_while_that_key_is_named(with_keys: With) -> None:
    sealed, mac = keys.seal("purpose", b"clear"), keys.keyed_mac("purpose", "clear")
    with with_keys(NEW, "x" * 40, SECRET):
        assert keys.unseal("purpose", sealed) == b"clear"
        assert not keys.is_sealed_anew("purpose", sealed)
        assert keys.is_sealed_anew("purpose", keys.seal("purpose", b"clear"))
        assert mac in keys.keyed_macs("purpose", "clear")
        assert mac != keys.keyed_mac("purpose", "clear")
        with pytest.raises(BadSeal):
            keys.unseal("other purpose", sealed)
    with with_keys(NEW), pytest.raises(BadSeal):
        keys.unseal("purpose", sealed)


def test_a_previous_key_that_is_no_key_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="INET_SECRET_KEY_PREVIOUS"):
        Settings(**(SOUND | {"secret_key_previous": "short"})).check()  # type: ignore[arg-type]


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    sealed = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns if "_sealed" in column.name}
    assert sealed == {one.name for one in secrets.SEALED}


def fill(session: Session) -> str:
    """One row of each sealed kind, made by the code that makes them; answers a voucher code."""
    root = staff()
    gateway = make_gateway(session)
    rotate_key(session, actor=root, slug=gateway.slug, now=NOON)
    agent.script_for(session, actor=replace(root, proven_at=NOON), slug=gateway.slug, now=NOON)
    payment = make_payment(session)
    writer = Recipient(customer_id=payment.customer_id, email="writer@example.gm")
    words = {"reference": "T-1", "subject": "s", "text": CLEAR.decode()}
    tell(session, event="ticket_reply", to=writer, values=words, headers={"Reply-To": "x@inet.gm"}, dedupe_key="x", now=NOON)
    preferences.opt_out(session, address="writer@example.gm", medium=Medium.EMAIL, by="link", now=NOON)
    pushes.register(session, token="ExponentPushToken[x]", customer_id=payment.customer_id, now=NOON)
    person, _ = add_staff(session, email="one@inet.gm", role=Role.ROOT, password=None, now=NOON)
    second_factor.begin(person)
    answer = idempotency.Answer(201, b"body", {})
    idempotency.once(session, actor=root, key="a-key-0001", request=b"", now=NOON, work=lambda _: answer)
    write_in(session, b"small")
    package = make_package(session)
    for _ in range(5):
        _, code = issue_voucher(session, actor=root, package_id=package.public_id, phone=None, note=None, now=NOON)
    return code


def write_in(session: Session, raw: bytes, sender: str = "writer@example.gm") -> InboundMessage:
    """A mail as it is kept before and after it was read, and the address that it came from."""
    number = inbound_store.keep(session, source=InboundSource.IMAP, key=f"INBOX:1:{len(raw)}", raw=raw, received_at=NOON)
    message = session.get_one(InboundMessage, number)
    if sender:
        inbound_store.note_sender(message, sender)
        sealed = keys.seal(people.ADDRESS, sender.encode())
        mac = keys.keyed_mac(people.ADDRESS, sender)
        session.add(Correspondent(address_mac=mac, address_sealed=sealed, created_at=NOON, last_wrote_at=NOON))
    session.flush()
    return message


def assert_readable(session: Session, code: str) -> None:
    from services.access.models import Gateway
    from services.vouchers import codes

    gateway = session.exec(select(Gateway)).one()
    assert keys_of(gateway)[0] == FASKEY
    assert len(keys_of(gateway)) == 2
    assert len(keys.unseal(agent.AGENT_KEY, str(gateway.agent_key_sealed))) == 64
    assert CLEAR in keys.unseal("sms-body", session.exec(select(Notification)).one().body_sealed)
    assert preferences.of_address(session, "Writer@example.gm") is not None
    message, writer = session.exec(select(InboundMessage)).one(), session.exec(select(Correspondent)).one()
    assert inbound_store.raw_of(message) == b"small"
    assert message.sender_mac in inbound_store.sender_macs("writer@example.gm")
    assert writer.address_mac in keys.keyed_macs(people.ADDRESS, "writer@example.gm")
    assert pushes.register(session, token="ExponentPushToken[x]", customer_id=1, now=NOON).id == session.exec(select(PushToken)).one().id
    assert len(keys.unseal("totp-seed", str(session.exec(select(Staff)).one().totp_sealed))) == 32
    assert keys.unseal_json(idempotency.SEALED_FOR, str(session.exec(select(IdempotentAnswer)).one().body_sealed))["headers"] == {}
    shown = [codes.unseal_code(voucher.code_sealed) for voucher in session.exec(select(Voucher))]
    assert codes.read_code(code) in shown
    from services.vouchers.errors import VoucherNotReady

    with pytest.raises(VoucherNotReady):  # found, by its code
        find_by_code(session, code=code, context=None, device=None, now=NOON)


@pytest.mark.usefixtures("database")
def test_after_the_rotation_the_earlier_key_is_no_longer_needed(with_keys: With) -> None:
    with transaction() as session:
        code = fill(session)
    with with_keys(NEW, SECRET):
        with transaction() as session:
            assert_readable(session, code)
        done = {one.name: one for one in secrets.rotate(transaction, batch=2)}
        assert {name: one.renewed for name, one in done.items()} == {one.name: 5 if "code" in one.name else 1 for one in secrets.SEALED}
        again = list(secrets.rotate(transaction, batch=2))
        assert sum(one.renewed + one.unreadable for one in again) == 0
        assert sum(one.current for one in again) == 19
    with with_keys(NEW), transaction() as session:
        assert_readable(session, code)


@pytest.mark.usefixtures("database")
def test_a_rotation_that_was_stopped_goes_on_where_it_was(with_keys: With) -> None:
    with transaction() as session:
        fill(session)
    begun = 0

    @contextmanager
    def dying() -> Iterator[Session]:
        nonlocal begun
        begun += 1
        if begun == 4:
            raise KeyboardInterrupt
        with transaction() as session:
            yield session

    with with_keys(NEW, SECRET):
        with pytest.raises(KeyboardInterrupt):
            list(secrets.rotate(dying, batch=2))
        rest = list(secrets.rotate(transaction, batch=2))
        assert sum(one.current for one in rest) == 2
        assert sum(one.renewed for one in rest) == 17


@pytest.mark.usefixtures("database")
def test_a_message_that_lies_in_a_file_opens_by_the_new_key_alone_also_when_nobody_could_read_who_sent_it(with_keys: With) -> None:
    raw = b"x" * (inbound_store.IN_ROW_BYTES + 1)
    with transaction() as session:
        write_in(session, raw, sender="")
    with with_keys(NEW, SECRET):
        list(secrets.rotate(transaction))
    with with_keys(NEW), transaction() as session:
        message = session.exec(select(InboundMessage)).one()
        assert message.raw_file
        assert message.sender_mac is None
        assert inbound_store.raw_of(message) == raw


@pytest.mark.usefixtures("database")
def test_rows_that_no_key_opens_are_counted_and_left(with_keys: With) -> None:
    with transaction() as session:
        fill(session)
    with with_keys(NEW):
        done = list(secrets.rotate(transaction))
    assert sum(one.unreadable for one in done) == 19
    assert sum(one.renewed for one in done) == 0


@pytest.mark.usefixtures("database")
def test_a_checkout_repeated_across_the_change_of_key_is_the_same_purchase(with_keys: With) -> None:
    with transaction() as session:
        order = Order(make_package(session).public_id, PHONE, None, None, "a-key-0001")
        first = save(session, order, now=NOON)
    with with_keys(NEW, SECRET), transaction() as session:
        assert save(session, order, now=NOON) == first


def test_the_command_prints_counts_and_fails_when_a_key_is_missing(database: sa.Engine, with_keys: With) -> None:
    with transaction() as session:
        fill(session)
    with with_keys(NEW):
        assert CliRunner().invoke(cli, ["secrets", "rotate"]).exit_code == 1
    with with_keys(NEW, SECRET):
        told = CliRunner().invoke(cli, ["secrets", "rotate"])
    assert told.exit_code == 0
    assert "voucher.code_sealed" in told.output
    assert "5 sealed anew" in told.output
