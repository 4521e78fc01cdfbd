"""The log-in page. The form travels through NiceGUI's socket, so no address takes a password and the cookie alone authorises nothing."""

from __future__ import annotations

from nicegui import app, ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from app.settings import DEMO_PASSWORD, get_settings
from pages import browser_store, frame
from pages.components.parts import notice
from pages.shell import HOME_PATH, LOGIN_PATH, TOKEN, agent_here, from_this_browser, note_refusal, public_page
from services.accounts import staff
from services.accounts.links import PATH as RESET_PATH
from services.accounts.models import Role
from services.accounts.second_factor import SecondFactorNeeded, WrongSecondFactor

_DEMO_PEOPLE = (
    ("root@inet.demo", Role.ROOT),
    ("admin@inet.demo", Role.SYSTEM_ADMIN),
    ("care@inet.demo", Role.CUSTOMER_CARE),
    ("tech@inet.demo", Role.FIELD_TECHNICIAN),
    ("billing@inet.demo", Role.BILLING_OFFICER),
)
_KEPT = ("dark",)
# Anybody can write the address: it shows no more than a number that could be meant.
_LONGEST_IDLE_MINUTES = 12 * 60


@public_page(LOGIN_PATH, title="Log in", because="nobody is logged in before the log-in")
async def login_page(next: str = HOME_PATH, idle: str = "") -> None:
    frame.draw_bare()
    target = _own_address(next)
    with ui.element("div").classes("login"), ui.element("div").classes("panel"):
        ui.html('<span class="brand">INET <small>Console</small></span>', sanitize=False)
        ui.html("<h1>Log in</h1>", sanitize=False)
        email = ui.input("E-mail").props("outlined type=email autocomplete=username autofocus inputmode=email autocapitalize=off")
        email.classes("w-full").mark("email")
        password = ui.input("Password", password=True, password_toggle_button=True).props("outlined autocomplete=current-password")
        password.classes("w-full").mark("password")
        code = ui.input("Code or recovery code").props("outlined autocomplete=one-time-code maxlength=20")
        code.classes("w-full").mark("code").set_visibility(False)
        trouble = ui.element("div").props("role=alert").classes("w-full")
        if idle.isdecimal() and 0 < int(idle[:6]) <= _LONGEST_IDLE_MINUTES:
            with trouble:
                words = f"You were logged out after {idle} minutes without activity."
                notice("wait", "Log in, and you are back where you were.", title=words).mark("was-idle")

        async def submit() -> None:
            trouble.clear()
            button.props(add="loading")
            try:
                with from_this_browser():
                    token = await in_transaction(
                        staff.log_in,
                        email=email.value or "",
                        password=password.value or "",
                        code=code.value or None,
                        now=utc_now(),
                        agent=agent_here(),
                    )
                await _begin(token)
                ui.navigate.to(target)
            except DomainError as refusal:
                note_refusal(refusal)
                # The code is asked only of who has the password: before that nothing tells that there is one.
                code.set_visibility(isinstance(refusal, SecondFactorNeeded | WrongSecondFactor))
                code.value = ""
                if code.visible:
                    code.run_method("focus")
                with trouble:
                    notice("busy" if isinstance(refusal, SecondFactorNeeded) else "bad", refusal.text).mark("login-refused")
            finally:
                button.props(remove="loading")

        email.on("keydown.enter", lambda: password.run_method("focus") if not password.value else submit())
        password.on("keydown.enter", submit)
        code.on("keydown.enter", submit)
        button = ui.button("Log in", on_click=submit).props("unelevated color=primary size=md").classes("w-full").mark("log-in")
        ui.link("Forgot your password?", RESET_PATH).classes("small").mark("forgot")
        if get_settings().env == "demo":
            _demo_hint(email, password)


async def _begin(token: str) -> None:
    """Start with an empty storage, so that nothing planted or left in this browser before counts for the new person."""
    kept = {name: app.storage.user[name] for name in _KEPT if name in app.storage.user}
    old = app.storage.user.get(TOKEN)
    app.storage.user.clear()
    app.storage.user.update({**kept, TOKEN: token})
    # The next page may be another process's.
    await browser_store.own().save()
    if old:
        await in_transaction(lambda _: staff.log_out(old))


def _own_address(target: str) -> str:
    """Only pages of this console: an address sent along must not lead a person elsewhere after the log-in."""
    is_own = target == HOME_PATH or (target.startswith((f"{HOME_PATH}/", f"{HOME_PATH}?")) and not target.startswith(LOGIN_PATH))
    return target if is_own and "\\" not in target and "//" not in target.split("?")[0] else HOME_PATH


def _demo_hint(email: ui.input, password: ui.input) -> None:
    def fill(address: str) -> None:
        email.value, password.value = address, DEMO_PASSWORD

    with ui.element("div").classes("notice tone-off"):
        ui.icon("science")
        with ui.element("div").classes("words"):
            ui.html(f"<b>Demo log-ins</b> Password: <code class='mono'>{DEMO_PASSWORD}</code>", sanitize=False).classes("small")
            with ui.element("div").classes("demo-people q-mt-sm"):
                for address, role in _DEMO_PEOPLE:
                    ui.button(f"{address} · {role.label}", on_click=lambda chosen=address: fill(chosen)).props(
                        "flat dense size=12px align=left color=link"
                    )
