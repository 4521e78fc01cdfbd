"""Ending mails by the link in one of them: a page with a button for people, one POST for mail programs (RFC 8058).

Opening the link changes nothing: mail scanners open every link.
"""

from __future__ import annotations

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.access import public
from app.clock import utc_now
from app.db import transaction
from services.notifications import preferences

router = APIRouter(
    prefix=preferences.UNSUBSCRIBE_PATH,
    include_in_schema=False,
    dependencies=[public("the sealed link is the proof, and it opens nothing but the wish for no more mails")],
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>Mails from INET</title></head><body><main><h1>Mails from INET</h1><p>{text}</p>
<form method="post"><input type="hidden" name="{name}" value="1"><button>{button}</button></form></main></body></html>"""


@router.get("/{token}")
def ask(token: str) -> HTMLResponse:
    """Raises NoSuchLink."""
    preferences.open_link(token)
    return _page("Do you want no more mails of this kind? Answers to what you ask us still come.", "stop", "No more mails")


@router.post("/{token}")
def stop(token: str) -> HTMLResponse:
    """What the button does, and what a mail program does by itself. Raises NoSuchLink."""
    with transaction() as session:
        preferences.stop_by_link(session, token, now=utc_now())
    return _page("You get no more mails of this kind.", "List-Unsubscribe", "Done")


def _page(text: str, name: str, button: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(text=escape(text), name=escape(name), button=escape(button)), headers={"Cache-Control": "no-store"})
