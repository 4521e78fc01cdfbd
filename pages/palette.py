"""Search everything, go anywhere: a dialog over every page, opened by Ctrl-K, Cmd-K or the button in the header.

The browser opens it and walks through it by itself (pages/static/palette.js); only what was typed is sent, once the fingers rest. An
answer that is older than the last question is dropped on both sides.
"""

from __future__ import annotations

from urllib.parse import quote

import sqlalchemy as sa
import structlog
from nicegui import background_tasks, events, ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from app.problems import route_of
from pages import frame, shell
from pages.palette_actions import find_places, may_do
from pages.palette_answer import FOUND_AT, Answer, draw_answer, draw_empty, draw_failed, draw_waiting
from pages.shell import current_staff, in_header, toast_on_refusal
from services.accounts.permissions import Principal
from services.console import recent
from services.console.finders.asked import read
from services.console.finders.hits import Hit, Kind
from services.console.search import find, hits_of

_FAILED = (sa.exc.SQLAlchemyError, OSError)
_LIGHTS = {"dark": True, "light": False, "device": None}
_MOST = 100
# Pages of one thing, by the parameter that names it: having one open makes it one of the recent things.
_THING_OF = {
    "/console/customers/{customer_id}": (Kind.PEOPLE, "customer_id"),
    "/console/tickets/{reference}": (Kind.TICKETS, "reference"),
    "/console/payments/{reference}": (Kind.PAYMENTS, "reference"),
    "/console/vouchers/{voucher_id}": (Kind.VOUCHERS, "voucher_id"),
    "/console/access-points/{access_point_id}": (Kind.ACCESS_POINTS, "access_point_id"),
    "/console/sites/{site_id}": (Kind.SITES, "site_id"),
    "/console/gateways/{slug}": (Kind.GATEWAYS, "slug"),
    "/console/incidents/{reference}": (Kind.INCIDENTS, "reference"),
    "/console/staff/{staff_id}": (Kind.STAFF, "staff_id"),
}
_FIELD = (
    '<span class="palette-top"><span class="material-icons" aria-hidden="true">search</span>'
    '<input id="palette-text" type="text" role="combobox" aria-expanded="true" aria-controls="palette-found" aria-autocomplete="list"'
    f' aria-label="Search the console" placeholder="Phone, name, receipt code, ticket, page …" maxlength="{_MOST}"'
    ' autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false" enterkeyhint="go">'
    '<button type="button" class="palette-close" aria-label="Close the search"><kbd>Esc</kbd>'
    '<span class="material-icons" aria-hidden="true">close</span></button></span>'
)
_FOOT = (
    '<span class="palette-foot" aria-hidden="true"><span><kbd>↑</kbd> <kbd>↓</kbd> choose</span><span><kbd>Enter</kbd> open</span>'
    "<span><kbd>Ctrl</kbd> <kbd>Enter</kbd> in a new tab</span></span>"
    # What the browser fills: what is read out, and what is said when no answer comes.
    '<span id="palette-said" class="palette-said" role="status"></span>'
    '<span class="palette-silent"><b>No answer yet.</b><button type="button" class="palette-again">Try again</button></span>'
)
_BUTTON = '<span class="material-icons" aria-hidden="true">search</span><span class="words">Search</span><kbd>Ctrl K</kbd>'
log = structlog.get_logger(__name__)


class Palette:
    """One page's search. `_newest` is the number of the last question: what answers an older one is not shown."""

    def __init__(self) -> None:
        self._newest = 0
        button = ui.element("button").classes("palette-open").mark("palette-open")
        button.props('type=button aria-label="Search (Ctrl K)" aria-haspopup=dialog aria-keyshortcuts="Control+K Meta+K"')
        button.props["innerHTML"] = _BUTTON
        with ui.element("dialog").classes("palette").props('aria-label="Search the console"').mark("palette") as dialog:
            ui.html(_FIELD, sanitize=False)
            self._found = ui.html(draw_waiting(), sanitize=False).classes("palette-found")
            self._found.props(f'id={FOUND_AT} role=listbox aria-label="Found"').mark("palette-found")
            ui.html(_FOOT, sanitize=False)
        dialog.on("inet_ask", self._asked, args=["detail"]).on("inet_do", self._done, args=["detail"])

    async def _asked(self, event: events.GenericEventArguments) -> None:
        detail = _detail(event)
        number = detail.get("number")
        await self.ask(str(detail.get("text") or "")[:_MOST], number if isinstance(number, int) else self._newest + 1)

    async def ask(self, text: str, number: int) -> None:
        """Answer the question of this number, unless a newer one has come meanwhile."""
        self._newest = max(self._newest, number)
        with toast_on_refusal():
            actor = await current_staff()
            try:
                drawn = await self._answer(actor, text, number)
            except _FAILED:
                # Without what was typed: it may be a voucher's code.
                log.warning("console.search_failed", exc_info=True)
                drawn = draw_failed(number)
            if number == self._newest:
                self._found.content = drawn

    async def _answer(self, actor: Principal, text: str, number: int) -> str:
        asked = read(text, now=utc_now())
        if not asked.text:
            return draw_empty(number, await in_transaction(_recent, actor), may_do(actor))
        groups = await in_transaction(find, actor=actor, text=text, now=asked.now)
        pages, actions = find_places(actor, asked.text)
        # A whole code is worth money: it goes into no address.
        more = "" if asked.voucher_code is not None else quote(asked.text, safe="")
        return draw_answer(Answer(number, asked.text, pages, actions, groups, more))

    async def _done(self, event: events.GenericEventArguments) -> None:
        wanted = _detail(event).get("do")
        with toast_on_refusal():
            await current_staff()
            if wanted in _LIGHTS:
                frame.set_light(_LIGHTS[wanted])
            elif wanted == "log-out":
                await shell.log_out()


def _detail(event: events.GenericEventArguments) -> dict[str, object]:
    found = event.args.get("detail") if isinstance(event.args, dict) else None
    return found if isinstance(found, dict) else {}


def _recent(session: Session, actor: Principal) -> tuple[Hit, ...]:
    return hits_of(session, actor=actor, things=recent.things(actor))


async def draw_palette() -> None:
    """Into the header."""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{frame.asset("palette.css")}"><script src="{frame.asset("palette.js")}" defer></script>'
    )
    actor = await current_staff()
    Palette()
    request = ui.context.client.request
    thing = _THING_OF.get(route_of(request.scope) or "")
    if thing is not None:
        kind, name = thing
        key = str(request.path_params.get(name, ""))
        # Behind the page's back: it does not wait for it.
        background_tasks.create(in_transaction(lambda _: recent.note(actor, kind, key)), name="recent thing")


in_header(draw_palette)
