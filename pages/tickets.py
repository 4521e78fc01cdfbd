"""Tickets: what customers reported and what outages opened, when each is due, and with whom it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, chip_cell, due_cell, state_cell, time_cell
from pages.components.keys import keys_help
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page
from pages.ticket_by_phone import by_phone_form
from pages.ticket_keys import ON_LIST
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import CATEGORY_WORDS, CHANNEL_WORDS, PATH, name_of
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice
from services.tickets import filter_choices
from services.tickets.filter_choices import FilterChoices, own_teams
from services.tickets.models import UNDONE as UNDONE_STATES
from services.tickets.models import Category, Channel, HoldReason, Priority, Ticket, TicketState
from services.tickets.people import headline
from services.tickets.queries import BEST, TicketFilter, TicketRow, list_tickets
from services.tickets.sight import sees_all
from services.tickets.triage.language import NAMES

MINE, NOBODYS, MY_TEAMS = "me", "nobody", "mine"
UNDONE, ALL = "undone", "all"
LATE, TODAY = "late", "today"
COLUMNS = (
    Column("reference", "Ticket", "link", phone="title", second="Subject"),
    Column("state", "State", "chip", phone="corner"),
    Column("priority", "Priority", "chip"),
    Column("due", "Due", "due", sortable=True),
    Column("customer", "Customer"),
    Column("place", "Place"),
    Column("assignee", "Assigned to"),
    Column("category", "About", hidden=True),
    Column("channel", "Came by", hidden=True),
    Column("team", "Team", hidden=True),
    Column("opened", "Opened", "time", hidden=True),
    Column("answered", "First answered", "time", hidden=True),
    Column("resolved", "Solved", "time", hidden=True),
    Column("reopened", "Opened again", "number", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (
    ("Not done", {}),
    ("Mine", {"assigned": MINE}),
    ("My teams", {"team": MY_TEAMS}),
    ("Nobody's", {"assigned": NOBODYS}),
    ("Late", {"due": LATE}),
)
VIEWS_OF_A_TECHNICIAN = (VIEWS[0], VIEWS[4])
_STATES = Choice(
    "state", "State", {UNDONE: "Not done", ALL: "Any state"} | {state.value: words.words_of(state).text for state in TicketState}
)
_PRIORITIES = Choice("priority", "Priority", {level.value: words.words_of(level).text for level in Priority})
_DUE = Choice("due", "Due", {LATE: "Late", TODAY: "Until tonight"})
_CATEGORIES = Choice("category", "About", {one.value: text for one, text in CATEGORY_WORDS.items()})
_CHANNELS = Choice("channel", "Came by", {one.value: text for one, text in CHANNEL_WORDS.items()})
_LANGUAGES = Choice("language", "Language", {code: name.capitalize() for code, name in NAMES.items()})
DEFAULT = ListState(sort="due", descending=False, filters={"state": UNDONE})


def row_cells(row: TicketRow) -> dict[str, Any]:
    ticket = row.ticket
    return {
        "id": ticket.id,
        "href": f"{PATH}/{ticket.reference}",
        "reference": ticket.reference,
        "second": headline(ticket),
        "state": chip_cell("Customer wrote", "wait") if is_unanswered(ticket) else state_cell(ticket.state),
        "priority": state_cell(ticket.priority),
        "due": due_cell(ticket.due_at) if ticket.is_open else None,
        "customer": row.customer.masked_phone if row.customer else None,
        "place": row.site_name or row.gateway_name,
        "assignee": name_of(row.assignee) if row.assignee else row.team_name,
        "category": CATEGORY_WORDS[ticket.category] if ticket.category else None,
        "channel": CHANNEL_WORDS[ticket.channel],
        "team": row.team_name,
        "opened": time_cell(ticket.created_at),
        "answered": time_cell(ticket.first_responded_at),
        "resolved": time_cell(ticket.resolved_at),
        "reopened": str(ticket.reopened_count) if ticket.reopened_count else None,
    }


def is_unanswered(ticket: Ticket) -> bool:
    """Whether the customer said something since we last answered; of a new one its state says it."""
    is_last = ticket.last_reply_at is None or (ticket.last_customer_at is not None and ticket.last_customer_at > ticket.last_reply_at)
    return ticket.state is TicketState.OPEN and ticket.last_customer_at is not None and is_last


def wanted_in(state: ListState, actor: Principal, own_teams: tuple[int, ...]) -> TicketFilter:
    """What the list's address asks for. A search looks everywhere unless a state is chosen: what is found may be done long since."""
    chosen, desk, team, due = (state.filters.get(name) for name in ("state", "assigned", "team", "due"))
    now = utc_now()
    tonight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    level, about, way, site = (state.filters.get(name) for name in ("priority", "category", "channel", "site"))
    return TicketFilter(
        state=TicketState(chosen) if chosen and chosen not in (UNDONE, ALL) else None,
        is_undone=chosen == UNDONE and not state.search,
        priority=Priority(level) if level else None,
        search=state.search,
        assignee_id=actor.id if desk == MINE else None if desk in (None, NOBODYS) else int(desk),
        is_unassigned=desk == NOBODYS,
        team_id=int(team) if team and team != MY_TEAMS else None,
        team_ids=own_teams if team == MY_TEAMS else None,
        category=Category(about) if about else None,
        channel=Channel(way) if way else None,
        language=state.filters.get("language"),
        site_id=int(site) if site else None,
        tag=state.filters.get("tag"),
        due_before={LATE: now, TODAY: tonight}.get(due or ""),
    )


