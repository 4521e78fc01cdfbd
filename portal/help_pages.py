"""The page "Report a problem": words, pictures, and what became of them. Works without JavaScript."""

from __future__ import annotations

import re
import secrets
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from app.db import transaction
from app.errors import DomainError
from portal import reports
from portal.visits import Linked, LongText, PageRoute, Posted, Problem, Text, Visit, form_page, problem_of
from services.payments.checkout import payment_by_public_id
from services.tickets.attachments import refused_files
from services.tickets.tokens import opens, reply_token

router = APIRouter(route_class=PageRoute, default_response_class=Response)
"""Part of the portal's pages (portal/pages.py), which says who may ask."""
_TICKET = re.compile(r"T-[0-9A-Z]{7}")


@router.get("/portal/help")
def help_form(visit: Linked, p: Annotated[str, Query(max_length=64)] = "", ticket: str = "", t: str = "") -> Response:
    if not _TICKET.fullmatch(ticket):
        return _help_page(visit, payment_id=p.replace("\x00", ""))
    return _thanks(visit, ticket, t)


def _thanks(visit: Visit, reference: str, token: str) -> Response:
    """What was kept, and the way to its own page for whoever has its token."""
    if not opens(reference, token):
        return visit.page("thanks", ticket=reference, url=None, refused=())
    with transaction() as session:
        refused = refused_files(session, reference)
    return visit.page("thanks", ticket=reference, url=visit.link(f"/ticket/{reference}", t=token), refused=refused)


def _help_page(visit: Visit, *, payment_id: str, body: str = "", phone: str = "", problem: Problem | None = None) -> Response:
    reference = ""
    if payment_id:
        with transaction() as session:
            reference = payment_by_public_id(session, payment_id).reference
    # The key makes a double tap, or a second try after a lost answer, the same report.
    key = secrets.token_urlsafe(16)
    values = {"payment_id": payment_id, "reference": reference, "body_value": body, "phone_value": phone, "key": key}
    return form_page(visit, "help", problem, **values)


@router.post("/portal/help")
def report(
    visit: Posted,
    body: LongText = "",
    phone: Text = "",
    payment_id: Annotated[str, Form(max_length=64, pattern=r"^[\w-]*$")] = "",
    key: Text = "",
    photos: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    try:
        files = reports.uploads_of(photos or ())
        asked = reports.Asked(body, phone, payment_id, visit.context, visit.device_token, key or None, files)
        reported = reports.take(asked, now=visit.now)
    except DomainError as error:
        problem = problem_of(error, fields=("body", "phone"))
        return _help_page(visit, payment_id=payment_id, body=body, phone=phone, problem=problem)
    token = {"t": reply_token(reported.ticket)} if reported.is_own else {}
    return visit.go("/portal/help", ticket=reported.ticket.reference, **token)
