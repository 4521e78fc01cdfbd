"""How the search's answer is drawn: groups of options for a listbox, as one piece of HTML. Every word from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count

from app.clock import isoformat, utc_now
from pages.components import words
from pages.palette_actions import Action, Place
from services.console.finders.hits import Group, Hit, Kind, Rank

FOUND_AT = "palette-found"
_PAGES_SHOWN, _ACTIONS_SHOWN, _ACTIONS_AT_FIRST = 5, 5, 6
_DEVICE_SESSION = "session-"
# An option is numbered when it is placed.
_NUMBER = "{number}"


@dataclass(frozen=True)
class _Look:
    """A kind's title and icon, the address of one and of the list. Without `all_of` there is no list to search in."""

    title: str
    icon: str
    one: str
    all_of: str = ""


_LOOKS = {
    Kind.PEOPLE: _Look("Customers", "person", "/console/customers/", "/console/customers"),
    Kind.TICKETS: _Look("Tickets", "support_agent", "/console/tickets/", "/console/tickets"),
    Kind.PAYMENTS: _Look("Payments", "payments", "/console/payments/", "/console/payments"),
    Kind.VOUCHERS: _Look("Vouchers", "confirmation_number", "/console/vouchers/", "/console/vouchers"),
    Kind.DEVICES: _Look("Devices", "smartphone", "/console/customers/"),
    Kind.ACCESS_POINTS: _Look("Access points", "cell_tower", "/console/access-points/", "/console/access-points"),
    Kind.SITES: _Look("Sites", "place", "/console/sites/", "/console/sites"),
    Kind.GATEWAYS: _Look("Gateways", "router", "/console/gateways/", "/console/gateways"),
    Kind.INCIDENTS: _Look("Incidents", "warning_amber", "/console/incidents/", "/console/incidents"),
    Kind.STAFF: _Look("Staff", "badge", "/console/staff/", "/console/staff"),
}


@dataclass(frozen=True)
class Answer:
    """`more` is what was typed, ready for an address; empty if it must stand in none."""

    number: int
    text: str
    pages: Sequence[Place] = ()
    actions: Sequence[Place] = ()
    groups: Sequence[Group] = ()
    more: str = ""


@dataclass
class _Drawing:
    parts: list[str] = field(default_factory=list)
    options: count[int] = field(default_factory=count)
    groups: count[int] = field(default_factory=count)

    def group(self, title: str, options: Iterable[str]) -> None:
        number = next(self.groups)
        body = "".join(option.replace(_NUMBER, str(next(self.options)), 1) for option in options)
        self.parts.append(
            f'<div role="group" class="group" aria-labelledby="palette-group-{number}">'
            f'<div class="group-title" id="palette-group-{number}" role="presentation">{escape(title)}</div>{body}</div>'
        )

    def note(self, text: str, *, look: str = "") -> None:
        self.parts.append(f'<div class="palette-note {look}" role="presentation">{text}</div>')

    def whole(self, number: int, said: str) -> str:
        """`said` is read out to those who do not see the list."""
        return f'<div data-number="{number}" data-said="{escape(said)}" role="presentation">{"".join(self.parts)}</div>'


def draw_waiting() -> str:
    """Until the first answer."""
    drawing = _Drawing()
    drawing.note("Looking …", look="state")
    return drawing.whole(0, "")


def draw_empty(number: int, recent: Sequence[Hit], actions: Sequence[Action]) -> str:
    """Before anything is typed: what the person had open lately, and what is done most."""
    drawing = _Drawing()
    if recent:
        drawing.group("Recent", map(_hit, recent))
    drawing.group("Do", (_place(Place(one.title, one.icon, Rank.EXACT, one.path, one.press, one.do)) for one in _first(actions)))
    return drawing.whole(number, f"{len(recent)} recent things" if recent else "")


def draw_failed(number: int) -> str:
    drawing = _Drawing()
    drawing.note(
        '<span class="material-icons" aria-hidden="true">cloud_off</span><b>The search does not answer.</b>'
        "<span>Nothing is lost. Pages and lists work as before.</span>"
        '<button type="button" class="palette-again">Try again</button>',
        look="state",
    )
    return drawing.whole(number, "The search does not answer.")


