"""Files of tickets in the console: served to who may see the ticket, by the console's own session."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from app.db import in_transaction
from app.errors import DomainError
from pages.shell import console_file, current_staff
from services.accounts.permissions import Permission
from services.tickets import attachments
from services.tickets.intake_models import Attachment

PATH = "/console/attachments"


def address(attachment: Attachment, *, is_thumbnail: bool = False) -> str:
    """Where the file, or for a picture its small one, is found."""
    return f"{PATH}/{attachment.id}{'?thumb=1' if is_thumbnail else ''}"


def has_thumbnail(attachment: Attachment) -> bool:
    return attachment.file is not None and attachment.media_type.startswith("image/")


@console_file(PATH + "/{attachment_id}", permission=Permission.TICKETS_READ)
async def serve(attachment_id: Annotated[int, Path(ge=1, le=2**63 - 1)], thumb: bool = False) -> Response:
    """The bytes. A small picture is shown where it stands; everything else is saved, never opened here."""
    try:
        actor = await current_staff()
        row, body = await in_transaction(attachments.content_of, actor=actor, attachment_id=attachment_id, is_thumbnail=thumb)
    except DomainError:
        # One answer, whether it is not there or not theirs to see.
        return Response("There is no such file.", status_code=404, headers={"Cache-Control": "no-store"}, media_type="text/plain")
    headers = attachments.served_headers(row)
    if thumb:
        headers |= {"Content-Disposition": "inline", "Cache-Control": "private, max-age=3600"}
    return Response(body, headers=headers, media_type=row.media_type)
