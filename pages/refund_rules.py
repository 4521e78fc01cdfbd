"""How much each role may give back, and the dialog in which that is changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.list_state import read_dalasi
from pages.components.parts import Facts, action_button, page_header, panel
from pages.components.prove import proven_staff
from pages.components.states import empty_state
from pages.refund_actions import Done, person_of
from pages.refunds import PATH, RULES
from pages.shell import console_page, current_staff
from services.accounts.permissions import Permission, Principal
from services.payments.models import RefundRule
from services.payments.refund_rules import change_rule, rules

_LABELS = {
    "most_bututs": "At most at once",
    "alone_bututs": "Of that without a second person, up to",
    "day_bututs": "At most in a day, by each person",
}


@console_page(RULES, title="Limits of refunds", permission=Permission.PAYMENTS_REFUND)
async def refund_rules_page(actor: Principal) -> None:
    lead = "What a person of each role may give back. Above the sum for one, another person has to agree; an outside service always waits."
    with page_header("Limits of refunds", back=(PATH, "Refunds"), lead=lead):
        pass
    body = ui.element("div").classes("side-by-side").mark("refund-rules")

    def draw(found: Sequence[RefundRule], by: Principal) -> None:
        body.clear()
        with body:
            for rule in found:
                _rule(rule, by, again)
            if not found:
                empty_state("No role may give anything back", "The product's own limits are missing from its database.")

    async def again() -> None:
        by = await current_staff()
        draw(await in_transaction(rules, actor=by), by)

    draw(await in_transaction(rules, actor=actor), actor)


def _rule(rule: RefundRule, actor: Principal, again: Done) -> None:
    with panel(rule.role.label) as drawn:
        drawn.mark(f"rule-{rule.role.value}")
        facts = Facts()
        facts.add("At most at once", words.money(rule.most_bututs))
        facts.add("Without a second person", f"up to {words.money(rule.alone_bututs)}" if rule.alone_bututs else "nothing")
        facts.add("At most in a day", f"{words.money(rule.day_bututs)} by each person")
        facts.add("Set by", person_of(rule.changed_by))
        facts.add_time("Since", rule.changed_at)
        if actor.may(Permission.REFUND_RULES_EDIT):
            with ui.element("div").classes("q-mt-md"):
                action_button("Change …", partial(_change, rule, again), icon="edit").mark(f"change-{rule.role.value}")


def _change(rule: RefundRule, again: Done) -> None:
    with dialog_card(f"{rule.role.label}: what they may give back") as dialog:
        ui.label("Sums in dalasi. It holds from now on; what waits already stays as it was asked for.").classes("soft")
        fields = {
            name: text_field(label, name, value=_dalasi(getattr(rule, name)), props='maxlength=10 inputmode=decimal prefix="D"')
            for name, label in _LABELS.items()
        }

        async def act() -> None:
            sums = {name: _sum(name, field.value or "") for name, field in fields.items()}
            by = await proven_staff()
            if by is None:
                raise InvalidInput("You did not prove who you are, so nothing was changed.", field="most_bututs")
            await in_transaction(change_rule, actor=by, role=rule.role, **sums, now=utc_now())
            ui.notify("The limits hold from now on.", type="positive")
            await again()

        form_buttons(dialog, fields, yes="Save", act=act, marker="save-rule")
    dialog.open()


def _sum(name: str, text: str) -> int:
    bututs = read_dalasi(text)
    if bututs is None:
        raise InvalidInput("Enter a sum in dalasi, such as 25 or 12.50.", field=name)
    return bututs


def _dalasi(bututs: int) -> str:
    whole, rest = divmod(bututs, 100)
    return f"{whole}.{rest:02d}" if rest else str(whole)
