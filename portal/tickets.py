"""The customer's own page of a ticket: how it stands, what was said, a box to answer, and one tap to say how our help was.

The address holds the token that opens it, and so does every form: no account, no cookie, no JavaScript. A GET changes nothing, so that a
scanner that opens the link of a mail neither votes nor writes. The page is not kept by browsers and is named to no other site.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, Response, UploadFile

from app import origin
from app.db import transaction
from app.errors import DomainError
from app.limits import Limit, count
from portal import limits, rendering, reports
from portal.visits import Linked, LongText, PageRoute, Posted, Problem, Visit, form_page, problem_of
from services.tickets import attachments, customer_view
from services.tickets.attachment_checks import check_all
from services.tickets.customer_view import CustomerTicket
from services.tickets.tokens import opens, reply_token

router = APIRouter(route_class=PageRoute, default_response_class=Response)
"""Part of the portal's pages (portal/pages.py), which says who may ask."""
WORDS_OF_TICKET = Limit("words-of-ticket", "10 per 10 minutes")
VOTES_OF_TICKET = Limit("votes-of-ticket", "30 per 10 minutes")
Reference = Annotated[str, Path(max_length=16, pattern=r"^[\w-]+$")]
Token = Annotated[str, Query(max_length=100)]
TokenField = Annotated[str, Form(max_length=100)]
_UNFOUND = {"X-Robots-Tag": "noindex, nofollow"}


@router.get("/ticket/{reference}")
def ticket_page(visit: Linked, reference: Reference, t: Token = "", did: Annotated[str, Query(max_length=8)] = "") -> Response:
    return _page(visit, reference, t, did=did)


def _page(visit: Visit, reference: str, token: str, *, did: str = "", problem: Problem | None = None, words: str = "") -> Response:
    """Raises TicketNotFound, for a wrong token as for a reference that there is not."""
    with transaction() as session:
        shown = customer_view.look(session, reference=reference, token=token, now=visit.now)
    texts = rendering.texts(rendering.language_for(shown.language))
    said: dict[str, Any] = {"t": texts, "ticket": shown, "token": token, "did": did, "words_value": words, "answer": _asks(shown, texts)}
    answer = form_page(visit, "ticket", problem, **said)
    answer.headers.update(_UNFOUND)
    return answer


def _asks(shown: CustomerTicket, texts: rendering.Texts) -> dict[str, str]:
    """The words of the answer box: what is written there goes on, opens again, or begins anew."""
    own = texts["ticket"]
    if shown.may_rate or shown.standing in ("resolved", "closed"):
        hint = own["again_hint"] if shown.reopens else own["anew_hint"]
        return {
            "heading": own["again"],
            "label": own["answer"],
            "hint": hint,
            "button": own["send_again"] if shown.reopens else own["send"],
        }
    return {"heading": "", "label": own["answer"], "hint": own["answer_hint"], "button": own["send"]}


@router.post("/ticket/{reference}")
def answer(
    visit: Posted,
    reference: Reference,
    t: TokenField = "",
    words: LongText = "",
    photos: Annotated[list[UploadFile] | None, File()] = None,
) -> Response:
    """Say something further; what was done is opened again by it."""
    try:
        if opens(reference, t):
            # Only what opens a ticket counts against it: nobody else uses up its customer's tries.
            count(WORDS_OF_TICKET, reference.upper())
            count(limits.REPORTS_OF_ADDRESS, origin.current())
            # Painting pictures anew takes a while: not within a transaction.
            files = check_all(reports.uploads_of(photos or ()))
        else:
            files = ()
        with transaction() as session:
            kept = customer_view.answer(session, reference=reference, token=t, words=words, files=files, now=visit.now)
    except DomainError as error:
        problem = problem_of(error, fields=("words",))
        return _page(visit, reference, t, problem=problem, words=words)
    is_new = kept.reference != reference.upper()
    token = reply_token(kept.ticket) if is_new else t
    return visit.go(f"/ticket/{kept.reference}", t=token, did="new" if is_new else "sent")


@router.post("/ticket/{reference}/rating")
def rate(visit: Posted, reference: Reference, score: Annotated[int, Form(ge=1, le=5)], t: TokenField = "") -> Response:
    """One tap: how our help was."""
    try:
        if opens(reference, t):
            count(VOTES_OF_TICKET, reference.upper())
        with transaction() as session:
            customer_view.vote(session, reference=reference, token=t, score=score, now=visit.now)
    except DomainError as error:
        return _page(visit, reference, t, problem=problem_of(error))
    return visit.go(f"/ticket/{reference.upper()}", t=t, did="rated")


@router.get("/ticket/{reference}/file/{attachment_id}")
def file(
    visit: Linked, reference: Reference, attachment_id: Annotated[int, Path(ge=1, le=2**63 - 1)], t: Token = "", thumb: bool = False
) -> Response:
    """A picture or document of the conversation. Raises AttachmentNotFound."""
    with transaction() as session:
        found, content = attachments.content_for_customer(session, reference, t, attachment_id, is_thumbnail=thumb)
    sent = attachments.served_headers(found) | {"Referrer-Policy": "no-referrer"}
    if thumb:
        sent["Content-Disposition"] = "inline"
    return Response(content, media_type="image/jpeg" if thumb else found.media_type, headers=sent)
