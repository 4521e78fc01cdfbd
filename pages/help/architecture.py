"""How the product is built: its parts drawn, what each does, and what one can rely on."""

from __future__ import annotations

from nicegui import ui

from pages.components import words
from pages.components.parts import chip, panel
from pages.help.drawing import TALL, WIDE, as_svg
from pages.help.parts import PATH, help_page
from pages.shell import console_page
from services.accounts.permissions import Permission
from services.payments.models import PaymentStatus

_PROCESSES = (
    (
        "web",
        "Serves the portal to phones, answers gateways, apps and other programs. Knows nothing of the console; any machine will do.",
    ),
    ("console", "Serves these pages. A browser stays with one of them; when that one goes, the browser goes on at another."),
    ("worker", "Does what nobody waits for: settles payments, sends messages, makes batches, sorts tickets. Any number of them, anywhere."),
    ("scheduler", "Rings when something is due. Two run; which run of a job happens is decided in PostgreSQL, so none happens twice."),
    ("PostgreSQL", "Holds everything that must not be lost. What is to be done is a state in a row, with the time of the next try."),
    (
        "Redis or Valkey",
        "Carries doorbells and news between processes, and log-ins of staff. Emptied, it costs a log-in and no more.",
    ),
)
_PROMISES = (
    "A payment ends as exactly one of three: served, given back, or open on a named desk with an age.",
    "When the answer of Wave or PortaBilling is lost, the product asks what became of it. It never does the same thing again blindly.",
    "Any process may die at any moment. What it was doing is picked up by another, and nothing is done twice.",
    "With Wave, PortaBilling, OpenWISP or the senders of messages down, people still report troubles, and who has paid goes online.",
    "What was sold stays as it was sold, whatever is changed in the price list afterwards.",
    "Every step with money stands in the ledger, every step of staff in the audit, and neither can be changed.",
)
_WAY = (
    PaymentStatus.CREATED,
    PaymentStatus.CHECKOUT_OPEN,
    PaymentStatus.PAID,
    PaymentStatus.VOUCHER_ISSUED,
    PaymentStatus.CHARGED,
    PaymentStatus.ACCESS_GRANTED,
    PaymentStatus.SERVED,
)
_BESIDE = tuple(state for state in PaymentStatus if state not in _WAY)


@console_page(f"{PATH}/architecture", title="How it is built", permission=Permission.SELF_EDIT)
async def architecture_page() -> None:
    with help_page("How it is built", lead="The parts of the product and how they work together.", here=f"{PATH}/architecture"):
        with panel("The parts"):
            ui.html(as_svg(WIDE, "wide"), sanitize=False).classes("w-full only-wide")
            ui.html(as_svg(TALL, "tall"), sanitize=False).classes("w-full only-narrow")
        with panel("What each part does"), ui.element("dl").classes("terms"):
            for name, what in _PROCESSES:
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    ui.label(what)
        with panel("From payment to online"):
            ui.label("Each state is a row's, so any process can take it up from there.").classes("soft q-mb-sm")
            _states(_WAY, ordered=True)
            ui.label("Beside the way").classes("strong q-mt-md q-mb-sm")
            _states(_BESIDE, ordered=False)
        with panel("What you can rely on"), ui.element("ul").classes("said"):
            for promise in _PROMISES:
                with ui.element("li"):
                    ui.label(promise)


def _states(states: tuple[PaymentStatus, ...], *, ordered: bool) -> None:
    with ui.element("ol" if ordered else "ul").classes("states"):
        for state in states:
            with ui.element("li"):
                chip(state)
                ui.label(words.words_of(state).explanation).classes("soft small")
