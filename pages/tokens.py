"""API tokens of outside services: made, seen in clear once, watched, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.dialogs import confirm, dialog_card, show_secret
from pages.components.forms import form_buttons, text_field
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.roles import WORDS
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.models import ApiToken
from services.accounts.permissions import API_SCOPES, Permission, Principal
from services.accounts.tokens import create_api_token, is_live, list_tokens, revoke_token
from services.listing import Listing

PATH = "/console/tokens"
_LIVES = {30: "30 days", 90: "90 days", 365: "1 year"}
COLUMNS = (
    Column("name", "Used by", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("scopes", "May"),
    Column("addresses", "From", "code"),
    Column("used", "Last used", "time"),
    Column("used_from", "Last from", "code"),
    Column("ends", "Ends", "time"),
    Column("by", "Made by"),
)


def row_cells(token: ApiToken, actor: Principal) -> dict[str, Any]:
    live = is_live(token, now=utc_now())
    state = chip_cell("Active", "good") if live else chip_cell("Revoked" if token.revoked_at else "Expired", "off")
    return {
        "id": token.id,
        "name": token.name,
        "state": state,
        "scopes": ", ".join(token.scopes),
        "addresses": ", ".join(token.allowed_addresses) or "anywhere",
        "used": time_cell(token.last_used_at),
        "used_from": token.last_used_address,
        "ends": time_cell(token.revoked_at or token.expires_at),
        "by": token.created_by,
        "revoke": "Revoke" if live and actor.may(Permission.TOKENS_EDIT) else None,
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_tokens, actor=actor)
    rows = found[state.part.offset : state.part.offset + state.part.limit]
    return Listing(tuple(row_cells(token, actor) for token in rows), len(found))


_DEFAULT = ListState(sort="id")
FILE = list_file(PATH, "tokens", columns=COLUMNS, load=load, default=_DEFAULT)


@console_page(PATH, title="API tokens", permission=Permission.TOKENS_READ, icon="key", group="Administration", in_navigation=True)
async def tokens_page(actor: Principal) -> None:
    may_edit = actor.may(Permission.TOKENS_EDIT)
    with page_header(
        "API tokens", lead="Credentials of outside services. Each is shown once, when it is made; here only a fingerprint is kept."
    ):
        if may_edit:
            action_button("Make a token", lambda: _form(actor, table), icon="add", main=True).props("data-key=n").mark("add-token")

    async def revoke(token_id: int) -> None:
        with toast_on_refusal():
            words = "The service that uses it is refused from its next request on. This cannot be taken back."
            reason = await confirm("Revoke this token?", words, yes="Revoke", danger=True, ask_reason=True)
            if reason is None:
                return
            await in_transaction(revoke_token, actor=await current_staff(), token_id=token_id, reason=reason, now=utc_now())
            ui.notify("Revoked.", type="positive")
            await table.reload()

    table = ServerTable(
        path=PATH,
        marker="tokens",
        file=FILE,
        columns=(*COLUMNS, Column("revoke", "", "action")) if may_edit else COLUMNS,
        load=load,
        default=_DEFAULT,
        empty=("No tokens", "Outside services that use the API get one each."),
        on_act=revoke,
    )
    await table.first()


def _form(actor: Principal, table: ServerTable) -> None:
    scopes = {scope.value: f"{scope.value}: {WORDS[scope]}" for scope in sorted(API_SCOPES) if actor.may(scope)}
    with dialog_card("Make an API token") as dialog:
        fields = {
            "name": text_field("Who will use it", "name", props="autofocus maxlength=120"),
            "scope": ui.select(scopes, label="What it may do", multiple=True, value=[])
            .props("outlined use-chips options-dense")
            .classes("w-full")
            .mark("field-scope"),
            "expires_at": ui.select(_LIVES, label="Good for", value=90).props("outlined").classes("w-full").mark("field-expires"),
            "allowed_addresses": text_field("Only from these addresses or networks (empty: from anywhere)", "addresses"),
        }

        async def act() -> None:
            now = utc_now()
            clear = await in_transaction(
                create_api_token,
                name=fields["name"].value or "",
                scopes=fields["scope"].value or [],
                expires_at=now + timedelta(days=int(fields["expires_at"].value)),
                allowed_addresses=str(fields["allowed_addresses"].value or "").replace(",", " ").split(),
                actor=await current_staff(),
                now=now,
            )
            show_secret("The new token", "Copy it now: it is not shown again, to anybody.", clear, marker="token")
            await table.reload()

        form_buttons(dialog, fields, yes="Make it", act=act)
    dialog.open()
