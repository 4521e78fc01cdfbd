"""What refunds look like: rows of the history, and those that wait for a person or were refused by Wave."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.columns import Column, state_cell, time_cell
from pages.components.parts import action_button
from pages.refund_actions import Done, ask_to_approve, ask_to_decline, ask_to_pay_out, ask_to_retry, person_of
from services.accounts.permissions import Permission, Principal
from services.payments.models import RefundKind
from services.payments.refund_queries import RefundRow

COLUMNS = (
    Column("payment", "Payment", "link", phone="title", second="Customer"),
    Column("state", "State", "chip", phone="corner"),
    Column("created", "Asked", "time", sortable=True),
    Column("amount", "Sum", "money"),
    Column("reason", "Why"),
    Column("asked", "Asked by"),
    Column("said", "Answer"),
)


def cells(row: RefundRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": _payment(row),
        "payment": row.reference,
        "second": row.masked_phone,
        "state": state_cell(row.state),
        "amount": words.money(row.amount_bututs),
        "reason": "Paid twice" if row.kind is RefundKind.SECOND_SUCCESS else row.reason,
        "asked": person_of(row.asked_by),
        "said": _answer(row),
        "created": time_cell(row.created_at),
    }


def _answer(row: RefundRow) -> str | None:
    """What the second person, Wave, or who paid it out had to say."""
    by = row.paid_out_by or row.decided_by
    said = [person_of(by)] if by else []
    return ": ".join([*said, *([row.decision_note] if row.decision_note else [])]) or None


def waiting_rows(rows: Sequence[RefundRow], total: int, actor: Principal, done: Done) -> None:
    """What a second person has to decide, oldest first, each with its age."""
    with ui.element("div").classes("rows"):
        for row in rows:
            with ui.element("div").classes("item").mark(f"waits-{row.id}"):
                _about(row, "waits {}")
                _said(f"{person_of(row.asked_by)} asked: {row.reason}")
                _decide(row, actor, done)
        _more(total - len(rows))


def failed_rows(rows: Sequence[RefundRow], total: int, actor: Principal, done: Done) -> None:
    """What Wave refused: the customer has neither money nor access."""
    with ui.element("div").classes("rows"):
        for row in rows:
            with ui.element("div").classes("item").mark(f"failed-{row.id}"):
                _about(row, "owed, asked for {} ago")
                _said(row.why_failed or "Wave refused and did not say why.")
                if actor.may(Permission.REFUNDS_APPROVE):
                    with _buttons():
                        action_button("Send again", on_the_page(partial(ask_to_retry, row, done)), icon="replay").mark(f"retry-{row.id}")
                        if row.asked_by != actor.label:
                            paid = on_the_page(partial(ask_to_pay_out, row, done))
                            action_button("Paid out another way …", paid, icon="payments").mark(f"pay-out-{row.id}")
        _more(total - len(rows))


def why_not_mine(row: RefundRow, actor: Principal) -> str | None:
    """Why this person does not decide about it; None when they may."""
    if actor.kind == "staff" and row.asked_by_id == actor.id:
        return "You asked for this one, so another person decides it."
    if not actor.may(Permission.REFUNDS_APPROVE):
        return "A Billing Officer decides it."
    return None


def _about(row: RefundRow, how: str) -> None:
    age = max(0, int((utc_now() - row.created_at).total_seconds()))
    ui.label(words.money(row.amount_bututs)).classes("strong")
    ui.link(row.reference, _payment(row)).classes("mono")
    ui.label(row.masked_phone).classes("soft small")
    ui.label(how.format(words.span(age))).classes("end soft small").props(f'title="{words.exact(row.created_at)}"')


def _said(text: str) -> None:
    ui.label(text).classes("soft small full-width anywhere")


def _decide(row: RefundRow, actor: Principal, done: Done) -> None:
    reason = why_not_mine(row, actor)
    if reason:
        ui.label(reason).classes("small full-width").mark(f"not-mine-{row.id}")
        return
    with _buttons():
        action_button("Give it back …", on_the_page(partial(ask_to_approve, row, done)), icon="check").mark(f"approve-{row.id}")
        action_button("Decline …", on_the_page(partial(ask_to_decline, row, done)), icon="close").mark(f"decline-{row.id}")


def _buttons() -> ui.element:
    return ui.element("div").classes("line full-width q-pt-xs")


def _more(number: int) -> None:
    if number > 0:
        with ui.element("div").classes("item"):
            ui.label(f"and {number:,} more, which follow when these are decided").classes("soft small")


def _payment(row: RefundRow) -> str:
    return f"/console/payments/{row.reference}"
