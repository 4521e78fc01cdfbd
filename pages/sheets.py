"""Printing vouchers: what is asked before, and the addresses under which sheets and lists of codes are fetched.

Nothing is kept: the file is made as it is fetched, by a person who has just proved who they are, and no cache may hold it.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import Path, Response
from nicegui import ui
from starlette.responses import StreamingResponse

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import DomainError
from app.problems import HTTP_STATUS
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.parts import notice
from pages.components.prove import proven_staff
from pages.shell import console_file, current_staff, toast_on_refusal
from services.accounts.permissions import Permission
from services.vouchers.batch_queries import BatchPage
from services.vouchers.sheets import desk
from services.vouchers.sheets.layouts import Layout

BATCHES, VOUCHERS = "/console/batches", "/console/vouchers"
LAYOUTS = {
    Layout.CARDS: "Cards: A4, 24 on a page",
    Layout.LARGE: "Large cards: A4, 10 on a page",
    Layout.ROLL: "Roll: 58 mm receipt printer, one after the other",
}
# A code must not come back from a disk, a proxy or another person's browser.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


def _as_file(name: str) -> dict[str, str]:
    return _HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}


def _refused(refusal: DomainError) -> Response:
    return Response(refusal.text, status_code=HTTP_STATUS[refusal.kind], headers=_HEADERS, media_type="text/plain; charset=utf-8")


async def _pdf(printing: desk.Printing) -> Response:
    body = await anyio.to_thread.run_sync(printing.pdf)
    return Response(body, headers=_as_file(printing.file_name), media_type="application/pdf")


@console_file(BATCHES + "/{batch_id}/sheet", permission=Permission.VOUCHERS_BATCH)
async def serve_sheet(batch_id: _Id, first: int, last: int, layout: Layout = Layout.CARDS) -> Response:
    """A part of a batch as cards to cut out."""
    try:
        by = await current_staff()
        return await _pdf(
            await in_transaction(desk.open_range, actor=by, batch_id=batch_id, layout=layout, first=first, last=last, now=utc_now())
        )
    except DomainError as refusal:
        return _refused(refusal)


@console_file(VOUCHERS + "/{voucher_id}/sheet", permission=Permission.VOUCHERS_BATCH)
async def serve_one(voucher_id: _Id, layout: Layout = Layout.ROLL) -> Response:
    """One voucher once more."""
    try:
        by = await current_staff()
        return await _pdf(await in_transaction(desk.open_one, actor=by, voucher_id=voucher_id, layout=layout, now=utc_now()))
    except DomainError as refusal:
        return _refused(refusal)


@console_file(BATCHES + "/{batch_id}/codes", permission=Permission.VOUCHERS_BATCH)
async def serve_codes(batch_id: _Id, first: int, last: int) -> Response:
    """Codes as a list, for a seller who sells by telephone or from another system."""
    try:
        by = await current_staff()
        opening = partial(desk.open_list, transaction, actor=by, batch_id=batch_id, first=first, last=last, now=utc_now())
        name, lines = await anyio.to_thread.run_sync(opening)
    except DomainError as refusal:
        return _refused(refusal)
    return StreamingResponse(lines, headers=_as_file(name), media_type="text/csv; charset=utf-8")


def ask_for_sheet(shown: BatchPage) -> None:
    """Which part of the batch, and on what paper."""
    batch, parts = shown.batch, desk.parts_of(shown.batch.size)
    with dialog_card("Print vouchers") as dialog:
        text = "Each card is worth money to whoever holds it. Who prints what is kept in the audit; the file is kept nowhere."
        ui.label(text).classes("soft")
        if len(parts) > 1:
            text = f"One file holds {desk.MOST_ON_A_SHEET:,}, so these {batch.size:,} are printed in {len(parts)} parts."
            notice("busy", text)
        _warn_of_letters(shown)
        with ui.element("div").classes("form"):
            layout = ui.select(dict(LAYOUTS), label="Paper", value=Layout.CARDS).props("outlined").classes("whole").mark("layout")
            first, last = _range_fields(shown, parts)

        async def act() -> None:
            await _fetch(shown, _read(first), _read(last), most=desk.MOST_ON_A_SHEET, layout=layout.value)

        form_buttons(dialog, {"first": first, "last": last}, yes="Print", act=act, marker="print-now")
    dialog.open()


def ask_for_codes(shown: BatchPage) -> None:
    """Which part of the batch is listed."""
    batch = shown.batch
    with dialog_card("Download codes as CSV") as dialog:
        ui.label("Whoever has the file can use the vouchers. Delete it when it has done its work.").classes("soft")
        with ui.element("div").classes("form"):
            first, last = (
                text_field(label, name, value=str(value), props="inputmode=numeric maxlength=9")
                for label, name, value in (("From No.", "first", 1), ("To No.", "last", batch.size))
            )

        async def act() -> None:
            await _fetch(shown, _read(first), _read(last), most=batch.size, layout=None)

        form_buttons(dialog, {"first": first, "last": last}, yes="Download", act=act, marker="csv-now")
    dialog.open()


def print_one(voucher_id: int) -> None:
    """Print one voucher once more: on what paper, then the file."""
    with dialog_card("Print this voucher") as dialog:
        ui.label("Whoever has the paper can use the time. Give it to its owner only.").classes("soft")
        layout = ui.select(dict(LAYOUTS), label="Paper", value=Layout.ROLL).props("outlined").classes("w-full").mark("layout")

        async def act() -> None:
            if await proven_staff() is not None:
                ui.download.from_url(f"{VOUCHERS}/{voucher_id}/sheet?{urlencode({'layout': str(layout.value)})}")

        form_buttons(dialog, {}, yes="Print", act=act, marker="print-now")
    dialog.open()


def _warn_of_letters(shown: BatchPage) -> None:
    lost = desk.unprintable_of(shown.terms.name, shown.batch.seller, shown.site_name)
    if lost:
        notice("wait", f"The sheets' letters do not have {' '.join(lost[:12])}: something else will stand there, or a question mark.")


def _range_fields(shown: BatchPage, parts: list[tuple[int, int]]) -> tuple[ui.input, ui.input]:
    begin, end = parts[0]
    if len(parts) > 1:
        names = {number: f"Part {number + 1}: No. {one:,} to {two:,}" for number, (one, two) in enumerate(parts)}
        part = ui.select(names, label="Part", value=0, with_input=len(parts) > 12).props("outlined").classes("whole").mark("part")
    first, last = (
        text_field(label, name, value=str(value), props="inputmode=numeric maxlength=9")
        for label, name, value in (("From No.", "first", begin), ("To No.", "last", end))
    )
    if len(parts) > 1:

        def choose() -> None:
            if part.value is not None:
                first.value, last.value = (str(number) for number in parts[part.value])

        part.on_value_change(choose)
    return first, last


def _read(field: ui.input) -> int:
    """What is no number is told as one that is out of range."""
    text = (field.value or "").strip().replace(",", "")
    return int(text) if text.isascii() and text.isdecimal() else 0


async def _fetch(shown: BatchPage, first: int, last: int, *, most: int, layout: Layout | None) -> None:
    """Refuse what can be refused here, at its field; then have the browser fetch the file. Raises what `check_range` raises."""
    desk.check_range(first, last, size=shown.batch.size, most=most)
    if await proven_staff() is None:
        return
    query = {"first": str(first), "last": str(last)} | ({"layout": str(layout)} if layout else {})
    ui.download.from_url(f"{BATCHES}/{shown.batch.id}/{'sheet' if layout else 'codes'}?{urlencode(query)}")
    if last - first >= 100:
        with toast_on_refusal():
            ui.notify("The file is being made. It comes in a few seconds.", type="info")
