"""My data: everything that is kept of a customer, nothing of anybody else, and no secret."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app import redis
from app.errors import Forbidden, TooMany
from app.tables import metadata
from services.accounts.models import Device
from services.apps import desk, login, own_data, push
from services.apps.callers import Caller
from services.apps.desk import Words
from services.apps.models import KeyPurpose
from services.notifications import Recipient, preferences, tell
from services.notifications.models import Medium
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.models import Channel, MessageKind, Ticket
from services.vouchers import codes
from tests.conftest import NOON
from tests.services.access.online import online
from tests.services.apps.buying import bought, issued
from tests.services.apps.texting import a_person, enrolled, logged_in

MINE, OTHER = "+220833000051", "+220833000052"
MAC = "02:00:00:aa:00:51"


def document(session: Session, caller: Caller) -> dict[str, Any]:
    out = io.BytesIO()
    own_data.write(session, caller, out, now=NOON)
    return dict(json.loads(out.getvalue()))


def a_life(session: Session, number: str, mac: str) -> Caller:
    """A customer with something of each kind."""
    redis.client().flushall()
    caller = logged_in(session, number)[1]
    push.register(session, caller, token=f"ExponentPushToken[{number}]", now=NOON)
    bought(session, number)
    issued(session, number)
    session.add(Device(customer_id=caller.customer_id, last_mac=mac, created_at=NOON, last_seen_at=NOON))
    kept = desk.open_own(session, caller, Words(f"Words of {number}"), client_id="wish-0001", now=NOON)
    ticket = session.get_one(Ticket, kept.ticket_id)
    for kind in (MessageKind.REPLY, MessageKind.NOTE):
        changes.say(session, ticket, kind=kind, body=f"{kind.value} of {number}", channel=Channel.MOBILE, who=By("staff:Awa"), now=NOON)
    tell(
        session,
        event="ticket_reply",
        to=Recipient(customer_id=caller.customer_id),
        values={"reference": "T-1"},
        dedupe_key=number,
        now=NOON,
    )
    login.request_key(session, phone=number, purpose=KeyPurpose.DELETE_ACCOUNT, customer_id=caller.customer_id, now=NOON)
    preferences.opt_out(session, customer_id=caller.customer_id, medium=Medium.EMAIL, by="app", now=NOON)
    session.flush()
    return caller


def test_it_holds_all_of_the_own_and_nothing_of_others(session: Session) -> None:
    me = a_life(session, MINE, MAC)
    a_life(session, OTHER, "02:00:00:aa:00:52")
    mine = document(session, me)
    assert mine["profile"]["phone"] == MINE
    for part in ("phones_with_the_app", "push_tokens", "payments", "time", "devices", "tickets", "wishes", "keys_sent_by_sms"):
        assert len(mine[part]) == 1, part
    assert [row["state"] for row in mine["vouchers"]] == ["used", "active"]
    assert [row["body"] for row in mine["words_in_tickets"]] == [f"Words of {MINE}", f"reply of {MINE}"]
    assert {"steps_of_payments", "told_to_you", "sessions", "ratings"} <= set(mine)
    whole = json.dumps(mine)
    assert OTHER not in whole
    assert "00:52" not in whole
    assert "note of" not in whole
    assert len(mine["left_out"]) == len(own_data.LEFT_OUT)


def test_no_code_key_or_token_is_in_it(session: Session) -> None:
    me = a_life(session, MINE, MAC)
    voucher = issued(session, MINE)
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    whole = json.dumps(document(session, me))
    assert code not in whole
    assert code[-4:] in whole
    assert "ExponentPushToken" not in whole
    told = [row for row in document(session, me)["told_to_you"] if row["event"] == "deletion_key"]
    assert [row["body"] for row in told] == [None]


def test_time_online_is_in_it(session: Session) -> None:
    gateway, _ = online(session, phone=MINE)
    mine = document(session, logged_in(session, MINE)[1])
    assert [(row["hotspot"], row["ended_at"]) for row in mine["sessions"]] == [(gateway.name, None)]
    assert len(mine["devices_on_time"]) == 1


def test_every_table_that_leads_to_a_customer_is_exported_or_named_with_its_reason() -> None:
    """Whatever refers to a customer, or to something that does, however far."""
    reached = {
        table.name for table in metadata.sorted_tables if {"customer_id", "phone_e164", "audience", "principal"} & set(table.columns.keys())
    }
    while True:
        more = {
            table.name
            for table in metadata.sorted_tables
            if table.name not in reached and any(key.column.table.name in reached for key in table.foreign_keys)
        }
        if not more:
            break
        reached |= more
    exported = own_data.tables_exported()
    assert not reached - exported - set(own_data.LEFT_OUT), "neither exported nor named in LEFT_OUT"
    assert not set(own_data.LEFT_OUT) & exported
    assert not set(own_data.LEFT_OUT) - reached, "named, and not there"


def test_every_part_narrows_to_the_customer(session: Session) -> None:
    a_life(session, MINE, MAC)
    stranger = logged_in(session, OTHER)[1]
    seen = document(session, stranger)
    assert {name for name, rows in seen.items() if isinstance(rows, list) and rows} == {"phones_with_the_app", "left_out"}
    assert session.execute(sa.text("SELECT count(*) FROM payment")).scalar_one() == 1


def test_it_may_be_asked_for_a_few_times_a_day_and_is_no_technicians(session: Session) -> None:
    redis.client().flushall()
    me = logged_in(session, MINE)[1]
    for _ in range(5):
        own_data.count_wish(me)
    with pytest.raises(TooMany):
        own_data.count_wish(me)
    with pytest.raises(Forbidden):
        document(session, enrolled(session, a_person(session))[1])
