"""A photo that arrived is held once it is painted anew, on the disk and with its ticket; whatever breaks between, it ends the same."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlmodel import Session, select

from app.db import transaction
from app.errors import Unavailable
from services.accounts.models import Role
from services.accounts.sessions import principal_of
from services.apps.models import PhotoUpload, UploadState
from services.photos import finishing, messages, storage, sweeping
from services.photos.uploads import EXPIRES
from services.tickets import attachments, changes, merging
from services.tickets.intake_models import Attachment
from services.tickets.models import MessageKind, TicketEvent, TicketMessage, TicketState
from tests.conftest import NOON
from tests.pages import builders
from tests.services.photos.phones import Sender
from tests.services.photos.pictures import noise, tagged
from tests.services.photos.test_exif import SERREKUNDA
from tests.services.tickets.files import EICAR, jpeg, pdf, png_bomb, zip_of
from tests.services.tickets.people import a_person

PHOTO = noise(1)
SOON = NOON + timedelta(minutes=9)


def messages_of(session: Session, sender: Sender) -> list[TicketMessage]:
    wanted = select(TicketMessage).where(TicketMessage.ticket_id == sender.ticket.id, TicketMessage.body == messages.WORDS)
    return list(session.exec(wanted.order_by(TicketMessage.id)).all())  # type: ignore[arg-type]


def files_of(session: Session) -> list[Attachment]:
    return list(session.exec(select(Attachment).order_by(Attachment.id)).all())  # type: ignore[arg-type]


# --- what is kept


def test_time_and_place_are_kept_apart_and_not_in_the_picture(session: Session, awa: Sender) -> None:
    held = awa.send(tagged({0x9003: "2026:11:20 09:30:00"}, SERREKUNDA))
    assert held.state is UploadState.HELD
    assert held.taken_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert held.latitude == pytest.approx(13.453, abs=0.001)
    row, content = attachments.content_for_owner(session, customer_id=awa.caller.customer(), attachment_id=held.attachment_id or 0)
    assert row.media_type == "image/jpeg"
    assert not Image.open(io.BytesIO(content)).getexif()
    assert not list(storage.store().names())


def test_what_the_phone_says_goes_before_what_the_camera_wrote(awa: Sender) -> None:
    said = NOON - timedelta(hours=1)
    held = awa.send(tagged({0x9003: "2026:11:20 09:30:00"}, SERREKUNDA), taken_at=said, latitude=1.5, longitude=2.5)
    assert (held.taken_at, held.latitude, held.longitude) == (said, 1.5, 2.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zip_of(), "archive"),
        (png_bomb(), "million points"),
        (jpeg()[:300], "cannot be read"),
        (pdf(), "not a photo"),
        (b"hello", "not a photo"),
        (EICAR, "virus"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100, "HEIC"),
    ],
)
def test_what_is_no_photo_is_refused_in_words_and_its_bytes_are_dropped(session: Session, awa: Sender, content: bytes, words: str) -> None:
    refused = awa.send(content, name="photo.jpg")
    assert refused.state is UploadState.REFUSED
    assert refused.why is not None
    assert words in refused.why
    assert not files_of(session)
    assert not list(storage.store().names())
    assert awa.announce(content).why == refused.why


# --- with which message


def test_photos_of_one_visit_are_one_note_and_one_step(session: Session, lamin: Sender) -> None:
    for seed in range(4):
        lamin.send(noise(seed), now=NOON + timedelta(minutes=9 * seed))
    (note,) = messages_of(session, lamin)
    assert (note.kind, note.author) == (MessageKind.NOTE, "Lamin")
    assert [row.message_id for row in files_of(session)] == [note.id] * 4
    steps = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == lamin.ticket.id, TicketEvent.kind == "message")).all()
    assert len([step for step in steps if step.data["message_id"] == note.id]) == 1


def test_a_later_photo_and_one_after_other_words_begin_a_new_message(session: Session, awa: Sender) -> None:
    awa.send(noise(1))
    awa.send(noise(2), now=NOON + timedelta(minutes=11))
    changes.say(
        session,
        awa.ticket,
        kind=MessageKind.REPLY,
        body="Thank you",
        channel=awa.ticket.channel,
        who=changes.SYSTEM,
        now=NOON + timedelta(minutes=12),
    )
    awa.send(noise(3), now=NOON + timedelta(minutes=13))
    assert [message.kind for message in messages_of(session, awa)] == [MessageKind.CUSTOMER] * 3


def test_a_customers_photo_opens_what_was_done(session: Session, awa: Sender) -> None:
    awa.send(noise(1))
    changes.set_state(session, awa.ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON, quietly=True)
    session.flush()
    awa.send(noise(2), now=SOON)
    session.refresh(awa.ticket)
    assert awa.ticket.state is TicketState.OPEN
    assert len(messages_of(session, awa)) == 2


def test_photos_to_a_ticket_that_was_done_long_ago_meanwhile_are_one_new_ticket(session: Session, awa: Sender) -> None:
    names = [awa.announce(noise(seed)).public_id for seed in (1, 2)]
    changes.set_state(session, awa.ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON, quietly=True)
    session.flush()
    late = NOON + timedelta(days=8)
    for seed, name in zip((1, 2), names, strict=True):
        awa.give(name, noise(seed), now=late)
        awa.finish(name, now=late)
    first, second = files_of(session)
    assert first.ticket_id == second.ticket_id != awa.ticket.id
    assert first.message_id == second.message_id


def test_a_photo_to_a_merged_ticket_goes_where_that_went(session: Session, awa: Sender) -> None:
    other = builders.a_ticket(session, customer=builders.a_customer(session, 2, now=NOON), at=NOON)
    name = awa.announce(PHOTO).public_id
    root = principal_of(a_person(session, "root@test.gm", role=Role.ROOT))
    merging.merge(session, actor=root, source=awa.ticket.reference, into=other.reference, confirm=True, now=NOON)
    awa.give(name, PHOTO)
    held = awa.finish(name)
    (file,) = files_of(session)
    assert (file.id, file.ticket_id) == (held.attachment_id, other.id)


def test_what_a_technician_was_sent_with_is_kept_when_the_ticket_is_taken_away(session: Session, lamin: Sender) -> None:
    name = lamin.announce(PHOTO).public_id
    changes.set_field(session, lamin.ticket, "assignee_id", None, who=changes.SYSTEM, now=NOON)
    session.flush()
    lamin.give(name, PHOTO)
    assert lamin.finish(name).state is UploadState.HELD


# --- who may look


def test_only_who_may_see_the_ticket_sees_its_photos(session: Session, awa: Sender, lamin: Sender) -> None:
    theirs, note = awa.send(PHOTO).attachment_id or 0, lamin.send(noise(2)).attachment_id or 0
    stranger = builders.a_customer(session, 2, now=NOON)
    mine = session.get_one(builders.Ticket, lamin.ticket.id)
    mine.customer_id = awa.caller.customer_id
    session.flush()
    for customer_id, file in ((stranger.id, theirs), (awa.caller.customer(), note)):
        with pytest.raises(attachments.AttachmentNotFound):
            attachments.content_for_owner(session, customer_id=customer_id or 0, attachment_id=file)
    with pytest.raises(attachments.AttachmentNotFound):
        attachments.content_of(session, actor=lamin.caller.technician(), attachment_id=theirs)
    _, thumbnail = attachments.content_of(session, actor=lamin.caller.technician(), attachment_id=note, is_thumbnail=True)
    assert max(Image.open(io.BytesIO(thumbnail)).size) <= 320


# --- what breaks


def test_what_a_crash_left_is_finished_by_the_job_once(session: Session, awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO)
    for _ in range(2):
        sweeping.sweep(transaction, storage.store(), clock=lambda: NOON + timedelta(minutes=2))
    assert awa.look(name).state is UploadState.HELD
    assert len(files_of(session)) == 1


def test_a_disk_that_is_full_leaves_it_as_it_is(session: Session, awa: Sender, folder: Path) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO)
    in_the_way = folder.parent / "attachments"
    in_the_way.write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable):
        finishing.finish(transaction, storage.store(), name, clock=lambda: NOON)
    assert awa.look(name).state is UploadState.RECEIVING
    assert not files_of(session)
    in_the_way.unlink()
    assert awa.finish(name).state is UploadState.HELD


def test_bytes_that_vanished_are_asked_for_again(awa: Sender) -> None:
    name = awa.announce(PHOTO).public_id
    awa.give(name, PHOTO)
    storage.store().drop(name)
    assert awa.finish(name).received_bytes == 0


def test_uploads_that_were_given_up_are_forgotten_and_their_bytes_too(session: Session, awa: Sender) -> None:
    stale, whole, fresh = (awa.announce(noise(seed)).public_id for seed in (1, 2, 3))
    awa.give(stale, noise(1)[:100])
    awa.give(whole, noise(2))
    later = NOON + EXPIRES + timedelta(hours=1)
    awa.give(fresh, noise(3)[:100], now=later)
    with storage.store().claim("f" * 32) as orphan:
        orphan.write(b"of a photo that is held")
    sweeping.sweep(transaction, storage.store(), clock=lambda: later)
    session.expire_all()
    left = {row.public_id: row.state for row in session.exec(select(PhotoUpload)).all()}
    assert left == {whole: UploadState.HELD, fresh: UploadState.RECEIVING}
    assert list(storage.store().names()) == [fresh]
