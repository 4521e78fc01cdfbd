"""One error of the product: where it was raised, how often, what the newest one was about, and what is done about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from html import escape
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.parts import Facts, action_button, copy_button, notice, page_header, panel
from pages.components.states import empty_state
from pages.components.timeline import Happening, timeline
from pages.errors import PATH, TOPICS, short_kind
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.operations import errors
from services.operations.error_models import ErrorGroup, ErrorState
from services.operations.error_queries import SHOWN_HOURS, Deed, ErrorPage, error_page, may_be_assigned, revision

_WIDTH, _HEIGHT = 960.0, 56.0
_NOBODY = 0
_DEEDS = {
    "error.resolve": "Resolved",
    "error.reopen": "Opened again",
    "error.ignore": "Ignored from now on",
    "error.assign": "Given to",
    "error.note": "Noted",
    "error.came_back": "It came back",
}
_TONES: dict[str, words.Tone] = {"error.resolve": "good", "error.came_back": "bad", "error.reopen": "bad"}


@console_page("/console/errors/{error_id}", title="Error", permission=Permission.ERRORS_READ)
async def error_page_(error_id: int, actor: Principal) -> None:
    shown = await in_transaction(error_page, actor=actor, error_id=error_id, now=utc_now())
    body = ui.element("div").classes("stack")

    def draw(page: ErrorPage, by: Principal) -> None:
        body.clear()
        with body:
            _draw(page, by)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(error_page, actor=by, error_id=error_id, now=utc_now()), by)

    draw(shown, actor)
    refresh_on(TOPICS, refresh)


def _draw(page: ErrorPage, actor: Principal) -> None:
    group = page.group
    with page_header(short_kind(group.kind), back=(PATH, "Errors"), state=group.state):
        if actor.may(Permission.ERRORS_EDIT):
            _actions(group)
    found = words.words_of(group.state)
    notice(found.tone, "", title=found.explanation)
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            with panel("How often", aside=f"the last {SHOWN_HOURS} hours"):
                _hours(page)
            _trace(group)
        with ui.element("div").classes("stack"):
            _facts(page)
            _example(group)
            _story(page)


def _actions(group: ErrorGroup) -> None:
    if group.state is not ErrorState.RESOLVED:
        action_button("Resolve", partial(_move, group, ErrorState.RESOLVED), icon="task_alt", main=True).mark("resolve")
    if group.state is not ErrorState.OPEN:
        action_button("Open again", partial(_move, group, ErrorState.OPEN), icon="undo").mark("reopen")
    else:
        action_button("Ignore", partial(_move, group, ErrorState.IGNORED), icon="notifications_off").mark("ignore")
    action_button("Assign", partial(_assign, group), icon="person_add").mark("assign")
    action_button("Note", partial(_note, group), icon="edit_note").mark("note")


async def _move(group: ErrorGroup, state: ErrorState) -> None:
    with toast_on_refusal():
        await _change(group, errors.Change(state=state))
        ui.notify(f"{words.words_of(state).text}.", type="positive")


async def _change(group: ErrorGroup, wanted: errors.Change) -> None:
    """Meant for the state that is shown: nobody else's change is overwritten unseen."""
    actor, tag = await current_staff(), revision(group)
    await in_transaction(errors.change, actor=actor, error_id=group.id or 0, wanted=wanted, expected_revision=tag, now=utc_now())


async def _assign(group: ErrorGroup) -> None:
    with toast_on_refusal():
        (await current_staff()).require(Permission.ERRORS_EDIT)
        people = await in_transaction(may_be_assigned)
        with dialog_card("Who looks into it?") as dialog:
            options = {_NOBODY: "Nobody", **dict(people)}
            value = group.assignee_id if group.assignee_id in options else _NOBODY
            field = (
                ui.select(options, value=value, label="Member of staff").props("outlined hide-bottom-space").classes("w-full").mark("who")
            )

            async def save() -> None:
                await _change(group, errors.Change(assignee_id=int(field.value)))
                ui.notify("Kept.", type="positive")

            form_buttons(dialog, {"assignee_id": field}, yes="Keep", act=save, marker="keep-assignee")
        dialog.open()


def _note(group: ErrorGroup) -> None:
    with dialog_card("What was found?") as dialog:
        field = ui.textarea("Note").props(f"outlined autogrow autofocus maxlength={errors.MAX_NOTE} counter")
        field.classes("w-full").mark("note-text")

        async def save() -> None:
            actor = await current_staff()
            await in_transaction(errors.note, actor=actor, error_id=group.id or 0, text=field.value or "", now=utc_now())
            ui.notify("Kept.", type="positive")

        draft = keep_draft(f"error:{group.id}", {"note": field})
        form_buttons(dialog, {"note": field}, yes="Keep", act=save, marker="keep-note", draft=draft)
    dialog.open()


