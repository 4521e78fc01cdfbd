"""Uploads of photos: announced by a phone for a ticket, known by the hash of their content, counted for the phone that sends them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import Begin
from app.errors import InvalidInput
from services.accounts.permissions import Permission
from services.apps.callers import Caller
from services.apps.models import AppDevice, PhotoUpload, UploadState
from services.photos.errors import NoRoom, PhotoIsKept, PhotoNotFound, PhotoTooLarge, TicketTakesNoPhotos, TooManyUploads
from services.photos.storage import Store
from services.tickets import conversation
from services.tickets.attachment_checks import clean_name
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.sight import in_sight

MAX_BYTES = 15 * 1024 * 1024
"""Of one photo, as the phone sends it."""
# A phone sends a few at a time; what it began and left lying costs us room until it expires.
MAX_UNDONE, MAX_UNDONE_BYTES = 50, 300 * 1024 * 1024
EXPIRES = timedelta(days=7)
"""After the last byte: a phone may be out of reach for days."""
_KEEP_FREE = 512 * 1024 * 1024
_WAIT_SECONDS = 60
_SHOWN = 1000
_LOCK = 0x70686F74
_SHA256 = re.compile(r"[0-9a-f]{64}")
WRONG_HASH = "What arrived is not what was announced: the hash differs. Send it again."


@dataclass(frozen=True)
class Announced:
    """What a phone says of a photo before it sends it. `sha256` is of the bytes that it will send, in hex."""

    ticket_id: int
    sha256: str
    size_bytes: int
    name: str = ""
    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class Sent:
    """What one phone has sent to one ticket: how many are held and refused, how many are on their way, and each, the newest first."""

    counts: dict[UploadState, int] = field(default_factory=dict)
    uploads: tuple[PhotoUpload, ...] = ()


def announce(session: Session, *, caller: Caller, announced: Announced, room: int, now: datetime) -> tuple[PhotoUpload, bool]:
    """The upload of this photo, and whether it is a new one: the same phone, ticket and hash are the same upload.

    `room` is what the store could still keep, in bytes. Raises InvalidInput, PhotoTooLarge, TicketNotFound (also for one that is not the
    caller's to add to), TicketTakesNoPhotos, TooManyUploads or NoRoom.
    """
    _check(announced)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, caller.app_device_id)))
    known = _known(session, caller, announced)
    if known is not None:
        return _again(known, announced, now=now), False
    _ticket_for(session, caller, announced.ticket_id, now=now)
    made = PhotoUpload(
        public_id=secrets.token_hex(16),
        app_device_id=caller.app_device_id,
        ticket_id=announced.ticket_id,
        name=clean_name(announced.name) if announced.name else "photo",
        sha256=announced.sha256,
        size_bytes=announced.size_bytes,
        taken_at=announced.taken_at,
        latitude=announced.latitude,
        longitude=announced.longitude,
        created_at=now,
        touched_at=now,
    )
    kept = _kept_from_another_phone(session, caller, announced)
    if kept is not None:
        # The same person's, from before they logged in anew or changed phones: it is with the ticket already.
        made.state, made.received_bytes, made.attachment_id = UploadState.HELD, made.size_bytes, kept
    else:
        _refuse_if_full(session, caller, announced, room)
    session.add(made)
    session.flush()
    return made, True


def find(session: Session, *, caller: Caller, public_id: str) -> PhotoUpload:
    """An upload of the phone that asks. Raises PhotoNotFound."""
    wanted = select(PhotoUpload).where(PhotoUpload.public_id == public_id, PhotoUpload.app_device_id == caller.app_device_id)
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise PhotoNotFound
    return found


def sent_to(session: Session, *, caller: Caller, ticket_id: int) -> Sent:
    """What the phone that asks has sent to a ticket; nothing for one that it never sent to."""
    mine = (col(PhotoUpload.app_device_id) == caller.app_device_id, col(PhotoUpload.ticket_id) == ticket_id)
    by_state = sa.select(col(PhotoUpload.state), sa.func.count()).where(*mine).group_by(col(PhotoUpload.state))
    newest = select(PhotoUpload).where(*mine).order_by(col(PhotoUpload.id).desc()).limit(_SHOWN)
    return Sent({row[0]: row[1] for row in session.execute(by_state)}, tuple(session.exec(newest).all()))


def take_back(begin: Begin, store: Store, *, caller: Caller, public_id: str) -> None:
    """Forget an upload that is not held (tus, termination). Raises PhotoNotFound, PhotoIsKept or UploadBusy."""
    with begin() as session:
        _refuse_kept(find(session, caller=caller, public_id=public_id))
    with store.claim(public_id, insist=True):
        with begin() as session:
            upload = find(session, caller=caller, public_id=public_id)
            _refuse_kept(upload)
            session.delete(upload)
        store.drop(public_id)


def _refuse_kept(upload: PhotoUpload) -> None:
    if upload.state is UploadState.HELD:
        raise PhotoIsKept


def _check(announced: Announced) -> None:
    if not _SHA256.fullmatch(announced.sha256):
        raise InvalidInput("Give the SHA-256 of the photo's bytes, as 64 hex digits.", field="sha256")
    if announced.size_bytes < 1:
        raise InvalidInput("The photo is empty.", field="size")
    if announced.size_bytes > MAX_BYTES:
        raise PhotoTooLarge(f"A photo may have at most {MAX_BYTES >> 20} MB. Send a smaller one.")


def _known(session: Session, caller: Caller, announced: Announced) -> PhotoUpload | None:
    same = (PhotoUpload.sha256 == announced.sha256, PhotoUpload.ticket_id == announced.ticket_id)
    return session.exec(select(PhotoUpload).where(PhotoUpload.app_device_id == caller.app_device_id, *same)).one_or_none()


def _again(known: PhotoUpload, announced: Announced, *, now: datetime) -> PhotoUpload:
    if known.size_bytes != announced.size_bytes:
        raise InvalidInput("The same hash was announced with another length before.", field="size")
    if known.state is UploadState.REFUSED and known.why == WRONG_HASH:
        # The bytes were spoilt on the way, not the photo.
        known.state, known.why, known.received_bytes = UploadState.RECEIVING, None, 0
    known.touched_at = now
    return known


def _ticket_for(session: Session, caller: Caller, ticket_id: int, *, now: datetime) -> None:
    """Customers add to their own as long as it is undone or can be opened again, technicians to what they see. Raises as `announce`."""
    if caller.customer_id is None:
        person = caller.technician(Permission.TICKETS_EDIT)
        narrowed = select(Ticket.id).where(Ticket.id == ticket_id, *in_sight(person))
    else:
        narrowed = select(Ticket.id).where(Ticket.id == ticket_id, Ticket.customer_id == caller.customer_id)
    if session.exec(narrowed).one_or_none() is None:
        raise TicketNotFound("There is no ticket with that number.")
    if caller.customer_id is not None:
        ticket = conversation.whole(session, ticket_id)
        if not ticket.is_open and ticket.resolved_at is not None and now - ticket.resolved_at > conversation.REOPENED_WITHIN:
            raise TicketTakesNoPhotos


def _kept_from_another_phone(session: Session, caller: Caller, announced: Announced) -> int | None:
    person = AppDevice.customer_id == caller.customer_id if caller.customer_id is not None else AppDevice.staff_id == caller.technician().id
    same = (PhotoUpload.sha256 == announced.sha256, PhotoUpload.ticket_id == announced.ticket_id, PhotoUpload.state == UploadState.HELD)
    wanted = select(PhotoUpload.attachment_id).join(AppDevice, col(AppDevice.id) == PhotoUpload.app_device_id).where(person, *same)
    return session.exec(wanted.limit(1)).first()


def _refuse_if_full(session: Session, caller: Caller, announced: Announced, room: int) -> None:
    if room - announced.size_bytes < _KEEP_FREE:
        raise NoRoom
    undone = (col(PhotoUpload.app_device_id) == caller.app_device_id, col(PhotoUpload.state) == UploadState.RECEIVING)
    counts = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(PhotoUpload.size_bytes), 0))
    number, together = session.execute(counts.where(*undone)).one()
    if number >= MAX_UNDONE or together + announced.size_bytes > MAX_UNDONE_BYTES:
        raise TooManyUploads(_WAIT_SECONDS)
