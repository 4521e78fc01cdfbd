"""Errors of the product itself: each kind once, with how often it happened and who looks into it."""

from __future__ import annotations

from typing import Any

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.operations.error_models import ErrorState
from services.operations.error_queries import ErrorFilter, ErrorRow, list_errors
from services.operations.models import ProcessKind

PATH = "/console/errors"
TOPICS = ("errors",)
_ALL, _MINE = "all", "me"
# What stands beside the state on a phone; all of it is on the error's own page.
_KIND_LENGTH, _PLACE_LENGTH = 23, 32
COLUMNS = (
    Column("kind", "Error", "link", phone="title", second="Place"),
    Column("state", "State", "chip", phone="corner"),
    Column("count", "Times", sortable=True),
    Column("last_day", "Last 24 h"),
    Column("last", "Last", "time", sortable=True),
    Column("process", "In", phone="hide"),
    Column("assignee", "Looked into by"),
)
_STATES = Choice("state", "State", {_ALL: "All", **{state.value: words.words_of(state).text for state in ErrorState}})
_PROCESSES = Choice("process", "Process", {kind.value: kind.value.capitalize() for kind in ProcessKind})
_ASSIGNEES = Choice("who", "Looked into by", {_MINE: "Me"})
_FILTERS = (_STATES, _PROCESSES, _ASSIGNEES)
VIEWS: tuple[BuiltIn, ...] = (("Open", {}), ("Looked into by me", {"who": _MINE}), ("All", {"state": _ALL}))


def row_cells(row: ErrorRow) -> dict[str, Any]:
    group = row.group
    return {
        "id": group.id,
        "href": f"{PATH}/{group.id}",
        "kind": _cut(short_kind(group.kind), _KIND_LENGTH),
        "second": _cut(short_place(group.place), _PLACE_LENGTH),
        "state": state_cell(group.state),
        "count": f"{group.count:,}",
        "last_day": f"{row.last_day:,}" if row.last_day else None,
        "last": time_cell(group.last_at),
        "process": group.process,
        "assignee": row.assignee,
    }


def short_kind(kind: str) -> str:
    """The exception's own name, without the module it is defined in."""
    return kind.rpartition(".")[2]


def short_place(place: str) -> str:
    """The function, and the last part of its module's name."""
    module, _, function = place.partition(":")
    return f"{function} in {module.rpartition('.')[2]}" if function else module


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def wanted_in(actor: Principal, state: ListState) -> ErrorFilter:
    chosen = state.filters.get("state", "")
    return ErrorFilter(
        state=ErrorState(chosen) if chosen and chosen != _ALL else None,
        process=state.filters.get("process") or None,
        assignee_id=actor.id if state.filters.get("who") == _MINE else None,
        search=state.search,
    )


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_errors, actor=actor, wanted=wanted_in(actor, state), part=state.part, now=utc_now())
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="last", filters={"state": ErrorState.OPEN.value})
FILE = list_file(PATH, "errors", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS, is_audited=False)


@console_page(PATH, title="Errors", permission=Permission.ERRORS_READ, icon="bug_report", group="Administration", in_navigation=True)
async def errors_page() -> None:
    with page_header("Errors", lead="What went wrong in the product itself. The same fault is one line, however often it happens."):
        pass
    table = ServerTable(
        path=PATH,
        marker="errors",
        file=FILE,
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Kind, place, words or correlation ID",
        filters=_FILTERS,
        empty=(
            "No errors",
            "Refusals and outside services that are away are no errors: they stand with their payments, and in System health.",
        ),
    )
    await table.first()
    refresh_on(TOPICS, table.refresh)
