"""Whether what arrived is the photo that was announced, and what is kept of it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime

from services.apps.models import PhotoUpload
from services.photos import exif
from services.photos.exif import NOTHING_KNOWN
from services.photos.storage import Part
from services.photos.uploads import WRONG_HASH
from services.tickets.attachment_checks import Checked, Upload, check, clean_name
from services.tickets.pictures import PICTURES, BadPicture, repainted

_NO_PHOTO = "This is not a photo. Send a JPEG, PNG or WebP."
# Enough to tell by its beginning what else it is.
_BEGINNING = 64 * 1024
# A photo with what it unpacks to is in memory once, however many have arrived.
_one_at_a_time = threading.BoundedSemaphore(1)


@dataclass(frozen=True)
class Verdict:
    """The picture painted anew, with when and where it was taken; or in words why it is refused."""

    picture: Checked | None = None
    taken: exif.Taken = NOTHING_KNOWN
    why: str = ""


def judge(part: Part, upload: PhotoUpload, *, now: datetime) -> Verdict:
    """Takes a while and much memory: one photo at a time in each process."""
    with _one_at_a_time:
        content = part.content()
        if hashlib.sha256(content).hexdigest() != upload.sha256:
            return Verdict(why=WRONG_HASH)
        if not content.startswith(PICTURES):
            return Verdict(why=check(Upload("", "", content[:_BEGINNING])).why or _NO_PHOTO)
        try:
            picture = repainted(content)
        except BadPicture as bad:
            return Verdict(why=str(bad))
        taken = exif.taken(content, now=now)
    kept = Checked(
        name=clean_name(upload.name, ending=".jpg"),
        media_type="image/jpeg",
        size_bytes=len(picture.content),
        sha256=hashlib.sha256(picture.content).hexdigest(),
        content=picture.content,
        thumbnail=picture.thumbnail,
        facts=picture.facts,
    )
    return Verdict(kept, taken)