def _filters(choices: FilterChoices, *, all_of_them: bool) -> tuple[Choice, ...]:
    tags = Choice("tag", "Tag", {tag: tag for tag in choices.tags})
    sites = Choice("site", "Site", {str(number): name for number, name in choices.sites.items()})
    common = (_STATES, _PRIORITIES, _DUE)
    if not all_of_them:
        return (*common, _CATEGORIES, sites, tags)
    desks = Choice(
        "assigned", "Assigned to", {MINE: "Me", NOBODYS: "Nobody"} | {str(number): name for number, name in choices.people.items()}
    )
    teams = Choice("team", "Team", {MY_TEAMS: "My teams"} | {str(number): name for number, name in choices.teams.items()})
    return (_STATES, desks, _DUE, teams, _PRIORITIES, _CATEGORIES, sites, _CHANNELS, tags, _LANGUAGES)


async def load(actor: Principal, state: ListState, *, own_teams: tuple[int, ...]) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_tickets, actor=actor, wanted=wanted_in(state, actor, own_teams), part=_part(state))
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


def _part(state: ListState) -> Slice:
    """What a search found goes best first, unless another order is asked for. What is done is due at no time: in a file, by its change."""
    if state.walk is not None:
        is_only_undone = state.filters.get("state") in (UNDONE, *UNDONE_STATES) and not state.search
        return state.walk if state.sort != "due" or is_only_undone else replace(state.walk, sort="updated", descending=True)
    is_plain = (state.sort, state.descending) == (DEFAULT.sort, DEFAULT.descending)
    return Slice(state.part.offset, state.part.limit, BEST) if state.search.strip() and is_plain else state.part


async def load_file(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    return await load(actor, state, own_teams=await in_transaction(own_teams, actor=actor))


async def filters_for(actor: Principal) -> Sequence[Choice]:
    return _filters(await in_transaction(filter_choices.read, actor=actor), all_of_them=sees_all(actor))


FILE = list_file(PATH, "tickets", columns=COLUMNS, load=load_file, default=DEFAULT, filters=filters_for)


@console_page(PATH, title="Tickets", permission=Permission.TICKETS_READ, icon="support_agent", group="Help", in_navigation=True)
async def tickets_page(actor: Principal) -> None:
    all_of_them, may_edit = sees_all(actor), actor.may(Permission.TICKETS_EDIT)
    choices = await in_transaction(filter_choices.read, actor=actor)
    with page_header("Tickets", lead="" if all_of_them else "The tickets that were given to you."):
        if all_of_them:
            action_button("Board", lambda: ui.navigate.to(f"{PATH}/board"), icon="view_kanban").mark("board")
        if may_edit and all_of_them:
            action_button("New ticket", by_phone_form, icon="add", main=True).props('data-key="n c"').mark("new-ticket")
        keys_help("Tickets", ON_LIST)
    shown = COLUMNS if all_of_them else tuple(column for column in COLUMNS if column.name != "assignee")
    table = ServerTable(
        path=PATH,
        marker="tickets",
        columns=shown,
        load=partial(load, own_teams=choices.own_teams),
        default=DEFAULT,
        search="Reference, phone, words, device, code, place",
        filters=_filters(choices, all_of_them=all_of_them),
        folded_from=3,
        empty=("Nothing to do", "Every ticket here is done. When a customer reports a problem, it is here at once.")
        if all_of_them
        else ("No tickets for you", "When Customer Care gives you a ticket, it is here at once."),
        bulk=bulk_of("tickets", actor, spoken={Category: CATEGORY_WORDS, HoldReason: HOLD_WORDS}),
        views=VIEWS if all_of_them else VIEWS_OF_A_TECHNICIAN,
        file=FILE,
    )
    await table.first()
    refresh_on(("tickets",), table.refresh)
