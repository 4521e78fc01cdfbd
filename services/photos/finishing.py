"""From "all of it arrived" to "held": checked, painted anew, on the disk, with its ticket, in this order; any of it may be done again.

Whoever asks next does what a crash left undone: the phone's next question, or the job (services/photos/sweeping.py).
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlmodel import Session, select

from app import failpoints
from app.clock import Clock
from app.db import Begin
from app.errors import Unavailable
from app.events import publish
from services.apps.models import AppDevice, PhotoUpload, UploadState
from services.photos import messages
from services.photos.errors import UploadBusy
from services.photos.judging import Verdict, judge
from services.photos.storage import Store
from services.tickets import attachments

log = structlog.get_logger(__name__)


def finish(begin: Begin, store: Store, public_id: str, *, clock: Clock) -> None:
    """Bring a photo of which all has arrived to its end; nothing happens to others, and to one that somebody else has in hand.

    Raises Unavailable when it could not be stored: then it stays as it is.
    """
    with begin() as session:
        if _waiting(session, public_id) is None:
            return
    try:
        part = store.claim(public_id)
    except UploadBusy:
        return
    with part:
        with begin() as session:
            # Asked again: whoever had it in hand may have finished it.
            upload = _waiting(session, public_id)
            if upload is None:
                return
            if part.size < upload.size_bytes:
                log.error("photo.bytes_missing", photo_id=upload.id, size_bytes=part.size, expected_bytes=upload.size_bytes)
                upload.received_bytes = part.size
                return
        verdict = judge(part, upload, now=clock())
        failpoints.boundary("photo.judged")
        with begin() as session:
            _settle(session, public_id, verdict, now=clock())
            failpoints.boundary("photo.attached")
        failpoints.boundary("photo.held")
        store.drop(public_id)


def _waiting(session: Session, public_id: str, *, lock: bool = False) -> PhotoUpload | None:
    wanted = select(PhotoUpload).where(PhotoUpload.public_id == public_id, PhotoUpload.state == UploadState.RECEIVING)
    found = session.exec(wanted.with_for_update() if lock else wanted).one_or_none()
    return found if found is not None and found.received_bytes == found.size_bytes else None


def _settle(session: Session, public_id: str, verdict: Verdict, *, now: datetime) -> None:
    upload = _waiting(session, public_id, lock=True)
    if upload is None:
        return
    upload.touched_at = now
    if verdict.picture is None:
        upload.state, upload.why = UploadState.REFUSED, verdict.why[:200]
        return
    device = session.get_one(AppDevice, upload.app_device_id)
    ticket, message = messages.message_for(session, upload, device, now=now)
    (kept,) = attachments.attach(session, ticket, message, [verdict.picture], now=now)
    if kept.file is None:
        raise Unavailable("The photo could not be stored here. It is tried again.")
    upload.state, upload.attachment_id = UploadState.HELD, kept.id
    upload.taken_at = upload.taken_at or verdict.taken.at
    if upload.latitude is None:
        upload.latitude, upload.longitude = verdict.taken.latitude, verdict.taken.longitude
    publish(session, "tickets", ticket.id)
