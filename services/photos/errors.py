"""Refusals about photos."""

from __future__ import annotations

from app.errors import Conflict, InvalidInput, NotFound, Unavailable


class PhotoNotFound(NotFound):
    """Also for one that another phone sends: whether it exists is not told."""

    code, title = "photo_not_found", "No such photo"
    message = "This phone sends no such photo, or its time was over. Begin it anew."


class PhotoTooLarge(InvalidInput):
    code, title = "photo_too_large", "The photo is too large"


class BeyondTheEnd(InvalidInput):
    code, title = "photo_longer_than_said", "More than was announced"
    message = "The photo has more bytes than were announced. Begin it anew with its real length."


class OffsetDiffers(Conflict):
    """`offset` is where the next piece must begin."""

    code, title = "offset_differs", "Go on from another place"

    def __init__(self, offset: int) -> None:
        super().__init__(f"We hold {offset} bytes of this photo. Go on from there.", offset=offset)
        self.offset = offset


class UploadBusy(Conflict):
    code, title = "upload_busy", "Another request sends this photo"
    message = "Another request is sending this photo. Ask how far it has come, and go on from there."


class PhotoIsKept(Conflict):
    code, title = "photo_is_kept", "The photo is with the ticket"
    message = "This photo is with the ticket already, so it is not taken back."


class TicketTakesNoPhotos(Conflict):
    code, title = "ticket_long_done", "The ticket was done a while ago"
    message = "This request was done too long ago to be opened again. Write a new one, and send the photos there."


class TooManyUploads(Conflict):
    """Raised with `retry_after` seconds."""

    code, title = "too_many_uploads", "Finish the others first"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many photos of this phone are half sent. Finish those first.", retry_after=retry_after)


class NoRoom(Unavailable):
    code, title = "no_room", "There is no room for photos now"
    message = "Our disk is nearly full. Keep the photo on the phone; it is sent later."

    def __init__(self) -> None:
        super().__init__(retry_after=600)
