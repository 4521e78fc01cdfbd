"""Back-ups: which there are, whether each was proven by restoring it, and one more at once. The files themselves are not handed out."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.again import again_every
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import action_button, notice, page_header
from pages.components.table import ServerTable
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.operations.backup.keeping import Glance, ask_for_one, glance, list_backups
from services.operations.backup_models import Backup

PATH = "/console/backups"
_REFRESH_SECONDS = 10.0
COLUMNS = (
    Column("file", "File", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("snapshot", "State of", "time"),
    Column("said", "What was said"),
    Column("size", "Size"),
    Column("held", "Holds"),
    Column("verified", "Proven", "time"),
    Column("by", "Asked for by", phone="hide"),
    Column("release", "Release", "code", phone="hide"),
)


def row_cells(row: Backup) -> dict[str, Any]:
    return {
        "id": row.id,
        "file": row.file_name,
        "state": state_cell(row.state),
        "snapshot": time_cell(row.snapshot_at or row.started_at),
        "size": words.size(row.size_bytes) if row.size_bytes else None,
        "held": _held(row.content),
        "verified": time_cell(row.verified_at),
        "by": row.asked_by,
        "release": row.release,
        "said": _said(row),
    }


def _held(content: dict[str, Any]) -> str | None:
    if "rows" not in content:
        return None
    files = content.get("files", {}).get("files", 0)
    return f"{content['rows'].get('payment', 0):,} payments, {files:,} files"


def _said(row: Backup) -> str | None:
    if row.error:
        return row.error
    missing = row.content.get("files", {}).get("missing", 0)
    if missing:
        return f"{missing} files that rows speak of were missing."
    if row.removed_at:
        return "The file was removed: newer ones are kept."
    return f"It was put into {row.content['folder']}." if "folder" in row.content else None


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_backups, actor=actor, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="started")
FILE = list_file(PATH, "backups", columns=COLUMNS, load=load, default=_DEFAULT, is_audited=False)


@console_page(PATH, title="Back-ups", permission=Permission.BACKUPS_READ, icon="backup", group="Administration", in_navigation=True)
async def backups_page(actor: Principal) -> None:
    lead = "The database and the files beside it, sealed, and proven by restoring them elsewhere. Bring one back with inet restore."
    with page_header("Back-ups", lead=lead):
        if actor.may(Permission.BACKUPS_EDIT):
            action_button("Make one now", lambda: _make(table.refresh), icon="add", main=True).mark("make-backup")
    place = ui.element("div").classes("w-full")
    shown: list[str] = []

    async def stand() -> None:
        tone, said = standing_words(await in_transaction(glance, actor=await current_staff(), now=utc_now()))
        if [tone, said] == shown:
            return
        shown[:] = [tone, said]
        place.clear()
        with place:
            notice(tone, said).mark("backups-standing")

    with ui.element("div").classes("wraps"):
        table = ServerTable(
            path=PATH,
            marker="backups",
            file=FILE,
            columns=COLUMNS,
            load=load,
            default=_DEFAULT,
            empty=("No back-ups yet", "The first is made an hour after the installation, then one each period."),
        )
    await stand()
    await table.first()

    async def look() -> None:
        with silent_on_refusal():
            await stand()
            await table.refresh()

    again_every(_REFRESH_SECONDS, look)


def standing_words(found: Glance) -> tuple[words.Tone, str]:
    """Whether all is well, in a sentence."""
    schedule = (
        f"One is made every {found.period_hours} hours; the newest {found.keep} proven ones are kept."
        if found.period_hours
        else "None is made by itself: INET_BACKUP_HOURS is 0."
    )
    if found.is_under_way:
        return "busy", f"One is being made. {schedule}"
    if found.newest is None:
        return ("bad" if found.is_old else "wait"), f"None was proven yet. {schedule}"
    at = found.newest.snapshot_at or found.newest.started_at
    since = words.relative(at, utc_now())
    if found.is_old:
        return "bad", f"The newest proven one is of {since}: too old. See below what was said. {schedule}"
    return "good", f"The newest proven one is of {since}. {schedule}"


async def _make(refresh: Any) -> None:
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(ask_for_one, actor=await current_staff(), now=utc_now())
        ui.notify("A worker begins it. It stands below in a moment, and is proven some minutes later.", type="positive")
        await refresh()
