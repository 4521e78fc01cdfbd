"""Pieces of a photo on their way to the disk: whatever arrived before a link broke is kept, and only what is on the disk is counted.

The file is synced first, the row follows. A crash between the two leaves a file that is longer than its row says: it is cut back. A row
that says more than its file has, after a disk was lost, follows the file.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import failpoints
from app.db import Begin
from services.apps.callers import Caller
from services.apps.models import PhotoUpload, UploadState
from services.photos import uploads
from services.photos.errors import OffsetDiffers, PhotoNotFound
from services.photos.storage import Part, Store

# What a crash of ours costs at most to be sent once more. A link that breaks costs nothing.
COUNT_EVERY_BYTES = 512 * 1024


class Receiving:
    """One photo that is being received. Used by one thread at a time; `close` it at the end."""

    def __init__(self, begin: Begin, store: Store, part: Part, upload: PhotoUpload) -> None:
        self._begin, self._store, self._part = begin, store, part
        self._name, self._size = upload.public_id, upload.size_bytes
        self.offset = self._counted = upload.received_bytes

    @classmethod
    def open(cls, begin: Begin, store: Store, *, caller: Caller, public_id: str, offset: int, now: datetime) -> Self | None:
        """Claim the photo, to go on from `offset`. None when all of it is here. Raises PhotoNotFound, OffsetDiffers or UploadBusy."""
        with begin() as session:
            upload = uploads.find(session, caller=caller, public_id=public_id)
        # Before anybody is disturbed: the count only grows, so a smaller offset is wrong whatever comes.
        if offset < upload.received_bytes or offset > upload.size_bytes:
            raise OffsetDiffers(upload.received_bytes)
        if _is_whole(upload):
            return None
        part = store.claim(public_id, insist=True)
        try:
            with begin() as session:
                upload = _settled(session, part, public_id, now=now)
            if offset != upload.received_bytes:
                raise OffsetDiffers(upload.received_bytes)
            if _is_whole(upload):
                part.close()
                return None
            return cls(begin, store, part, upload)
        except BaseException:
            part.close()
            raise

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._size - self.offset

    @property
    def is_due(self) -> bool:
        """Whether so much came since the last count that it is time for one."""
        return self.offset - self._counted >= COUNT_EVERY_BYTES

    @property
    def is_wanted(self) -> bool:
        """Whether a newer request waits for this photo."""
        return self._store.is_wanted(self._name)

    def take(self, piece: bytes) -> None:
        self._part.write(piece)
        self.offset += len(piece)

    def count(self, *, now: datetime) -> None:
        """Sync what came, then let the row say so."""
        if self.offset == self._counted:
            return
        self._part.sync()
        failpoints.boundary("photo.written")
        with self._begin() as session:
            mine = (col(PhotoUpload.public_id) == self._name, col(PhotoUpload.state) == UploadState.RECEIVING)
            session.execute(sa.update(PhotoUpload).where(*mine).values(received_bytes=self.offset, touched_at=now))
        self._counted = self.offset
        failpoints.boundary("photo.counted")

    def close(self) -> None:
        self._part.close()


def offset_of(begin: Begin, store: Store, *, caller: Caller, public_id: str, now: datetime) -> PhotoUpload:
    """How far a photo has come. Raises PhotoNotFound, or UploadBusy while another request has it in hand."""
    with begin() as session:
        upload = uploads.find(session, caller=caller, public_id=public_id)
    if upload.state is not UploadState.RECEIVING or _is_whole(upload):
        return upload
    with store.claim(public_id, insist=True) as part, begin() as session:
        return _settled(session, part, public_id, now=now)


def _settled(session: Session, part: Part, public_id: str, *, now: datetime) -> PhotoUpload:
    """File and row say the same: the smaller of the two. Raises PhotoNotFound when it was taken back meanwhile."""
    wanted = select(PhotoUpload).where(PhotoUpload.public_id == public_id).with_for_update()
    upload = session.exec(wanted.execution_options(populate_existing=True)).one_or_none()
    if upload is None:
        raise PhotoNotFound
    if upload.state is UploadState.RECEIVING:
        upload.received_bytes = min(part.size, upload.received_bytes)
        upload.touched_at = now
        part.cut(upload.received_bytes)
    return upload


def _is_whole(upload: PhotoUpload) -> bool:
    return upload.received_bytes == upload.size_bytes
