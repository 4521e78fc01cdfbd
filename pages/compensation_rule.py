"""The rule by which outages are given back, in words with examples, its history, and the dialog that changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.parts import action_button, moment, panel
from pages.shell import current_staff
from services.access import compensation
from services.access.outage_models import CompensationRule

_EXAMPLES = (30, 45 * 60, 26 * 3600)
_MINUTE, _HOUR = 60, 3600


def rule_lines(rule: CompensationRule) -> list[str]:
    """What the rule says, one thing a line."""
    least, most = rule.minimum_seconds, rule.cap_seconds
    begins = f"An outage of at least {words.span(least)} is given back whole" if least else "Every outage is given back whole"
    what = "any" if rule.any_access_point else "all"
    return [
        f"{begins}, up to {words.span(most)}.",
        f"A gateway with several access points counts as down when {what} of them {'is' if rule.any_access_point else 'are'}.",
        "Only time that somebody had left is given, to each purchase once, however many outages overlap.",
    ]


def examples(rule: CompensationRule) -> list[str]:
    """`An outage of 45 min gives 45 min; one of 30 s gives nothing.`, for lengths around the rule's own."""
    lengths = sorted({*_EXAMPLES, rule.cap_seconds + _HOUR} if rule.cap_seconds > max(_EXAMPLES) else set(_EXAMPLES))
    return [_example(rule, length) for length in lengths]


def _example(rule: CompensationRule, length: int) -> str:
    given = int(compensation.gives(rule, timedelta(seconds=length)).total_seconds())
    return f"An outage of {words.span(length)} gives {words.span(given) if given else 'nothing'}."


def rule_panel(
    rule: CompensationRule, history: Sequence[CompensationRule], *, may_edit: bool, changed: Callable[[], Awaitable[None]]
) -> None:
    with panel("The rule"):
        with ui.element("div").classes("stack").mark("rule"):
            for line in rule_lines(rule):
                ui.label(line)
            with ui.element("div"):
                for line in examples(rule):
                    ui.label(line).classes("soft small")
        if may_edit:
            with ui.element("div").classes("q-mt-md"):
                action_button("Change the rule", partial(_edit, rule, changed), icon="tune").mark("edit-rule")
    with panel("Rules so far", flush=True), ui.element("div").classes("rows q-mt-sm").mark("rule-history"):
        for made in history:
            _past(made)
        if not history:
            with ui.element("div").classes("item"):
                ui.label("The rule has never been changed: it is the one that the product came with.").classes("soft small")


def _past(rule: CompensationRule) -> None:
    with ui.element("div").classes("item"):
        ui.label(f"{words.span(rule.minimum_seconds)} to {words.span(rule.cap_seconds)}").classes("strong")
        with ui.element("div").classes("end soft small"):
            moment(rule.valid_from)
        counts = "any access point" if rule.any_access_point else "all access points"
        ui.label(f"{counts}, by {rule.made_by.partition(':')[2] or rule.made_by}").classes("soft small full-width")


def _edit(rule: CompensationRule, changed: Callable[[], Awaitable[None]]) -> None:
    with dialog_card("Change the rule") as dialog:
        ui.label("It holds for outages that begin from now on. What began before keeps the rule that it had.").classes("soft")
        numbers = "outlined hide-bottom-space"
        least = ui.number("Shortest outage that counts, in minutes", value=rule.minimum_seconds / _MINUTE, min=0, step=0.5)
        least.props(numbers).classes("w-full").mark("field-minimum")
        most = ui.number("Most that one outage gives back, in hours", value=rule.cap_seconds / _HOUR, min=0, step=1)
        most.props(numbers).classes("w-full").mark("field-cap")
        any_one = ui.switch("One access point that is down is enough", value=rule.any_access_point).mark("field-any")
        preview = ui.element("div").mark("rule-preview")

        def wanted() -> CompensationRule:
            return CompensationRule(
                valid_from=utc_now(),
                minimum_seconds=round((least.value or 0) * _MINUTE),
                cap_seconds=round((most.value or 0) * _HOUR),
                any_access_point=bool(any_one.value),
            )

        def show() -> None:
            preview.clear()
            with preview:
                for line in (*rule_lines(wanted())[:2], *examples(wanted())):
                    ui.label(line).classes("small")

        async def save() -> None:
            new = wanted()
            await in_transaction(
                compensation.set_rule,
                actor=await current_staff(),
                minimum_seconds=new.minimum_seconds,
                cap_seconds=new.cap_seconds,
                any_access_point=new.any_access_point,
                now=new.valid_from,
            )
            ui.notify("The rule holds from now on.", type="positive")
            await changed()

        for field in (least, most, any_one):
            field.on_value_change(show)
        show()
        fields = {"minimum_seconds": least, "cap_seconds": most}
        draft = keep_draft("compensation-rule", {**fields, "any": any_one})
        form_buttons(dialog, fields, yes="Let it hold", act=save, marker="keep-rule", draft=draft)
    dialog.open()
