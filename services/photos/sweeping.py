"""What nobody asks for any more: photos that arrived whole and were not finished, uploads that were given up, bytes without an upload."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.errors import Unavailable
from services.apps.models import PhotoUpload, UploadState
from services.photos import finishing
from services.photos.errors import UploadBusy
from services.photos.storage import Store
from services.photos.uploads import EXPIRES

# The phone that sent the last piece is about to ask.
_LEFT_ALONE = timedelta(minutes=1)
_BATCH = 100
log = structlog.get_logger(__name__)


def sweep(begin: Begin, store: Store, *, clock: Clock) -> None:
    """Safe to run twice, at once, and to die in the middle: each photo stands or falls by itself."""
    _finish_whole_ones(begin, store, clock=clock)
    _expire(begin, store, now=clock())
    _drop_what_no_upload_needs(begin, store)


def _finish_whole_ones(begin: Begin, store: Store, *, clock: Clock) -> None:
    with begin() as session:
        is_whole = col(PhotoUpload.received_bytes) == PhotoUpload.size_bytes
        waiting = _names(session, is_whole, before=clock() - _LEFT_ALONE)
    for name in waiting:
        try:
            finishing.finish(begin, store, name, clock=clock)
        except Unavailable:
            log.warning("photo.not_stored", upload=name)


def _expire(begin: Begin, store: Store, *, now: datetime) -> None:
    """One that arrived whole never expires."""
    with begin() as session:
        is_partial = col(PhotoUpload.received_bytes) < PhotoUpload.size_bytes
        stale = _names(session, is_partial, before=now - EXPIRES)
    for name in stale:
        try:
            with store.claim(name):
                with begin() as session:
                    upload = session.exec(select(PhotoUpload).where(PhotoUpload.public_id == name).with_for_update()).one_or_none()
                    if upload is None or upload.state is not UploadState.RECEIVING or upload.touched_at > now - EXPIRES:
                        continue
                    session.delete(upload)
                    log.info("photo.expired", photo_id=upload.id, received_bytes=upload.received_bytes, size_bytes=upload.size_bytes)
                store.drop(name)
        except UploadBusy:
            continue  # it goes on this very moment


def _names(session: Session, rule: sa.ColumnElement[bool], *, before: datetime) -> list[str]:
    waiting = select(PhotoUpload.public_id).where(PhotoUpload.state == UploadState.RECEIVING, PhotoUpload.touched_at < before, rule)
    return list(session.exec(waiting.order_by(col(PhotoUpload.touched_at)).limit(_BATCH)).all())


def _drop_what_no_upload_needs(begin: Begin, store: Store) -> None:
    """A crash between the last two steps leaves bytes of a photo that is held or refused."""
    names = list(store.names())
    if not names:
        return
    for start in range(0, len(names), _BATCH):
        some = names[start : start + _BATCH]
        with begin() as session:
            wanted = select(PhotoUpload.public_id).where(col(PhotoUpload.public_id).in_(some), PhotoUpload.state == UploadState.RECEIVING)
            needed = set(session.exec(wanted).all())
        for name in set(some) - needed:
            try:
                with store.claim(name):
                    store.drop(name)
            except UploadBusy:
                continue
