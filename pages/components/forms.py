"""Forms in dialogs: whatever is refused is said at its field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from app.errors import DomainError
from pages.components.dialogs import enable_again
from pages.components.drafts import KeptDraft
from pages.shell import toast_on_refusal

Fields = Mapping[str, Any]


def text_field(label: str, name: str, *, value: str = "", props: str = "") -> ui.input:
    field = ui.input(label, value=value).props(f"outlined hide-bottom-space {props}").classes("w-full")
    field.mark(f"field-{name}")
    return field


def secret_field(label: str, name: str, *, is_new: bool = False) -> ui.input:
    field = ui.input(label, password=True, password_toggle_button=True)
    field.props(f"outlined hide-bottom-space maxlength=128 autocomplete={'new-password' if is_new else 'current-password'}").classes(
        "w-full"
    )
    field.mark(f"field-{name}")
    return field


def code_field(label: str = "Code of your authenticator app") -> ui.input:
    return text_field(label, "code", props="autocomplete=one-time-code maxlength=20")


def refuse_at(fields: Fields, refusal: DomainError) -> bool:
    """Say it at the field it is about; whether there is one."""
    field = fields.get(refusal.field or refusal.code)
    if field is None:
        return False
    field.props(add="error")
    field.props["error-message"] = refusal.text
    field.update()
    return True


def form_buttons(
    dialog: ui.dialog,
    fields: Fields,
    *,
    yes: str,
    act: Callable[[], Awaitable[None]],
    danger: bool = False,
    marker: str = "submit",
    draft: KeptDraft | None = None,
) -> None:
    """Cancel, and the button that acts: `act` closes nothing itself, the dialog goes when it was not refused, and the draft with it."""

    async def submit() -> None:
        for field in fields.values():
            field.props(remove="error error-message")
        button.disable()
        with toast_on_refusal():
            try:
                await act()
                if draft is not None:
                    await draft.sent()
                dialog.close()
            except DomainError as refusal:
                if not refuse_at(fields, refusal):
                    raise
        enable_again(button)

    with ui.element("div").classes("buttons"):
        ui.button("Cancel", on_click=dialog.close).props("flat color=link")
        button = ui.button(yes, on_click=submit).props(f"unelevated color={'negative' if danger else 'primary'}").mark(marker)
