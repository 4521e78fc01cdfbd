"""Customer 360: one page that tells a customer's story, how things stand with them now, and lets a desk do what is needed right there."""

from __future__ import annotations

from dataclasses import replace

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.keys import Keys, keys_help
from pages.components.phones import phones_panel
from pages.components.region import Region
from pages.customer_actions import Actions
from pages.customer_head import draw_facts, draw_heading, draw_now
from pages.customer_story import PATH, StoryPanel
from pages.live import refresh_on
from pages.personal_data import personal_data_panel
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.accounts.queries import CustomerPage, customer_page
from services.apps import phones
from services.apps.phones import PhoneRow
from services.console.customer_now import Standing, standing

_KEYS: Keys = (
    ("n", "Open a ticket for them"),
    ("l", "Let the device in again"),
    ("m", "Give more time"),
    ("a", "Try again what waits to be served"),
    ("o", "Older things"),
    ("u", "Back to the list"),
)
# Whatever a story is told of. News names its row and not the customer, so the page looks whether it was about this one.
_TOPICS = ("payments", "refunds", "vouchers", "sessions", "grants", "tickets", "notifications", "incidents")


@console_page(f"{PATH}/{{customer_id}}", title="Customer", permission=Permission.CUSTOMERS_READ)
async def customer_page_(customer_id: int, actor: Principal) -> None:
    page = _Page(customer_id, await _load(actor, customer_id), actor)
    await page.first(actor)
    keys_help("This customer", _KEYS)
    refresh_on(_TOPICS, page.follow)


_Loaded = tuple[Standing, CustomerPage, tuple[PhoneRow, ...]]


async def _load(actor: Principal, customer_id: int) -> _Loaded:
    now_standing = await in_transaction(standing, actor=actor, customer_id=customer_id, now=utc_now())
    page = await in_transaction(customer_page, actor=actor, customer_id=customer_id)
    held = () if now_standing.is_gone else await in_transaction(phones.phones_of_customer, actor=actor, customer_id=customer_id)
    return now_standing, page, held


class _Page:
    """What stands on the page; news redraw only what they changed."""

    def __init__(self, customer_id: int, loaded: _Loaded, actor: Principal) -> None:
        self._id, self._is_gone = customer_id, loaded[0].is_gone
        self._head, self._now = Region("ticket-top"), Region()
        with ui.element("div").classes("columns wide-left"):
            with ui.element("div").classes("stack"):
                self._story = StoryPanel(customer_id, actor, is_gone=self._is_gone, address=f"{PATH}/{customer_id}")
            with ui.element("div").classes("stack"):
                self._facts, self._phones = Region(), Region()
                self._personal = ui.element("div")
        self._draw(loaded, actor)

    async def first(self, actor: Principal) -> None:
        await self._story.first(actor)
        with self._personal:
            await personal_data_panel(self._id, actor, is_gone=self._is_gone)

    async def refresh(self) -> None:
        """After an act of one's own."""
        by = await current_staff()
        self._draw(await _load(by, self._id), by)
        await self._story.refresh(by)

    async def follow(self) -> None:
        with silent_on_refusal():
            by = await current_staff()
            self._draw(await _load(by, self._id), by)
            await self._story.follow(by)

    def _draw(self, loaded: _Loaded, by: Principal) -> None:
        shown, page, held = loaded
        actions = Actions(shown, self.refresh)
        stands = (by.permissions, _key(shown))
        self._head.draw(stands, lambda: draw_heading(shown, actions, by))
        self._now.draw(stands, lambda: draw_now(shown, actions, by))
        self._facts.draw(repr(page), lambda: draw_facts(page, is_gone=self._is_gone))
        if not self._is_gone:
            self._phones.draw((by.permissions, held), lambda: self._draw_phones(held, actions, by))

    def _draw_phones(self, held: tuple[PhoneRow, ...], actions: Actions, by: Principal) -> None:
        may = actions.log_out_phone if phones.may_log_out_customers(by) else None
        none = "This customer is not logged in with the app."
        phones_panel("Phones with INET-Go", held, none=none, log_out=may, refresh=self.refresh)


def _key(shown: Standing) -> str:
    """What the head shows of it: time that runs is told in minutes, and is no news by the second."""
    times = tuple(replace(time, seconds_left=time.seconds_left // 60) for time in shown.times or ())
    return repr(replace(shown, times=times))
