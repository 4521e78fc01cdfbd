"""Sending photos in pieces over a link that breaks (tus 1.0.0): what the server has counted is never sent again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from mobile.client.api import PREFIX, Api
from mobile.client.errors import Offline, Refused
from mobile.client.store import Photo, Store
from mobile.client.wire import PhotoState

TUS = "1.0.0"
_PIECE, _READ = 512 * 1024, 64 * 1024
_GONE, _WRONG_OFFSET, _LOCKED = (404, 410), 409, 423


def content_hash(path: Path) -> str:
    """SHA-256 of the file as it is, in hex: the photo's identity."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Photos:
    """The photos of one phone that the server does not hold yet."""

    def __init__(self, api: Api, store: Store) -> None:
        self._api, self._store = api, store

    def send(self, photo: Photo) -> None:
        """Go on where the last try ended. Raises Offline when the link breaks; asked again, it goes on from there."""
        size = photo.path.stat().st_size
        address = photo.address or self._create(photo, size)
        if address is None:
            return
        try:
            offset = self._offset(address)
            while offset < size:
                offset = self._send_piece(address, photo.path, offset)
            self._settle(photo, address)
        except Refused as refused:
            if refused.status in _GONE:
                # Its time was over there: it begins anew with the next try.
                self._store.note_photo(photo.number)
                raise Offline("the upload had expired") from refused
            if refused.status in (_WRONG_OFFSET, _LOCKED):
                raise Offline("the server still has an earlier piece in hand") from refused
            self._refuse(photo, address, refused)

    def _create(self, photo: Photo, size: int) -> str | None:
        facts = {"ticket": photo.ticket, "sha256": photo.sha256, "name": photo.path.name} | photo.facts
        metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in facts.items())
        headers = {"Tus-Resumable": TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
        try:
            response = self._api.call("POST", "photos", headers=headers)
        except Refused as refused:
            if refused.retry_after is not None:
                raise Offline("too many at once") from refused
            self._refuse(photo, None, refused)
            return None
        location = response.headers["location"]
        address = location[location.index(PREFIX) :]
        self._store.note_photo(photo.number, address=address)
        return address

    def _offset(self, address: str) -> int:
        return int(self._api.call("HEAD", address, headers={"Tus-Resumable": TUS}).headers["upload-offset"])

    def _send_piece(self, address: str, path: Path, offset: int) -> int:
        headers = {"Tus-Resumable": TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        length = min(_PIECE, path.stat().st_size - offset)
        content = b"".join(_read(path, offset, length))
        response = self._api.call("PATCH", address, headers=headers, content=content)
        return int(response.headers["upload-offset"])

    def _settle(self, photo: Photo, address: str) -> None:
        """Held only when the server says so: all of it received is not yet held."""
        found = PhotoState.model_validate_json(self._api.call("GET", address).content)
        if found.state != "receiving":
            self._store.note_photo(photo.number, address=address, state=found.state, why=found.why, attachment_id=found.attachment_id)

    def _refuse(self, photo: Photo, address: str | None, refused: Refused) -> None:
        why = str(refused.problem.get("detail", refused.code))
        self._store.note_photo(photo.number, address=address, state="refused", why=why)


def _read(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (piece := file.read(min(_READ, length))):
            length -= len(piece)
            yield piece
