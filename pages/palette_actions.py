"""What the search knows besides things: the pages that a person may open and what may be done there, found by name and by other words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pages.shell import PAGES, ConsolePage
from services.accounts.permissions import Permission, Principal
from services.console.finders.asked import slips
from services.console.finders.hits import Rank

P = Permission
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEAST_FOR_SLIPS = 4


@dataclass(frozen=True)
class Action:
    """`press` is the button on the page at `path` that begins it; without one the page itself is all. `do` is done where one stands."""

    title: str
    icon: str
    permission: Permission = P.SELF_EDIT
    path: str = ""
    press: str = ""
    do: str = ""
    other_words: str = ""


@dataclass(frozen=True)
class Place:
    """A page or an action that fits what was typed."""

    title: str
    icon: str
    rank: Rank
    path: str = ""
    press: str = ""
    do: str = ""


ACTIONS: tuple[Action, ...] = (
    Action("New ticket", "add", P.TICKETS_EDIT, "/console/tickets", "New ticket", other_words="open report complaint problem call"),
    Action("Issue a voucher", "add", P.VOUCHERS_ISSUE, "/console/vouchers", "Make a voucher", other_words="make create new give code"),
    Action(
        "Order a batch of vouchers", "add", P.VOUCHERS_BATCH, "/console/batches", "Order a batch", other_words="print cards scratch new"
    ),
    Action("Add a package", "add", P.PACKAGES_EDIT, "/console/packages", "Add a package", other_words="new offer price"),
    Action("Make a promo code", "add", P.PACKAGES_EDIT, "/console/promos", "Make a code", other_words="new discount"),
    Action("Register a router", "add", P.GATEWAYS_EDIT, "/console/register-gateway", other_words="add gateway new opennds hotspot"),
    Action(
        "Compare days with Wave", "rule", P.RECONCILIATION_EDIT, "/console/reconciliation", "Compare days", other_words="reconcile new run"
    ),
    Action("Invite somebody", "person_add", P.STAFF_EDIT, "/console/staff", "Invite somebody", other_words="add new staff user account"),
    Action("Make an API token", "add", P.TOKENS_EDIT, "/console/tokens", "Make a token", other_words="new key access"),
    Action("Make a back-up now", "backup", P.BACKUPS_EDIT, "/console/backups", "Make one now", other_words="backup save"),
    Action("New macro", "add", P.TICKETS_EDIT, "/console/macros", "New macro", other_words="add template answer"),
    Action("New team", "group_add", P.DESK_EDIT, "/console/teams", "New team", other_words="add group"),
    Action("New SLA policy", "add", P.DESK_EDIT, "/console/sla", "New policy", other_words="add deadline promise"),
    Action("Dark mode", "dark_mode", do="dark", other_words="night theme black"),
    Action("Light mode", "light_mode", do="light", other_words="day theme bright white"),
    Action("Light or dark as the device", "brightness_auto", do="device", other_words="theme automatic system"),
    Action("Show the keys", "keyboard", do="keys", other_words="keyboard shortcuts hotkeys"),
    Action("Change the password", "password", P.SELF_EDIT, "/console/account", "Change the password", other_words="own secret"),
    Action("Your account", "account_circle", P.SELF_EDIT, "/console/account", other_words="profile settings second factor sessions"),
    Action("Log out", "logout", do="log-out", other_words="sign off leave exit quit"),
)
# Words under which people look for a page that is called otherwise.
_OTHER_WORDS = {
    "/console": "dashboard home start overview",
    "/console/customers": "people clients subscribers phone",
    "/console/payments": "money wave purchases receipts",
    "/console/vouchers": "codes cards",
    "/console/batches": "print sheets cards scratch",
    "/console/packages": "offers prices plans tariffs",
    "/console/promos": "discounts coupons",
    "/console/refunds": "give back money return",
    "/console/ledger": "books accounts",
    "/console/money": "revenue sales income",
    "/console/reconciliation": "compare mismatch differences",
    "/console/sessions": "online now devices connected",
    "/console/gateways": "routers opennds hotspots",
    "/console/network": "map places",
    "/console/access-points": "aps radios wifi openwisp",
    "/console/sites": "places locations markets",
    "/console/incidents": "outages alarms down",
    "/console/uptime": "availability uptime",
    "/console/compensation": "time given back outage",
    "/console/tickets": "help desk support problems",
    "/console/tickets/board": "kanban cards columns tickets",
    "/console/messages": "sms email notifications push",
    "/console/messages/words": "templates texts notifications sms email",
    "/console/inbound": "held mail incoming",
    "/console/sla": "deadlines policies promises",
    "/console/sla/calendars": "holidays hours business",
    "/console/triage": "ai categories quality",
    "/console/routing": "rules assignment",
    "/console/reports": "statistics numbers",
    "/console/staff": "users people colleagues",
    "/console/roles": "permissions rights",
    "/console/tokens": "api keys",
    "/console/audit": "history log who did what",
    "/console/errors": "bugs faults exceptions",
    "/console/jobs": "queue schedule background tasks",
    "/console/health": "status system monitoring",
    "/console/backups": "backup restore",
    "/console/retention": "delete clean up privacy",
    "/console/help": "manual guide documentation how to",
    "/console/refunds/rules": "refund limits approval",
}


def may_do(actor: Principal) -> tuple[Action, ...]:
    return tuple(action for action in ACTIONS if actor.may(action.permission))


def pages_for(actor: Principal) -> list[ConsolePage]:
    """What stands in the navigation, and the other pages that need no thing to be about."""
    return [page for page in PAGES.values() if page.permission is not None and actor.may(page.permission) and "{" not in page.path]


def find_places(actor: Principal, text: str) -> tuple[list[Place], list[Place]]:
    """Pages and actions that this person may open and do, best first."""
    words = text.lower().split()
    known = {action.path for action in ACTIONS if not action.press}
    pages = [
        Place(page.title, page.icon or "arrow_forward", rank, path=page.path)
        for page in sorted(pages_for(actor), key=lambda page: not page.in_navigation)
        if page.path not in known and (rank := _fits(words, page.title, _OTHER_WORDS.get(page.path, ""))) is not None
    ]
    actions = [
        Place(one.title, one.icon, rank, path=one.path, press=one.press, do=one.do)
        for one in may_do(actor)
        if (rank := _fits(words, one.title, one.other_words)) is not None
    ]
    # Among equals in the navigation's order, and what does not stand there after it.
    return sorted(pages, key=lambda place: place.rank), sorted(actions, key=lambda place: place.rank)


def _fits(words: Sequence[str], title: str, other_words: str) -> Rank | None:
    """Every word begins one of the title's, or one of the others; a longer one may be mistyped."""
    if not words:
        return None
    whole, own, others = title.lower(), title.lower().split(), other_words.split()
    if " ".join(words) == whole:
        return Rank.EXACT
    if whole.startswith(" ".join(words)):
        return Rank.PREFIX
    if all(_begins(word, own) for word in words):
        return Rank.PREFIX
    if all(_begins(word, own) or _begins(word, others) for word in words):
        return Rank.PART
    if all(_begins(word, own) or _begins(word, others) or _nearly(word, (*own, *others)) for word in words):
        return Rank.SIMILAR
    return None


def _begins(word: str, known: Iterable[str]) -> bool:
    return any(one.startswith(word) for one in known)


def _nearly(word: str, known: Iterable[str]) -> bool:
    if len(word) < _LEAST_FOR_SLIPS:
        return False
    return bool(set(slips(word, _LETTERS)) & set(known))
