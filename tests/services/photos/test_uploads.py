"""A photo is announced once, for a ticket that the phone's person may add to; what arrived is counted and never counted twice."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from app.db import transaction
from app.errors import DomainError, InvalidInput
from services.apps.models import UploadState
from services.photos import receiving, storage, uploads
from services.photos.errors import (
    NoRoom,
    OffsetDiffers,
    PhotoIsKept,
    PhotoNotFound,
    PhotoTooLarge,
    TicketTakesNoPhotos,
    TooManyUploads,
    UploadBusy,
)
from services.tickets import changes
from services.tickets.errors import TicketNotFound
from services.tickets.models import TicketState
from tests.conftest import NOON
from tests.pages import builders
from tests.services.photos.phones import Sender, customers_phone, technicians_phone
from tests.services.photos.pictures import noise
from tests.services.tickets.people import a_person

PHOTO = noise(1)


# --- announcing


def test_the_same_phone_ticket_and_hash_are_the_same_photo(awa: Sender) -> None:
    first = awa.announce(PHOTO)
    awa.give(first.public_id, PHOTO[:100])
    again = awa.announce(PHOTO, now=NOON + timedelta(hours=1))
    assert (again.public_id, again.received_bytes) == (first.public_id, 100)


def test_a_photo_that_the_person_sent_from_another_phone_is_held_already(session: Session, lamin: Sender) -> None:
    held = lamin.send(PHOTO)
    person = session.get_one(builders.Staff, lamin.caller.technician().id)
    other = technicians_phone(session, person, lamin.ticket)
    again = other.announce(PHOTO)
    assert (again.state, again.attachment_id) == (UploadState.HELD, held.attachment_id)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"size_bytes": 200 * 1024 * 1024}, PhotoTooLarge),
        ({"size_bytes": uploads.MAX_BYTES + 1}, PhotoTooLarge),
        ({"size_bytes": 0}, InvalidInput),
        ({"size_bytes": -1}, InvalidInput),
        ({"sha256": "ab"}, InvalidInput),
        ({"ticket_id": 2**62}, TicketNotFound),
        ({"room": 1024}, NoRoom),
    ],
)
def test_what_cannot_be_taken_is_refused_before_it_is_sent(awa: Sender, facts: dict[str, Any], refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        awa.announce(PHOTO, **facts)


def test_a_ticket_of_somebody_else_is_none(session: Session, awa: Sender, lamin: Sender) -> None:
    stranger = customers_phone(session, builders.a_customer(session, 2, now=NOON), awa.ticket)
    colleague = technicians_phone(session, a_person(session, "isatou@test.gm"), lamin.ticket)
    for sender in (stranger, colleague):
        with pytest.raises(TicketNotFound):
            sender.announce(PHOTO)


def test_a_customer_adds_to_what_can_be_opened_again_and_not_later(session: Session, awa: Sender) -> None:
    changes.set_state(session, awa.ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON, quietly=True)
    awa.announce(PHOTO, now=NOON + timedelta(days=6))
    with pytest.raises(TicketTakesNoPhotos):
        awa.announce(noise(2), now=NOON + timedelta(days=8))


def test_a_phone_that_leaves_many_half_sent_is_told_to_finish_them(awa: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UNDONE", 2)
    awa.announce(noise(1))
    awa.announce(noise(2))
    with pytest.raises(TooManyUploads):
        awa.announce(noise(3))
    awa.announce(noise(1))  # it goes on with these
    monkeypatch.setattr(uploads, "MAX_UNDONE", 50)
    monkeypatch.setattr(uploads, "MAX_UNDONE_BYTES", 3 * len(noise(1)))
    with pytest.raises(TooManyUploads):
        awa.announce(noise(3), size_bytes=2 * len(noise(1)))


def test_one_hash_has_one_length(awa: Sender) -> None:
    awa.announce(PHOTO)
    with pytest.raises(InvalidInput):
        awa.announce(PHOTO, size_bytes=len(PHOTO) + 1)


# --- receiving


def test_pieces_are_counted_and_go_on_where_they_ended(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO[:100])
    awa.give(name, PHOTO[100:], 100)
    assert awa.look(name).received_bytes == len(PHOTO)
    assert awa.finish(name).state is UploadState.HELD


@pytest.mark.parametrize("offset", [0, 99, 101, 10**9])
def test_a_wrong_offset_is_answered_with_the_right_one(awa: Sender, offset: int) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO[:100])
    with pytest.raises(OffsetDiffers) as refused:
        awa.open(name, offset)
    assert refused.value.offset == 100


def test_what_was_written_and_not_counted_before_a_crash_is_sent_again(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO[:100])
    dying = awa.open(name, 100)
    dying.take(PHOTO[100:300])
    dying.close()  # the lock goes with the process; nothing was counted
    found = receiving.offset_of(transaction, storage.store(), caller=awa.caller, public_id=name, now=NOON)
    assert found.received_bytes == 100
    awa.give(name, PHOTO[100:], 100)
    assert awa.finish(name).state is UploadState.HELD


def test_what_a_lost_disk_had_is_not_counted(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO[:100])
    storage.store().drop(name)
    found = receiving.offset_of(transaction, storage.store(), caller=awa.caller, public_id=name, now=NOON)
    assert found.received_bytes == 0


def test_two_at_once_do_not_mix(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    first = awa.open(name)
    with pytest.raises(UploadBusy):
        awa.open(name)
    assert first.is_wanted
    first.close()
    second = awa.open(name)
    assert not second.is_wanted
    second.close()


def test_another_phone_has_no_part_in_it(session: Session, awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    customer = session.get_one(builders.Customer, awa.caller.customer())
    other = customers_phone(session, customer, awa.ticket)
    with pytest.raises(PhotoNotFound):
        other.open(name)
    with pytest.raises(PhotoNotFound):
        receiving.offset_of(transaction, storage.store(), caller=other.caller, public_id=name, now=NOON)
    with pytest.raises(PhotoNotFound):
        uploads.take_back(transaction, storage.store(), caller=other.caller, public_id=name)


# --- taking back, and counting


def test_what_is_not_held_can_be_taken_back(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO[:100])
    uploads.take_back(transaction, storage.store(), caller=awa.caller, public_id=name)
    assert not list(storage.store().names())
    assert awa.announce(PHOTO).public_id != name


def test_what_is_held_is_not_taken_back(awa: Sender) -> None:
    held = awa.send(PHOTO)
    with pytest.raises(PhotoIsKept):
        uploads.take_back(transaction, storage.store(), caller=awa.caller, public_id=held.public_id)


def test_both_sides_count_the_same(session: Session, awa: Sender) -> None:
    for seed in (1, 2):
        awa.send(noise(seed))
    awa.send(b"PK\x03\x04 no photo")
    awa.announce(noise(3))
    assert awa.ticket.id is not None
    sent = uploads.sent_to(session, caller=awa.caller, ticket_id=awa.ticket.id)
    assert sent.counts == {UploadState.HELD: 2, UploadState.REFUSED: 1, UploadState.RECEIVING: 1}
    assert len(sent.uploads) == 4


def test_spoilt_bytes_may_be_sent_again(awa: Sender) -> None:
    spoilt = awa.send(PHOTO, sha256=hashlib.sha256(b"other").hexdigest())
    assert (spoilt.state, spoilt.why) == (UploadState.REFUSED, uploads.WRONG_HASH)
    again = awa.announce(PHOTO, sha256=spoilt.sha256)
    assert (again.public_id, again.state, again.received_bytes) == (spoilt.public_id, UploadState.RECEIVING, 0)
