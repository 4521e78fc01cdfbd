"""Asks a person once more who they are, where the last proof in this session is too old."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.forms import code_field, form_buttons, secret_field
from pages.shell import current_staff, own_token
from services.accounts import proofs
from services.accounts.permissions import FreshProofNeeded, Principal
from services.accounts.sessions import session_id_of


async def proven_staff() -> Principal | None:
    """Who is acting now, with a fresh proof; None when the person thought better of it. Raises Unauthenticated and what services raise."""
    by = await current_staff()
    try:
        by.require_proof(now=utc_now())
    except FreshProofNeeded:
        return await current_staff() if await _ask(by) else None
    return by


async def _ask(by: Principal) -> bool:
    means = await in_transaction(proofs.best_means, actor=by)
    # Closing the dialog, which the form does, would take back what was submitted to it.
    proven: list[bool] = []
    with dialog_card("Is it you?") as dialog:
        ui.label("For a step like this it is asked for again every ten minutes.").classes("soft")
        field = code_field("A code of your app, or a recovery code") if means == "code" else secret_field("Your password", "password")

        async def act() -> None:
            proof = {means: field.value or "-"}
            await in_transaction(proofs.prove, actor=await current_staff(), session_id=session_id_of(own_token()), now=utc_now(), **proof)
            proven.append(True)

        form_buttons(dialog, {means: field}, yes="Go on", act=act, marker="prove")
    await dialog
    return bool(proven)
