"""The board: undone tickets by state. Cards are moved by dragging, or by their menu, which is there for the keyboard and for phones."""

from __future__ import annotations

from functools import partial

from nicegui import events, ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.keys import keys_help
from pages.components.list_state import ListState
from pages.components.parts import chip, moment, page_header
from pages.components.region import Region
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from pages.ticket_keys import ON_BOARD
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import PATH, name_of
from pages.tickets import is_unanswered, wanted_in
from services.accounts.permissions import Permission, Principal
from services.tickets import board as boards
from services.tickets import filter_choices
from services.tickets.board import COLUMN_MOST, BadMove, BoardColumn
from services.tickets.models import HoldReason, Ticket, TicketState
from services.tickets.people import headline
from services.tickets.queries import TicketRow
from services.tickets.seen import whatever_was_noted

_WHOSE = {"": "Everybody's", "me": "Mine", "nobody": "Nobody's", "mine": "My teams'"}


@console_page(f"{PATH}/board", title="Board", permission=Permission.TICKETS_READ)
async def board_page(actor: Principal) -> None:
    page = _Board(actor, (await in_transaction(filter_choices.read, actor=actor)).own_teams)
    await page.reload()
    refresh_on(("tickets",), page.refresh)


class _Board:
    def __init__(self, actor: Principal, own_teams: tuple[int, ...]) -> None:
        self._own_teams = own_teams
        self._tickets: dict[str, Ticket] = {}
        with page_header("Board", back=(PATH, "Tickets"), lead="What is due first stands on top. Drag a card, or use its menu."):
            self._whose = ui.select(_WHOSE, value="", label="Whose", on_change=self.reload).props("outlined dense options-dense")
            self._whose.mark("whose")
            keys_help("Board", ON_BOARD)
        with ui.element("div").classes("board").mark("board") as self._box:
            self._columns = {state: Region("column") for state in boards.COLUMNS}
        self._box.on("inet_move", self._dropped)

    async def refresh(self) -> None:
        with silent_on_refusal():
            await self._fill(await current_staff())

    async def reload(self) -> None:
        with toast_on_refusal():
            await self._fill(await current_staff())

    async def _fill(self, by: Principal) -> None:
        whose = self._whose.value or ""
        chosen = {"team": "mine"} if whose == "mine" else {"assigned": whose} if whose else {}
        wanted = wanted_in(ListState(filters=chosen), by, self._own_teams)
        found = await in_transaction(boards.board, actor=by, wanted=wanted, now=utc_now())
        self._tickets = {row.ticket.reference: row.ticket for column in found for row in column.rows}
        may_move = by.may(Permission.TICKETS_EDIT)
        for column in found:
            key = (column.total, column.is_more, may_move, [(row.ticket.id, row.ticket.change_number) for row in column.rows])
            self._columns[column.state].draw(key, partial(self._column, column, may_move))

    def _column(self, column: BoardColumn, may_move: bool) -> None:
        state = column.state.value
        with ui.element("section").props(f'data-state={state} aria-label="{words.words_of(column.state).text}"').mark(f"column-{state}"):
            with ui.element("header"):
                chip(column.state)
                ui.label(f"{column.total}{'+' if column.is_more else ''}").classes("soft").mark(f"count-{state}")
            for row in column.rows:
                self._card(row, may_move)
            if not column.rows:
                empty_state("Nothing here", icon="check")
            if column.total > COLUMN_MOST or column.is_more:
                left = f"{column.total - COLUMN_MOST}{'+' if column.is_more else ''} more"
                ui.link(left, f"{PATH}?state={state}").classes("small").mark(f"more-{state}")

    def _card(self, row: TicketRow, may_move: bool) -> None:
        ticket = row.ticket
        with ui.element("article").classes("card").props(f'data-reference="{ticket.reference}" draggable={str(may_move).lower()}'):
            with ui.element("div").classes("line one"):
                ui.link(ticket.reference, f"{PATH}/{ticket.reference}").classes("mono small")
                if ticket.priority.value in ("high", "urgent"):
                    chip(ticket.priority)
                ui.element("div").classes("grow")
                if may_move:
                    self._menu(ticket)
            ui.label(headline(ticket)).classes("clamp-2")
            with ui.element("div").classes("line small soft"):
                if ticket.due_at is not None and ticket.is_open:
                    moment(ticket.due_at, mode="due")
                if is_unanswered(ticket):
                    ui.label("customer wrote").classes("late")
                ui.label(name_of(row.assignee) if row.assignee else row.team_name or "nobody")

    def _menu(self, ticket: Ticket) -> None:
        button = ui.button(icon="swap_horiz", color=None).props(f'flat round dense size=sm aria-label="Move {ticket.reference}"')
        with button, ui.menu():
            for state in boards.COLUMNS:
                if state is not ticket.state and state is not TicketState.NEW:
                    text = words.words_of(state).text
                    ui.menu_item(text, partial(self._move, ticket.reference, state)).mark(f"move-{ticket.reference}-{state.value}")
        button.mark(f"move-{ticket.reference}")

    async def _dropped(self, event: events.GenericEventArguments) -> None:
        detail = event.args.get("detail") or {}
        if detail.get("state") in {state.value for state in boards.COLUMNS}:
            await self._move(str(detail.get("reference")), TicketState(detail["state"]))

    async def _move(self, reference: str, to: TicketState) -> None:
        ticket = self._tickets.get(reference)
        if ticket is None or ticket.state is to:
            return
        with ui.context.client.content, toast_on_refusal():
            if (to is TicketState.ON_HOLD and ticket.is_open) or (to is TicketState.OPEN and not ticket.is_open):
                self._ask(ticket, to)
                return
            await self._moved(ticket, to)

    async def _moved(self, ticket: Ticket, to: TicketState, *, hold: HoldReason | None = None, note: str = "") -> None:
        try:
            await in_transaction(
                whatever_was_noted(boards.move),
                actor=await current_staff(),
                reference=ticket.reference,
                to=to,
                hold=hold,
                note=note,
                expected_revision=ticket.revision,
                now=utc_now(),
            )
        except BadMove as refusal:
            ui.notify(refusal.text, type="warning", multi_line=True, timeout=6000)
            return
        ui.notify(f"{ticket.reference}: {words.words_of(to).text}.", type="positive")
        await self._fill(await current_staff())

    def _ask(self, ticket: Ticket, to: TicketState) -> None:
        """What it waits for, or why it is open again."""
        is_hold = to is TicketState.ON_HOLD
        with dialog_card(f"What does {ticket.reference} wait for?" if is_hold else f"Open {ticket.reference} again?") as dialog:
            if is_hold:
                field: ui.select | ui.textarea = ui.select(
                    {reason.value: HOLD_WORDS[reason.value] for reason in HoldReason}, label="It waits for", value=HoldReason.PART.value
                )
            else:
                field = ui.textarea("Why").props("autogrow autofocus maxlength=500")
            field.props("outlined hide-bottom-space").classes("w-full").mark("field-why")

            async def act() -> None:
                value = str(field.value or "")
                if is_hold:
                    await self._moved(ticket, to, hold=HoldReason(value))
                else:
                    await self._moved(ticket, to, note=value)

            form_buttons(dialog, {"note": field, "hold": field}, yes="Put it on hold" if is_hold else "Open it again", act=act)
        dialog.open()
