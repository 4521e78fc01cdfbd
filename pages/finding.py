"""One finding: what each of the three sides shows, what is proposed in plain words, and who decided it."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import confirm
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel
from pages.components.presence import show_presence
from pages.components.prove import proven_staff
from pages.components.timeline import timeline
from pages.finding_forms import assign_form, reject_form
from pages.live import refresh_on
from pages.reconciliation import FINDINGS, PATH
from pages.reconciliation_story import story
from pages.reconciliation_words import FIXES, KINDS, MEANINGS, SIDES, in_order, label, money, value
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.payments.reconciliation import desk
from services.payments.reconciliation.models import FindingState, Fix, ReconciliationFinding
from services.payments.reconciliation.queries import FindingPage, deciders, finding_page


@console_page(FINDINGS + "/{finding_id:int}", title="Finding", permission=Permission.MONEY_READ)
async def finding_page_(finding_id: int, actor: Principal) -> None:
    shown = await in_transaction(finding_page, actor=actor, finding_id=finding_id)
    people = await in_transaction(deciders, actor=actor)
    if shown.row.finding.state is FindingState.OPEN:
        show_presence("finding", finding_id, actor=actor)
    body = ui.element("div").classes("stack w-full")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            page = await in_transaction(finding_page, actor=by, finding_id=finding_id)
            body.clear()
            with body:
                _draw(page, by, people)

    with body:
        _draw(shown, actor, people)
    refresh_on(("findings",), refresh)


def _draw(shown: FindingPage, actor: Principal, people: dict[int, str]) -> None:
    finding = shown.row.finding
    may_decide = actor.may(Permission.RECONCILIATION_EDIT) and finding.state is FindingState.OPEN
    with page_header(KINDS[finding.kind], back=(PATH, "Reconciliation"), state=finding.state, lead=MEANINGS[finding.kind]):
        if may_decide:
            number = finding.id or 0
            now_with = finding.assignee_id if finding.assignee_id in people else None
            assign = partial(assign_form, number, people, now_with=now_with)
            action_button("Give to", assign, icon="person_add").mark("assign-finding")
            action_button("Reject", partial(reject_form, number), icon="close", danger=True).mark("reject-finding")
    _proposal(finding, may_decide=may_decide)
    with ui.element("div").classes("side-by-side"):
        sums = {"wave": finding.wave_bututs, "ledger": finding.ledger_bututs, "porta": finding.porta_bututs}
        for name, title in SIDES:
            _side(name, title, sums[name], finding.evidence.get(name, {}))
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"), panel("What was done"):
            timeline(story(shown))
        with ui.element("div").classes("stack"):
            _facts(shown)


def _proposal(finding: ReconciliationFinding, *, may_decide: bool) -> None:
    title, text = FIXES[finding.fix]
    if finding.state is not FindingState.OPEN:
        found = words.words_of(finding.state)
        notice(found.tone, finding.outcome or finding.note or "", title=found.explanation)
        return
    with panel("Proposed"):
        ui.label(title).classes("strong")
        ui.label(text).classes("soft lead").mark("proposal")
        if finding.outcome:
            ui.label(finding.outcome).classes("text-danger small")
        if may_decide:
            with ui.element("div").classes("q-mt-md"):
                action_button(title, partial(_accept, finding), icon="check", main=True).mark("accept-finding")
        elif finding.fix is not Fix.LOOK:
            ui.label("A Billing Officer decides it.").classes("soft small")


async def _accept(finding: ReconciliationFinding) -> None:
    """Meant for the finding as it is shown: one that was decided or changed meanwhile is not acted on."""
    title, text = FIXES[finding.fix]
    with toast_on_refusal():
        if await confirm(title, text, yes=title) is None:
            return
        by = await proven_staff() if finding.fix in desk.MOVES_MONEY else await current_staff()
        if by is None:
            return
        done = await in_transaction(desk.accept, actor=by, finding_id=finding.id or 0, expected_revision=finding.revision, now=utc_now())
        ui.notify(done.outcome or "Done.", type="positive")


def _side(name: str, title: str, bututs: int | None, evidence: dict[str, Any]) -> None:
    with panel(title, aside=money(bututs) or "no sum") as side:
        side.mark(f"side-{name}")
        if not evidence:
            ui.label("Shows nothing of it.").classes("soft")
            return
        facts = Facts()
        for key, found in in_order(evidence):
            with facts.row(label(key)):
                ui.label(value(key, found)).classes("anywhere")


def _facts(shown: FindingPage) -> None:
    finding, row = shown.row.finding, shown.row
    with panel("Facts"):
        facts = Facts()
        with facts.row("State"):
            chip(finding.state)
        facts.add("Day", f"{finding.day.day} {finding.day:%b %Y}")
        facts.add_link("Payment", row.reference, f"/console/payments/{row.reference}")
        if shown.voucher is not None:
            facts.add_link("Voucher", f"No. {shown.voucher.id}", f"/console/vouchers/{shown.voucher.id}")
        facts.add_link("Seen last by", f"run No. {finding.run_id}", f"{PATH}/runs/{finding.run_id}")
        facts.add("Given to", row.assignee or "nobody")
        with facts.row("Found"):
            moment(finding.created_at)
        with facts.row("Seen last"):
            moment(finding.seen_at)
