"""Warnings about the network in words: what each means and what to do about it. Drawn by the incidents page and the first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nicegui import ui

from pages.components import words
from pages.components.columns import Column, time_cell
from pages.components.list_state import Choice
from pages.components.parts import moment, panel, tone_chip
from pages.components.states import empty_state
from services.accounts.permissions import Permission, Principal
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, NetworkCheck
from services.network.glance import AlarmRow


@dataclass(frozen=True)
class AlarmWords:
    title: str
    advice: str


A = AlarmKind
ALARMS: dict[AlarmKind, AlarmWords] = {
    A.OPENWISP_UNREACHABLE: AlarmWords(
        "OpenWISP does not answer", "See whether its server and the way to it are up. Until it answers, outages are not noticed here."
    ),
    A.OPENWISP_REFUSED: AlarmWords(
        "OpenWISP refuses us", "Renew INET_OPENWISP_TOKEN, and give its account the right to see devices of every organisation."
    ),
    A.SUDDEN_LOSS: AlarmWords(
        "Too much vanished at once",
        "Nothing was changed here. If OpenWISP's account lost a right, give it back; if they were really removed, discover once more "
        "and accept the loss.",
    ),
    A.ACCESS_POINT_VANISHED: AlarmWords(
        "No longer in OpenWISP", "Find out who removed it there. It is kept here with its history, and taken up again when it returns."
    ),
    A.GATEWAY_SILENT: AlarmWords(
        "A gateway does not poll",
        "Check its power and its way to the internet; then that openNDS runs and its settings are the ones shown here.",
    ),
    A.TWO_POLLERS: AlarmWords(
        "Two routers under one address", "Register the second router as a gateway of its own and put its own settings into it."
    ),
    A.MONITORING_ABSENT: AlarmWords(
        "OpenWISP has no monitoring", "Install OpenWISP's monitoring module, or ask who runs it. Without it nobody knows what is down."
    ),
    A.ERRORS_MANY: AlarmWords(
        "Many errors", "Look at the page Errors, newest first. After an upgrade, think of going back to the release before."
    ),
    A.LOW_STOCK: AlarmWords(
        "Few vouchers in stock",
        "See whether PortaBilling answers: the stock is filled up again by itself as soon as it does. If it answers, "
        "look at what it says to the vouchers that wait.",
    ),
    A.JOB_MISSED: AlarmWords(
        "A job does not run", "Look at the page Jobs: whether its queue has a worker, and what else waits there. Run it now to see it end."
    ),
    A.JOB_FAILING: AlarmWords(
        "A job fails again and again", "Its failures on the page Jobs say why. What it looks after waits until it runs through."
    ),
    A.QUEUE_OLD: AlarmWords(
        "Jobs wait too long", "Start more workers of this queue, or see on the page Jobs which job takes so long that others wait."
    ),
    A.PROCESS_ABSENT: AlarmWords(
        "A process is missing", "Start it: `inet worker` or `inet scheduler`. If it ends by itself, its log says why."
    ),
    A.PART_DOWN: AlarmWords("A part does not answer", "What it means for customers, and what to do, stands on the page System health."),
    A.BACKUP_OLD: AlarmWords(
        "No good back-up for too long",
        "The page Back-ups says why the newest ones failed: most often a full disk, or another pg_dump.",
    ),
    A.DISK_LOW: AlarmWords(
        "Little room on a disk", "Make room before it is full: then PostgreSQL stops, and with it all else. Old back-ups and logs go first."
    ),
}
PATH = "/console/incidents"
KINDS = Choice("alarm", "Alarm", {kind.value: text.title for kind, text in ALARMS.items()})
COLUMNS = (
    Column("kind", "Alarm", phone="title"),
    Column("message", "What it said"),
    Column("started", "Began", "time"),
    Column("ended", "Ended", "time"),
    Column("lasted", "Lasted", phone="corner"),
)
_CHECK_NAMES = {CheckKind.DISCOVERY: "Discovery", CheckKind.HEALTH: "Health poll"}
_OUTCOMES = {
    CheckOutcome.DONE: "went well",
    CheckOutcome.NOT_CONFIGURED: "not set up",
    CheckOutcome.UNREACHABLE: "no answer",
    CheckOutcome.REFUSED: "refused",
    CheckOutcome.MALFORMED: "not understood",
    CheckOutcome.INCOMPLETE: "only half",
    CheckOutcome.SUDDEN_LOSS: "not believed",
}


def past_cells(row: AlarmRow) -> dict[str, Any]:
    alarm = row.alarm
    assert alarm.ended_at is not None
    return {
        "id": alarm.id,
        "kind": ALARMS[alarm.kind].title,
        "message": alarm.message,
        "started": time_cell(alarm.started_at),
        "ended": time_cell(alarm.ended_at),
        "lasted": words.span(int((alarm.ended_at - alarm.started_at).total_seconds())),
    }


def standing_panel(rows: tuple[AlarmRow, ...], actor: Principal, *, total: int) -> None:
    """What staff is warned of now, with what to do about it."""
    aside = f"the newest {len(rows)} of {total:,}" if total > len(rows) else ""
    with panel("Standing alarms", aside=aside, flush=True):
        if not rows:
            empty_state(
                "No alarm stands",
                "OpenWISP answers, gateways poll, nothing has vanished, vouchers are in stock.",
                icon="task_alt",
            )
        with ui.element("div").classes("rows q-mt-sm").mark("standing-alarms"):
            for row in rows:
                _standing(row, actor)


def _standing(row: AlarmRow, actor: Principal) -> None:
    text = ALARMS[row.alarm.kind]
    with ui.element("div").classes("item"):
        tone_chip(text.title, "bad")
        if (target := _target(row, actor)) is not None:
            ui.link(*target).classes("strong")
        with ui.element("div").classes("end soft small"):
            moment(row.alarm.started_at)
        ui.label(row.alarm.message).classes("full-width")
        ui.label(text.advice).classes("soft small full-width")


def _target(row: AlarmRow, actor: Principal) -> tuple[str, str] | None:
    """The name and address of what it is about, if there is a page of it that this person may open."""
    if row.gateway_slug is not None and actor.may(Permission.GATEWAYS_READ):
        return row.gateway_name or row.gateway_slug, f"/console/gateways/{row.gateway_slug}"
    if row.access_point_id is not None:
        return "Open the access point", f"/console/access-points/{row.access_point_id}"
    return None


def checks_panel(checks: dict[CheckKind, NetworkCheck]) -> None:
    """How asking OpenWISP went last, and when it last went well."""
    with panel("OpenWISP", flush=True), ui.element("div").classes("rows q-mt-sm").mark("checks"):
        for kind, name in _CHECK_NAMES.items():
            _check(name, checks.get(kind))


def _check(name: str, check: NetworkCheck | None) -> None:
    with ui.element("div").classes("item"):
        if check is None or check.outcome is None:
            tone_chip("under way" if check else "not yet", "busy" if check else "off")
        else:
            tone_chip(_OUTCOMES[check.outcome], "good" if check.outcome is CheckOutcome.DONE else "bad")
        ui.label(name).classes("strong")
        if check is None:
            return
        with ui.element("div").classes("end soft small"):
            moment(check.ended_at or check.started_at)
        if check.message:
            ui.label(check.message).classes("soft small full-width")
        if check.outcome is not None and check.outcome is not CheckOutcome.DONE and check.done_at is not None:
            with ui.element("div").classes("soft small full-width"):
                ui.label("It last went well ").classes("flow")
                moment(check.done_at)
