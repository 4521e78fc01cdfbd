"""The visual language, shown: what there is to build pages from, what each is called, and when to use which."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from app.clock import utc_now
from pages.components import words
from pages.components.charts import Series, bar_chart, line_chart, spark
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.dialogs import confirm, show_secret
from pages.components.figures import Bar, Cell, bars, table
from pages.components.forms import secret_field, text_field
from pages.components.list_state import ListState
from pages.components.parts import Facts, action_button, copy_button, moment, notice, page_header, panel, tile, tone_chip
from pages.components.snippets import snippet
from pages.components.states import empty_state, loading_state
from pages.components.table import ServerTable
from pages.components.timeline import Happening, timeline
from pages.shell import console_page
from pages.style_tokens import colours, sizes, spaces
from services.accounts.permissions import Permission, Principal
from services.listing import Listing

PATH = "/console/style-guide"
_LEAD = "What pages are built from. Every page uses these, so that a colour, a chip or a button means the same everywhere."
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_SECTIONS = {
    "words": "Words",
    "states": "States",
    "times": "Money and time",
    "buttons": "Buttons",
    "figures": "Figures",
    "lists": "Lists",
    "stories": "Stories and facts",
    "forms": "Forms",
    "asking": "Asking first",
    "nothing": "Nothing, not yet, not allowed",
    "colours": "Colours, type, space",
}


@console_page(PATH, title="Style guide", permission=Permission.HEALTH_READ, icon="palette", group="Administration", in_navigation=True)
async def style_guide_page(actor: Principal) -> None:
    with page_header("Style guide", lead=_LEAD):
        pass
    with ui.element("nav").classes("line small").props('aria-label="On this page"'):
        for anchor, title in _SECTIONS.items():
            ui.link(title, f"#{anchor}")
    _words()
    _states()
    _times()
    _buttons()
    _figures()
    await _lists()
    _stories()
    _forms()
    _asking()
    _nothing()
    _section("colours", "The names are CSS variables (tokens.css), each with a light and a dark value.")
    with ui.element("div").classes("columns wide-left"):
        with panel("Colours"):
            colours()
        with ui.element("div").classes("stack"):
            with panel("Type"):
                sizes()
            with panel("Space"):
                spaces()


def _section(anchor: str, when: str) -> None:
    with ui.element("div").classes("stack tight").props(f"id={anchor}"):
        with ui.element("h2").classes("section"):
            ui.label(_SECTIONS[anchor])
        ui.label(when).classes("soft")


def _words() -> None:
    _section("words", "Titles name the thing; a lead says in one sentence what the page is for. Beside the text stands what explains it.")
    with panel("A panel", aside="what stands beside its title"), ui.element("div").classes("stack tight"):
        ui.label("Text: what there is to know.")
        ui.label("strong: the one word that is looked for.").classes("strong")
        ui.label("soft: explains, may be left out.").classes("soft")
        ui.label("small: notes, never what matters most.").classes("small")
        ui.label("faint: not there, or none.").classes("faint")
        ui.label("mono: codes, addresses, MACs.").classes("mono")
        ui.label("late: a deadline that has passed; its words say so too.").classes("late")


def _states() -> None:
    _section("states", "A chip says the state in words; its colour says what it asks of you. The sign and the words stand for the colour.")
    with panel("What a tone means"), ui.element("div").classes("stack near"):
        for tone, text in words.TONES.items():
            with ui.element("div").classes("line"):
                tone_chip(tone, tone)
                ui.label(text).classes("soft")
    with panel("Every state and its words", aside="pages/components/words.py"):
        facts = Facts()
        for kind, states in words.STATES.items():
            with facts.row(words.spoken(kind.__name__)), ui.element("div").classes("line"):
                for found in states.values():
                    tone_chip(found.text, found.tone).tooltip(found.explanation or found.text)
    with ui.element("div").classes("stack near"):
        notice("good", "Said once, about the whole page.", title="It is done")
        notice("busy", "It goes on by itself.", title="Being made")
        notice("wait", "Something else has to happen first.", title="Waits for the router")
        notice("bad", "Say what happened, what it means, and what to do.", title="A person must look")


def _times() -> None:
    now = utc_now()
    _section("times", "Times are Banjul's. Written as a distance, because that is what is asked; the exact time is under the pointer.")
    with panel("Written"):
        facts = Facts()
        facts.add("money", f"{words.money(2500)} · {words.money(125_000)} · {words.money(250)} · {words.money(-2500)}")
        facts.add_time("moment", now - 5 * _MINUTE)
        facts.add_time("moment, a day and older", now - 3 * _DAY)
        with facts.row("moment, left"):
            moment(now + 3 * _HOUR, mode="left")
        with facts.row("moment, due"), ui.element("div").classes("line"):
            moment(now + 2 * _HOUR, mode="due")
            moment(now - 2 * _HOUR, mode="due")
        facts.add("span", f"{words.span(45)} · {words.span(3900)} · {words.span(277_200)}")
        facts.add("size, rate", f"{words.size(3_400_000)} · {words.rate(4096)}")
        facts.add("nothing", None)


def _buttons() -> None:
    _section(
        "buttons",
        "One main button a page. What takes something away is red and asks first. An icon alone has a name.",
    )
    with panel("Buttons"), ui.element("div").classes("line"):
        action_button("Main", _noop, icon="check", main=True)
        action_button("Another", _noop, icon="edit")
        action_button("Takes away", _noop, icon="delete", danger=True)
        ui.button("Beside", on_click=_noop).props("flat color=link")
        ui.button(icon="more_horiz", on_click=_noop).props('flat round dense color=link aria-label="More"')
        action_button("Not now", _noop).disable()
        copy_button("INET")
        ui.html("<kbd>Ctrl K</kbd>", sanitize=False)


def _figures() -> None:
    _section("figures", "A tile leads to the rows behind its number. An alarm is for what a person must do, not for what is merely low.")
    with ui.element("div").classes("tiles"):
        tile("Taken today", words.money(341_000), "8 % more than a week ago", href="#figures")
        tile("Online now", "128", "at 14 places")
        tile("Needs attention", "3", "the oldest for 2 h", alarm=True)
    with ui.element("div").classes("side-by-side"):
        with panel("bars", aside="shares of one thing"):
            rows = (Bar("1 hour", 1.0, "D 2,750"), Bar("1 day", 0.4, "D 1,100", tone="wait"), Bar("1 week", 0.1, "D 275", tone="bad"))
            bars(rows, marker="bars")
        with panel("table", aside="few numbers to compare"):
            numbers = [[Cell("Wave"), Cell("3"), Cell("D 75")], [Cell("Our books"), Cell("2"), Cell("D 50")]]
            table("Both sides", ("Side", "Payments", "Sum"), numbers, marker="figures-table")
    days, came, went = ("Mon", "Tue", "Wed", "Thu", "Fri"), (12, 18, 9, 22, 15), (10, 11, 14, 19, None)
    both, said = (Series("Created", came), Series("Solved", went)), "76 created and 54 solved in five days"
    with ui.element("div").classes("side-by-side"):
        with panel("bar_chart", aside="how much of each"):
            bar_chart("Created and solved", days, both, said=said, rows=("Day", days), marker="guide-bars")
        with panel("line_chart", aside="how it went on"):
            line_chart("Created and solved", days, both, said=said, rows=("Day", days), marker="guide-lines")
    with panel("spark", aside="only whether it moves"):
        spark((40, 42, 39, 61, 48, 44, 45), said="Latency, at most 61 ms", note="61 ms")


async def _lists() -> None:
    _section("lists", "ServerTable, for everything that grows: paged by the server, its state in the address, cards on a phone.")

    async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
        now = utc_now()
        rows: tuple[dict[str, Any], ...] = (
            {"id": 1, "href": "#lists", "code": "PYDZJCFS", "state": chip_cell("Served", "good"), "sum": "D 10", "at": time_cell(now)},
            {"id": 2, "href": "#lists", "code": "W394R98Z", "state": chip_cell("Needs a person", "bad"), "sum": "D 250", "at": None},
        )
        return Listing(rows, len(rows), False)

    columns = (
        Column("code", "Receipt code", "link", phone="title"),
        Column("state", "State", "chip", phone="corner"),
        Column("sum", "Amount", "money"),
        Column("at", "Paid", "time"),
    )
    with panel("A list", flush=True):
        shown = ServerTable(
            path=PATH, marker="guide-list", columns=columns, load=load, default=ListState(sort="at"), in_address=False, columns_fixed=4
        )
    await shown.first()
    with panel("rows", aside="few, each with its own actions"), ui.element("div").classes("rows"):
        for name, note in (("Serekunda Market", "12 online"), ("Brikama Car Park", "3 online")):
            with ui.element("div").classes("item"):
                with ui.element("div").classes("room"):
                    ui.label(name).classes("strong")
                    ui.label(note).classes("soft small")
                with ui.element("div").classes("end line"):
                    tone_chip("Online", "good")
                    ui.button("Open", on_click=_noop).props("outline dense color=link")


def _stories() -> None:
    now = utc_now()
    _section("stories", "A timeline tells what happened, with what we asked of others drawn smaller. Facts are what is true now.")
    with ui.element("div").classes("columns wide-left"):
        with panel("timeline"):
            timeline(
                (
                    Happening(now - 9 * _MINUTE, "The customer chose a package", "busy"),
                    Happening(now - 8 * _MINUTE, "Wave: open a session", "good", aside="answered after 420 ms", is_call=True),
                    Happening(now - 7 * _MINUTE, "Paid", "good", aside="D 25"),
                    Happening(now - 2 * _MINUTE, "Put on the list for a person", "bad", more="PortaBilling refuses to issue the voucher."),
                )
            )
        with panel("Facts"):
            facts = Facts()
            facts.add("Package", "1 day")
            facts.add_link("Customer", "+220 ••• 0033", "#stories")
            facts.add("Device", "02:00:00:bb:00:50", mono=True)
            facts.add_time("Created", now - _HOUR)


def _forms() -> None:
    _section("forms", "A label says what, help says how, and what is refused is said at its field, in words that tell what to do.")
    with panel("Fields"), ui.element("div").classes("form"):
        text_field("Name, such as Serekunda Market north", "guide-name")
        text_field("With help", "guide-help", value="10", props='hint="In minutes, 5 to 60"')
        wrong = text_field("Refused", "guide-wrong", value="300")
        wrong.props(add="error")
        wrong.props["error-message"] = "At most 60 minutes. Leave it empty for the usual 10."
        secret_field("Password", "guide-secret", is_new=True)
        ui.select({"a": "One", "b": "Other"}, label="One of a few", value="a").props("outlined hide-bottom-space")
        ui.input("A day", value="2026-11-23").props("outlined type=date stack-label hide-bottom-space")
        ui.checkbox("Something that is on or off")
        ui.switch("Takes effect at once")
    with panel("snippet", aside="code to copy"):
        snippet("option gatewayname 'Serekunda Market'")


def _asking() -> None:
    _section(
        "asking", "What can be undone is done at once and offers its undoing. What cannot asks first; with money or people it asks why."
    )

    async def plain() -> None:
        await confirm("Take the package off sale?", "What was bought stays as it was sold.", yes="Take it off")

    async def with_reason() -> None:
        await confirm("Give D 25 back?", "The customer's time ends at once.", yes="Give it back", danger=True, ask_reason=True)

    def secret() -> None:
        show_secret("The new code", "It is shown this once.", "ABCD-EFGHJ-KMNPR")

    with panel("Dialogs"), ui.element("div").classes("line"):
        action_button("confirm", plain).mark("guide-confirm")
        action_button("confirm, with a reason", with_reason, danger=True).mark("guide-reason")
        action_button("show_secret", secret).mark("guide-once")
        action_button("A word in passing", lambda: ui.notify("Saved.", type="positive"))
        action_button("A refusal", lambda: ui.notify("Somebody else was quicker.", type="warning"))


def _nothing() -> None:
    _section("nothing", "An empty place says what would stand there and how it comes. Loading keeps the place it will take.")
    with ui.element("div").classes("side-by-side"):
        with panel("empty_state"):
            empty_state("No refund waits", "What is above somebody's limit waits here for a second person.", icon="task_alt")
        with panel("loading_state"):
            loading_state(4)
        with panel("broken"):
            empty_state("Something went wrong", "Reload the page; if it stays, tell the administrator the number.", icon="error_outline")


def _noop() -> None:
    """A button of the guide does nothing."""
