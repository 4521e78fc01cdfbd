"""Choosing a password by a link, and asking for such a link. What it says is the same whether there is such an account or not."""

from __future__ import annotations

from anyio import to_thread
from nicegui import background_tasks, ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import DomainError
from app.outbound import run_outbound
from pages import frame
from pages.components.forms import refuse_at, secret_field
from pages.components.parts import notice
from pages.shell import LOGIN_PATH, from_this_browser, public_page
from services.accounts import links, tries
from services.accounts.mailing import mail_reset_link, mailer
from services.accounts.models import Staff

# Read and wiped in the browser: what stands behind the # reaches no server, proxy or log by itself, and stays in no history.
_TAKE_LINK = "(() => { const it = location.hash.slice(1); if (it) history.replaceState(null, '', location.pathname); return it })()"
_ASK_AN_ADMIN = "Ask an administrator for a link to choose a new one; this installation sends no mail."
_ON_ITS_WAY = "If there is an account with that address, a mail with a link is on its way. The link is good for 30 minutes."


@public_page(links.PATH, title="Your password", because="who lost the password cannot log in; the sealed link is the proof")
async def reset_page() -> None:
    frame.draw_bare()
    with ui.element("div").classes("login"), ui.element("div").classes("panel"):
        ui.html('<span class="brand">INET <small>Console</small></span>', sanitize=False)
        place = ui.element("div").classes("stack").props("aria-live=polite")
        with place:
            _title("Your password")
            ui.label("One moment…").classes("soft")
        ui.link("To the log-in", LOGIN_PATH).classes("small")

    async def begin() -> None:
        try:
            token = str(await ui.run_javascript(_TAKE_LINK, timeout=10) or "")
        except TimeoutError:
            token = ""
        place.clear()
        with place:
            await _with_link(token) if token else _ask_for_link()

    ui.timer(0.05, begin, once=True)


async def _with_link(token: str) -> None:
    try:
        with from_this_browser():
            staff = await in_transaction(links.holder_of, token, now=utc_now())
    except DomainError as refusal:
        notice("bad", refusal.text, title=refusal.title).mark("link-refused")
        _ask_for_link()
        return
    _choose(token, staff)


def _choose(token: str, staff: Staff) -> None:
    place = ui.element("div").classes("stack")

    async def submit() -> None:
        wanted.props(remove="error error-message")
        button.disable()
        try:
            with from_this_browser():
                await in_transaction(links.set_password, token=token, password=wanted.value or "", now=utc_now())
            place.clear()
            with place:
                notice("good", "Log in with your new password.", title="It is set").mark("password-set")
        except DomainError as refusal:
            if not refuse_at({"password": wanted}, refusal):
                with place:
                    notice("bad", refusal.text).mark("link-refused")
            button.enable()

    with place:
        _title("Choose your password")
        ui.label(f"{staff.name} · {staff.email}").classes("soft")
        wanted = secret_field("New password", "password", is_new=True)
        ui.label("12 characters or more, of any kind; best a few words that have nothing to do with each other.").classes("soft small")
        wanted.on("keydown.enter", submit)
        button = ui.button("Set the password", on_click=submit).props("unelevated color=primary").classes("w-full").mark("set-password")


def _ask_for_link() -> None:
    _title("Forgot your password?")
    if mailer() is None:
        notice("busy", _ASK_AN_ADMIN).mark("ask-an-admin")
        return
    ui.label("Enter your e-mail address, and we mail you a link to choose a new one.").classes("soft")
    email = ui.input("E-mail").props("outlined type=email autocomplete=username autocapitalize=off maxlength=254").classes("w-full")
    email.mark("email")
    answer = ui.element("div").props("role=alert").classes("w-full")

    async def submit() -> None:
        answer.clear()
        try:
            with from_this_browser():
                await _ask(email.value or "")
            with answer:
                notice("good", _ON_ITS_WAY).mark("on-its-way")
        except DomainError as refusal:
            with answer:
                notice("bad", refusal.text)

    email.on("keydown.enter", submit)
    ui.button("Mail me a link", on_click=submit).props("unelevated color=primary").classes("w-full").mark("mail-link")


async def _ask(email: str) -> None:
    """Count the try, and do the rest behind the answer: neither its words nor its time tell who has an account."""
    await to_thread.run_sync(tries.count_reset, email.strip().lower())
    mail = mailer()
    if mail is not None:
        background_tasks.create(run_outbound(mail_reset_link, transaction, mail, email, utc_now()))


def _title(text: str) -> None:
    with ui.element("h1"):
        ui.label(text)
