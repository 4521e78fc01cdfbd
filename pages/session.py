"""One session: who, where, how much time and data is left, and everything else that the same purchase is doing."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.session_actions import credit_what_is_left, end_session, extend_time, free_device
from pages.sessions import PATH, data_words
from pages.shell import console_page, current_staff, silent_on_refusal
from services.access.models import EntitlementState, SessionState
from services.access.session_queries import PurchasedTime, SessionPage, SessionRow, session_page
from services.access.slots import SWAPS_A_DAY, DeviceView
from services.accounts.permissions import Permission, Principal


@console_page(f"{PATH}/{{session_id}}", title="Session", permission=Permission.SESSIONS_READ)
async def session_page_(session_id: int, actor: Principal) -> None:
    body = ui.element("div").classes("stack")

    async def load(by: Principal) -> SessionPage:
        return await in_transaction(session_page, actor=by, session_id=session_id, now=utc_now())

    def draw(shown: SessionPage, by: Principal) -> None:
        body.clear()
        with body:
            _draw(shown, by)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await load(by), by)

    draw(await load(actor), actor)
    refresh_on(("sessions", "grants"), refresh)


def _draw(shown: SessionPage, actor: Principal) -> None:
    row, time = shown.row, shown.time
    with page_header(row.masked_phone or "Session", back=(PATH, "Sessions"), state=row.state, lead=f"at {row.gateway_name}"):
        if time is not None and actor.may(Permission.SESSIONS_EXTEND):
            action_button("Give more time", partial(extend_time, time.id), icon="more_time").mark("extend")
        if time is not None and _is_creditable(time) and actor.may(Permission.VOUCHERS_ISSUE) and actor.may(Permission.SESSIONS_END):
            action_button("Credit what is left", partial(credit_what_is_left, time.id), icon="redeem").mark("credit")
        if row.state is not SessionState.ENDED and actor.may(Permission.SESSIONS_END):
            action_button("End", partial(end_session, row.id), icon="block", danger=True).mark("end")
    if time is not None and time.paused_at is not None:
        notice("wait", f"The network has been down since {words.relative(time.paused_at, utc_now())}.", title="The clock stands still")
    elif time is not None and _goes_on(row, time):
        where = "by itself, within a poll" if shown.gateway_level == 3 else "by the portal's page, without paying"
        text = f"The router ends this session in {words.time_left(row.ends_at, utc_now())}; then the device is let in again {where}."
        notice("busy", text, title="There is more time than the router knows of")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            if time is not None:
                _devices(time, shown.devices, actor)
                _sessions(row, shown.sessions)
            else:
                with panel():
                    empty_state("No purchase", "This client was let in by staff or by another system.", icon="vpn_key")
        with ui.element("div").classes("stack"):
            _facts(row, actor)
            if time is not None:
                _time(time, actor)


def _is_creditable(time: PurchasedTime) -> bool:
    return time.state in (EntitlementState.READY, EntitlementState.RUNNING) and time.seconds_left > 0 and time.bytes_left != 0


def _goes_on(row: SessionRow, time: PurchasedTime) -> bool:
    # A router counts whole minutes, so a difference of one tells nothing.
    return row.state is SessionState.ACTIVE and time.ends_at is not None and (time.ends_at - row.ends_at).total_seconds() > 120


def _facts(row: SessionRow, actor: Principal) -> None:
    with panel("Session"):
        facts = Facts()
        if row.customer_id and actor.may(Permission.CUSTOMERS_READ):
            facts.add_link("Customer", row.masked_phone, f"/console/customers/{row.customer_id}")
        else:
            facts.add("Customer", row.masked_phone or "not known")
        facts.add("Device", row.mac or (f"device {row.device_id}" if row.device_id else "not known"), mono=True)
        if actor.may(Permission.GATEWAYS_READ):
            facts.add_link("Gateway", row.gateway_name, f"/console/gateways/{row.gateway_slug}")
        else:
            facts.add("Gateway", row.gateway_name)
        if row.site_name and row.site_name != row.gateway_name:
            facts.add("Site", row.site_name)
        facts.add_time("Began", row.started_at)
        if row.ended_at is not None:
            facts.add_time("Ended", row.ended_at)
            facts.add("Why", words.end_reason(row.end_reason))
        else:
            facts.add_time("Router's end in", row.ends_at, mode="left")
        facts.add("Data", data_words(row) or "told when the session ends")
        if row.bytes_down is None and row.live_at is not None:
            facts.add_time("Counted", row.live_at)


def _time(time: PurchasedTime, actor: Principal) -> None:
    with panel("Purchased time"):
        facts = Facts()
        with facts.row("State"):
            chip(time.state)
        facts.add("Package", time.package_name)
        facts.add("Time left", f"{words.span(time.seconds_left)} of {words.span(time.seconds_total)}")
        if time.ends_at is None:
            facts.add_time("Use before", time.use_before)
        elif time.paused_at is None:
            facts.add_time("Ends", time.ends_at)
        data = "no limit" if time.quota_bytes is None else f"{words.size(time.bytes_left)} of {words.size(time.quota_bytes)}"
        facts.add("Data left", data)
        if actor.may(Permission.VOUCHERS_READ):
            facts.add_link("Voucher", f"No. {time.voucher_id}", f"/console/vouchers/{time.voucher_id}")
        facts.add("Moves left today", f"{time.swaps_left} of {SWAPS_A_DAY}")


def _devices(time: PurchasedTime, devices: tuple[DeviceView, ...], actor: Principal) -> None:
    with panel("Devices", aside=f"{len(devices)} of {time.device_limit}", flush=True), ui.element("div").classes("rows q-mt-sm"):
        if not devices:
            empty_state("No device", "The next one to enter the code or pay takes the place.", icon="devices")
        for device in devices:
            with ui.element("div").classes("item").mark("device"):
                tone_chip("Online", "good") if device.is_in else tone_chip("Away", "off")
                ui.label(device.mac or f"device {device.device_id}").classes("mono")
                with ui.element("div").classes("end soft small"):
                    moment(device.taken_at)
                if actor.may(Permission.SESSIONS_END):
                    free = partial(free_device, time.id, device.number, since=device.taken_at)
                    action_button("Take off", free, icon="link_off").mark("free")


def _sessions(row: SessionRow, sessions: tuple[SessionRow, ...]) -> None:
    with panel("All sessions of this purchase", aside=str(len(sessions)), flush=True), ui.element("div").classes("rows q-mt-sm"):
        for other in sessions:
            with ui.element("div").classes("item"):
                chip(other.state)
                if other.id == row.id:
                    ui.label(other.gateway_name).classes("strong")
                else:
                    ui.link(other.gateway_name, f"{PATH}/{other.id}")
                ui.label(words.end_reason(other.end_reason) if other.ended_at else data_words(other)).classes("soft small")
                with ui.element("div").classes("end soft small"):
                    moment(other.started_at)
