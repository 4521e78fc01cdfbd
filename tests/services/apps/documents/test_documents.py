"""Documents: to whom they are shown, and what stands in them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from services.accounts.models import Role
from services.apps import documents
from services.apps.callers import Caller
from services.apps.documents.shape import MAX_WORDS
from services.apps.documents.words import SHOWN
from services.tickets import changes
from services.tickets.models import Channel, MessageKind, Ticket
from tests.conftest import NOON
from tests.services.apps.documents.world import CARE, CODE, World, a_world
from tests.services.apps.syncing import a_technician, standing


@pytest.fixture
def world(session: Session) -> World:
    return a_world(session)


def shown(session: Session, caller: Caller, kind: str, row_id: int | None) -> dict[str, Any] | None:
    found = documents.one(session, caller, kind, row_id or 0)
    return found.data if found is not None else None


def test_each_caller_has_one_of_each_kind_and_a_stranger_only_what_is_everybodys(session: Session, world: World) -> None:
    for caller in (world.customer, world.tech):
        assert {kind for kind, _ in standing(session, caller)} == set(documents.KINDS_OF[caller.app])
    assert {kind for kind, _ in standing(session, world.stranger)} == {"profile", "package", "place"}
    assert {kind for kind, _ in standing(session, world.other_tech)} == {"profile", "site", "access_point", "incident"}


def test_nobody_is_shown_what_is_anothers(session: Session, world: World) -> None:
    own = standing(session, world.customer)
    for kind, number in own.keys() - standing(session, world.stranger).keys():
        assert documents.one(session, world.stranger, kind, int(number)) is None
    assert shown(session, world.other_tech, "ticket", world.ticket.id) is None


def test_no_secret_stands_in_any_document(session: Session, world: World) -> None:
    for caller in (world.customer, world.tech):
        text = orjson.dumps(list(standing(session, caller).values())).decode()
        for secret in (CODE, CODE[:-4], "02:00:00:bb:00:50", "sealed", "faskey"):
            assert secret not in text
    voucher = shown(session, world.customer, "voucher", world.voucher.id)
    assert voucher is not None
    assert voucher["code_hint"] == CODE[-4:]


def test_a_customer_sees_no_note_and_no_name_of_staff(session: Session, world: World) -> None:
    ticket = shown(session, world.customer, "ticket", world.ticket.id)
    assert ticket is not None
    assert [(said["is_ours"], said["body"]) for said in ticket["said"]] == [(False, "No page comes up"), (True, "We look")]
    assert ticket["standing"] == "received"
    text = orjson.dumps(ticket).decode()
    assert "ladder" not in text
    assert "Fatou" not in text


def test_a_technician_sees_whom_to_call_and_what_was_noted(session: Session, world: World) -> None:
    ticket = shown(session, world.tech, "ticket", world.ticket.id)
    profile = shown(session, world.customer, "profile", world.customer.customer_id)
    assert ticket is not None
    assert profile is not None
    assert ticket["customer"]["phone"] == profile["phone"]
    assert [said["kind"] for said in ticket["messages"]] == ["customer", "reply", "note"]
    assert ticket["site"]["name"] == world.site.name
    assert ticket["work"]["visit"]["state"] == "accepted"


def test_a_merged_ticket_stands_as_the_one_that_took_it_in(session: Session, world: World) -> None:
    merged = shown(session, world.customer, "ticket", world.merged.id)
    assert merged is not None
    assert merged["merged_into"] == str(world.ticket.id)
    assert merged["standing"] == "received"


def test_words_of_a_stranger_that_were_merged_in_stay_with_them(session: Session, world: World) -> None:
    world.merged.customer_id = world.stranger.customer_id
    said = changes.say(session, world.ticket, kind=MessageKind.CUSTOMER, body="My own trouble", channel=Channel.MOBILE, who=CARE, now=NOON)
    said.said_in_id = world.merged.id
    session.flush()
    own, theirs = (
        shown(session, caller, "ticket", ticket.id) for caller, ticket in ((world.customer, world.ticket), (world.stranger, world.merged))
    )
    assert own is not None
    assert theirs is not None
    assert "My own trouble" not in [one["body"] for one in own["said"]]
    assert [one["body"] for one in theirs["said"]] == ["My own trouble"]
    assert theirs["merged_into"] is None


def test_a_done_ticket_has_its_rating_and_the_days_until_which_all_can_change(session: Session, world: World) -> None:
    done = shown(session, world.customer, "ticket", world.done.id)
    assert done is not None
    assert done["rating"]["score"] == 5
    assert done["rate_until"] == done["reopens_until"] == "2026-11-29T12:00:00Z"
    changes.set_state(session, world.done, type(world.done.state).OPEN, who=CARE, now=NOON)
    reopened = shown(session, world.customer, "ticket", world.done.id)
    assert reopened is not None
    assert (reopened["rating"], reopened["may_rate"], reopened["reopens_until"]) == (None, False, None)


def test_of_a_long_conversation_the_newest_words_are_held_and_the_others_counted(session: Session, world: World) -> None:
    for number in range(SHOWN + 5):
        changes.say(session, world.ticket, kind=MessageKind.REPLY, body=f"Word {number}", channel=Channel.MOBILE, who=CARE, now=NOON)
    changes.say(session, world.ticket, kind=MessageKind.REPLY, body="x " * MAX_WORDS, channel=Channel.MOBILE, who=CARE, now=NOON)
    ticket = shown(session, world.customer, "ticket", world.ticket.id)
    assert ticket is not None
    assert len(ticket["said"]) == SHOWN
    assert ticket["left_out"] == 2 + SHOWN + 5 + 1 - SHOWN
    assert ticket["said"][-2]["body"] == f"Word {SHOWN + 4}"
    assert (len(ticket["said"][-1]["body"]), ticket["said"][-1]["is_cut"]) == (MAX_WORDS, True)


def test_a_desks_member_may_look_at_what_their_phone_is_not_told_of(session: Session, world: World) -> None:
    admin = a_technician(session, role=Role.SYSTEM_ADMIN)
    assert documents.load(session, admin, "ticket", [world.ticket.id or 0]) == {}
    assert shown(session, admin, "ticket", world.ticket.id) is not None


def test_a_ticket_is_read_as_it_stands_in_the_midst_of_a_transaction(session: Session, world: World) -> None:
    before = documents.one(session, world.tech, "ticket", world.ticket.id or 0)
    ticket = session.get_one(Ticket, world.ticket.id)
    changes.set_field(session, ticket, "subject", "Another", who=CARE, now=NOON)
    after = documents.one(session, world.tech, "ticket", world.ticket.id or 0)
    assert before is not None
    assert after is not None
    assert (after.data["subject"], after.version == before.version) == ("Another", False)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), _VALUES, max_size=4))
def test_a_digest_is_the_same_after_the_wire_and_in_any_order(data: dict[str, Any]) -> None:
    reordered = dict(reversed(list(data.items())))
    assert documents.digest_of(orjson.loads(orjson.dumps(reordered))) == documents.digest_of(data)