def draw_answer(answer: Answer) -> str:
    """Groups with the best hit first; pages and actions before things that fit as well."""
    drawing = _Drawing()
    drawn: list[tuple[Rank, int, str, list[str]]] = []
    found = 0
    for at, (title, places, most) in enumerate((("Pages", answer.pages, _PAGES_SHOWN), ("Do", answer.actions, _ACTIONS_SHOWN))):
        if places:
            drawn.append((places[0].rank, at, title, [_place(place) for place in places[:most]]))
            found += min(len(places), most)
    late = [group for group in answer.groups if group.is_late]
    for at, group in enumerate(one for one in answer.groups if one.hits):
        drawn.append((group.best, 2 + at, _LOOKS[group.kind].title, [*map(_hit, group.hits), *_all(group, answer.more)]))
        found += len(group.hits)
    for _, _, title, options in sorted(drawn, key=lambda one: one[:2]):
        drawing.group(title, options)
    if not drawn and not late:
        drawing.note(
            f'<span class="material-icons" aria-hidden="true">search_off</span><b>Nothing found for “{escape(answer.text)}”.</b>'
            "<span>Try a phone number or its last four digits, a name, a receipt code, a ticket, a device or a place.</span>",
            look="state",
        )
    if late:
        titles = ", ".join(_LOOKS[group.kind].title.lower() for group in late)
        drawing.note(f"Not looked through in time: {escape(titles)}. Type more, so that less fits.", look="late")
    return drawing.whole(answer.number, f"{found} found" if found else "Nothing found")


def _first(actions: Sequence[Action]) -> list[Action]:
    ways_out = [one for one in actions if one.do == "log-out"]
    return [*[one for one in actions if one not in ways_out][:_ACTIONS_AT_FIRST], *ways_out]


def _place(place: Place) -> str:
    more = (f' data-press="{escape(place.press)}"' if place.press else "") + (f' data-do="{escape(place.do)}"' if place.do else "")
    return _option(place.icon, place.title, href=place.path, more=more)


def _hit(hit: Hit) -> str:
    look = _LOOKS[hit.kind]
    href = look.one + hit.key
    if hit.kind is Kind.DEVICES and hit.key.startswith(_DEVICE_SESSION):
        href = f"/console/sessions/{hit.key.removeprefix(_DEVICE_SESSION)}"
    return _option(look.icon, hit.title, note=hit.note, end=_end(hit), href=href)


def _all(group: Group, more: str) -> list[str]:
    look = _LOOKS[group.kind]
    if not (group.is_more and more and look.all_of) or group.best is Rank.SIMILAR:
        return []
    return [_option("arrow_forward", f"All results in {look.title}", href=f"{look.all_of}?q={more}", look="all")]


def _end(hit: Hit) -> str:
    parts = []
    if hit.amount_bututs is not None:
        parts.append(f'<span class="money">{escape(words.money(hit.amount_bututs))}</span>')
    if hit.state is not None:
        said = words.words_of(hit.state)
        parts.append(f'<span class="chip tone-{said.tone}">{escape(said.text)}</span>')
    if hit.is_late:
        parts.append('<span class="chip tone-bad">Late</span>')
    if hit.at is not None:
        at = isoformat(hit.at)
        shown = escape(words.relative(hit.at, utc_now()))
        parts.append(f'<time datetime="{at}" data-at="{at}" data-mode="relative" title="{escape(words.exact(hit.at))}">{shown}</time>')
    return "".join(parts)


def _option(icon: str, title: str, *, note: str = "", end: str = "", href: str = "", more: str = "", look: str = "") -> str:
    second = f'<span class="note">{escape(note)}</span>' if note else ""
    more = f'href="{escape(href or "#")}"{more}'
    return (
        f'<a class="hit {look}" role="option" id="palette-{_NUMBER}" tabindex="-1" aria-selected="false" {more}>'
        f'<span class="material-icons" aria-hidden="true">{escape(icon)}</span>'
        f'<span class="what"><span class="name">{escape(title)}</span>{second}</span><span class="end">{end}</span></a>'
    )
