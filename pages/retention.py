"""How long what is kept: each rule with its period, what it took away, and how large and how old it is; periods are changed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.columns import Column, time_cell
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, refuse_at, text_field
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import Facts, moment, notice, page_header, panel
from pages.components.prove import proven_staff
from pages.components.table import ServerTable
from pages.refund_actions import person_of
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.operations.personal_data import erasing
from services.operations.retention import periods, standing
from services.operations.retention.kept import KEPT
from services.operations.retention.rules import ELSEWHERE, RULES
from services.operations.retention.shape import Rule

PATH = "/console/retention"
CUSTOMERS = "/console/customers"
COLUMNS = (
    Column("what", "What", phone="title"),
    Column("kept", "Kept for"),
    Column("ran", "Last run", "time", phone="hide"),
    Column("last", "Took away"),
    Column("oldest", "Oldest", "time"),
    Column("size", "Table"),
    Column("open", "", "action"),
)
_ALL = ListState(per_page=50)


def days_in_words(days: int) -> str:
    if days < 60:
        return "1 day" if days == 1 else f"{days} days"
    if days % 365 == 0:
        return "1 year" if days == 365 else f"{days // 365} years"
    return f"{days:,} days"


def row_cells(number: int, row: standing.RuleStanding) -> dict[str, Any]:
    return {
        "id": number,
        "what": row.rule.what,
        "kept": days_in_words(row.days) + ("" if row.days == periods.own_days(row.rule) else " (changed)"),
        "ran": time_cell(row.last_run_at),
        "last": f"{row.last_removed:,}" if row.last_run_at else None,
        "oldest": time_cell(row.oldest_at),
        "size": words.size(row.table_bytes) if row.rule.tables else None,
        "open": "Look …" if row.rule.is_fixed else "Change …",
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(standing.standing, actor=actor)
    text = state.search.strip().lower()
    rows = tuple(
        row_cells(number, row)
        for number, row in enumerate(found.rules)
        if not text or text in f"{row.rule.what} {row.rule.name} {' '.join(row.rule.tables)}".lower()
    )
    return Listing(rows[state.part.offset : state.part.offset + state.part.limit], len(rows))


FILE = list_file(PATH, "retention", columns=COLUMNS, load=load, default=_ALL, is_audited=False)


@console_page(PATH, title="Retention", permission=Permission.HEALTH_READ, icon="auto_delete", group="Administration", in_navigation=True)
async def retention_page(actor: Principal) -> None:
    lead = "How long is kept what is not the books. Every hour a few rows at a time are taken away, so that nobody waits for it."
    with page_header("Retention", lead=lead):
        pass
    await _missing_files(actor)
    await _waiting_erasures(actor)

    async def look(number: int) -> None:
        with toast_on_refusal():
            await _open(RULES[number], table)

    with ui.element("div").classes("wraps"):
        table = ServerTable(
            path=PATH,
            marker="retention",
            columns=COLUMNS,
            load=load,
            default=_ALL,
            file=FILE,
            search="Messages, payment, health …",
            empty=("No such rule", "Search by what is kept, or by a table's name."),
            on_act=look,
        )
    # All of them at a glance, unless the address asks for fewer.
    if "rows" not in ui.context.client.request.query_params:
        table.state = replace(table.state, per_page=_ALL.per_page)
    await table.first()
    with ui.element("div").classes("columns"):
        _elsewhere()
        _kept_for_ever()


async def _missing_files(actor: Principal) -> None:
    found = await in_transaction(standing.standing, actor=actor)
    if found.missing_files:
        text = "Their names stand in the log as file.missing. Bring the files back from a back-up."
        notice("bad", text, title=f"{found.missing_files:,} rows name a file that is not there").mark("missing-files")


async def _waiting_erasures(actor: Principal) -> None:
    if not actor.may(Permission.PERSONAL_DATA_READ):
        return
    waiting = await in_transaction(erasing.waiting, actor=actor)
    if not waiting:
        return
    with panel("Customers to be erased", aside=f"{len(waiting)}") as drawn:
        drawn.mark("erasures")
        facts = Facts()
        for request in waiting:
            with facts.row(f"Asked by {person_of(request.asked_by)}"), ui.element("div").classes("line"):
                ui.link(f"Customer {request.customer_id}", f"{CUSTOMERS}/{request.customer_id}")
                moment(request.asked_at + erasing.THINK_IT_OVER)


def _elsewhere() -> None:
    with panel("Gone by itself, or by another sweep"):
        facts = Facts()
        for one in ELSEWHERE:
            facts.add(one.what, f"{one.period}; {one.how}".replace("`", ""))


def _kept_for_ever() -> None:
    """By its reason, with the tables it holds for."""
    by_reason: dict[str, list[str]] = {}
    for table, why in KEPT.items():
        by_reason.setdefault(why, []).append(table)
    with panel("Kept"), ui.element("dl").classes("q-ma-none"):
        for why, tables in by_reason.items():
            with ui.element("dt"):
                ui.label(why)
            with ui.element("dd").classes("q-ml-none q-mb-md"):
                ui.label(", ".join(tables)).classes("mono small soft anywhere")


async def _open(rule: Rule, table: ServerTable) -> None:
    by = await current_staff()
    found = next(row for row in (await in_transaction(standing.standing, actor=by)).rules if row.rule is rule)
    with dialog_card(rule.what) as dialog:
        ui.label(rule.why).classes("soft")
        facts = Facts()
        facts.add("Kept for", days_in_words(found.days))
        facts.add("Then", rule.how.value)
        facts.add("Tables", ", ".join(rule.tables), mono=True)
        facts.add_time("Oldest", found.oldest_at)
        facts.add("Took away", f"{found.last_removed:,} at the last run, {found.removed:,} in all")
        facts.add("Last run took", f"{found.last_ms:,} ms" if found.last_run_at else None)
        if found.changed_by:
            facts.add("Period set by", person_of(found.changed_by))
            facts.add_time("Set", found.changed_at)
        if rule.is_fixed or not by.may(Permission.JOBS_EDIT):
            if rule.is_fixed:
                notice("off", "This period cannot be changed here: something else promises it.").mark("fixed-period")
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat color=link")
        else:
            _change(rule, found.days, dialog, table)
    dialog.open()


def _change(rule: Rule, days: int, dialog: ui.dialog, table: ServerTable) -> None:
    hint = f"{rule.least_days} to {rule.most_days:,}; the product's own is {periods.own_days(rule):,}"
    field = text_field("Days", "days", value=str(days), props=f'maxlength=5 inputmode=numeric debounce=400 hint="{hint}"')
    fields = {"days": field}
    says = ui.label().classes("small").props("aria-live=polite").mark("retention-preview")

    async def show() -> None:
        field.props(remove="error error-message")
        with toast_on_refusal():
            try:
                wanted = _number(field.value)
            except InvalidInput:
                says.text = ""
                return
            try:
                seen = await in_transaction(periods.preview, actor=await current_staff(), name=rule.name, days=wanted, now=utc_now())
            except InvalidInput as refusal:
                says.text = ""
                refuse_at(fields, refusal)
                return
            says.text = preview_in_words(seen)

    async def act() -> None:
        wanted = _number(field.value)
        by = await proven_staff()
        if by is None:
            raise InvalidInput("You did not prove who you are, so nothing was changed.", field="days")
        await in_transaction(periods.change, actor=by, name=rule.name, days=wanted, now=utc_now())
        ui.notify("It holds from the next run on.", type="positive")
        await table.refresh()

    field.on_value_change(show)
    ui.timer(0.05, show, once=True)
    form_buttons(dialog, fields, yes="Save", act=act, marker="save-period")


def preview_in_words(seen: periods.Preview) -> str:
    """What saving it would take away at the next run."""
    if seen.rows is None:
        return "It would take too long to count what goes with it."
    if not seen.rows:
        return "Nothing goes with it now."
    many = f"More than {periods.MOST_COUNTED:,}" if seen.rows >= periods.MOST_COUNTED else f"{seen.rows:,}"
    oldest = f", the oldest of {seen.oldest_at:%d %b %Y}" if seen.oldest_at else ""
    return f"{many} {'row goes' if seen.rows == 1 else 'rows go'} with the next runs{oldest}."


def _number(text: Any) -> int:
    digits = str(text or "").strip()
    if not digits.isdigit():
        raise InvalidInput("Enter a number of days.", field="days")
    return int(digits)