def _hours(page: ErrorPage) -> None:
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    most = max(page.hours.values(), default=0)
    first = now - timedelta(hours=SHOWN_HOURS - 1)
    drawn = "".join(
        _bar(place, first + timedelta(hours=place), page.hours.get(first + timedelta(hours=place), 0), most) for place in range(SHOWN_HOURS)
    )
    total = sum(page.hours.values())
    shown = ui.html(drawn, tag="svg", sanitize=False).classes("strip high").mark("hours")
    told = f"{total:,} times in {SHOWN_HOURS} hours, at most {most:,} in one"
    shown.props(f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img" aria-label="{told}"')
    with ui.element("div").classes("strip-scale"):
        ui.label(f"{first.day} {first:%b %H:%M}")
        ui.label(told if total else "not once")
        ui.label("now")


def _bar(place: int, hour: datetime, number: int, most: int) -> str:
    if not number:
        return ""
    wide = _WIDTH / SHOWN_HOURS
    high = max(number / most * (_HEIGHT - 4), 3.0)
    title = escape(f"{number:,} from {words.exact(hour)}")
    return (
        f'<rect class="bad" x="{place * wide + 1:.1f}" y="{_HEIGHT - high:.1f}" width="{wide - 2:.1f}" height="{high:.1f}">'
        f"<title>{title}</title></rect>"
    )


def _trace(group: ErrorGroup) -> None:
    causes: list[dict[str, Any]] = group.example.get("trace", [])
    with panel("Where it was raised", aside="the newest example, outermost call first"):
        if not causes:
            empty_state("No example", "There was no room for one when it happened. The next one brings it.", icon="segment")
        with ui.element("div").classes("stack").mark("trace"):
            for number, cause in enumerate(causes):
                _cause(cause, is_cause=number > 0)


def _cause(cause: dict[str, Any], *, is_cause: bool) -> None:
    with ui.element("div").classes("room"):
        with ui.element("div"):
            if is_cause:
                ui.label("because of").classes("soft small")
            ui.label(cause["kind"]).classes("strong mono")
            if cause["message"]:
                ui.label(cause["message"]).classes("as-written")
        with ui.element("ol").classes("mono small trace"):
            for frame in cause["frames"]:
                with ui.element("li").classes("" if frame["ours"] else "faint"):
                    ui.label(frame["function"]).classes("strong flow" if frame["ours"] else "flow")
                    ui.label(f" {frame['module']}:{frame['line']}").classes("flow" if frame["ours"] else "flow faint")


def _facts(page: ErrorPage) -> None:
    group = page.group
    with panel("Facts"):
        facts = Facts()
        facts.add("Place", group.place, mono=True)
        facts.add("Times", f"{group.count:,}")
        facts.add("Last 24 hours", f"{page.row.last_day:,}")
        facts.add_time("Last", group.last_at)
        facts.add_time("First", group.first_at)
        facts.add("Release", _releases(group), mono=True)
        facts.add("Looked into by", page.row.assignee or "nobody yet")
        if group.resolved_at is not None:
            facts.add_time("Resolved", group.resolved_at)
            facts.add("Resolved by", group.resolved_by)
        if group.reopened:
            facts.add("Came back", "once" if group.reopened == 1 else f"{group.reopened:,} times")


def _releases(group: ErrorGroup) -> str:
    return group.last_release if group.first_release == group.last_release else f"{group.first_release} to {group.last_release}"


def _example(group: ErrorGroup) -> None:
    example = group.example
    if not example:
        return
    with panel("The newest one"):
        facts = Facts()
        facts.add({"job": "Job", "thread": "Thread"}.get(example.get("where", ""), "Address"), example.get("name"), mono=True)
        facts.add("Process", example.get("process"))
        facts.add("Log line", example.get("event"), mono=True)
        facts.add("Correlation ID", example.get("correlation_id"), mono=True)
        if correlation_id := example.get("correlation_id"):
            with ui.element("div").classes("q-mt-md"):
                copy_button(f"inet logs --correlation {correlation_id}", label="Copy the command for its story").mark("copy-story")


def _story(page: ErrorPage) -> None:
    with panel("What was done"):
        if not page.story:
            empty_state("Nothing yet", "Assigning, notes and what becomes of it are kept here.", icon="history")
            return
        timeline(map(_happening, page.story)).mark("story")


def _happening(deed: Deed) -> Happening:
    title = _DEEDS.get(deed.action, deed.action)
    if deed.action == "error.assign":
        title = f"Given to {deed.note}" if deed.note else "Given to nobody"
    by = deed.by.partition(":")[2] if deed.by.startswith("staff:") else ""
    more = deed.note if deed.action == "error.note" else ""
    if deed.action in ("error.came_back", "error.resolve") and deed.note:
        more = f"release {deed.note}"
    return Happening(deed.at, title, _TONES.get(deed.action, "off"), by, more)
