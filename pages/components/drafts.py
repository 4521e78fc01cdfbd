"""Drafts of forms: what is written is kept on the server while it is written, and is there again when the form is opened anew.

The server keeps it about a second after the last key. What was typed after that, or while the connection was lost, the browser carries
over a reload (`data-draft`, pages/static/connection.js).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import orjson
from nicegui import Client, background_tasks, ui
from nicegui.elements.mixins.value_element import ValueElement

from app.clock import utc_now
from app.db import in_transaction
from app.errors import Unauthenticated, Unavailable
from pages.components.words import relative
from pages.shell import current_staff, silent_on_refusal
from services.accounts.permissions import Principal
from services.console import drafts
from services.console.drafts import Whatever, WrittenElsewhere
from services.console.models import Draft

_AFTER_SECONDS, _AGAIN_SECONDS = 0.8, 5.0
_ATTRIBUTE = "data-draft"
Values = Mapping[str, ValueElement[Any]]


def keep_draft(place: str, fields: Values) -> KeptDraft:
    """Keep what is written into `fields`, whose values are texts, numbers and switches, and put back what was kept.

    Draws the line that says so. Call `sent` on the answer when the form was sent. No secret belongs into such a field.
    """
    draft = KeptDraft(place, fields)
    # The form stands at once; what was kept comes a moment later.
    background_tasks.create(draft.find(), name="console draft")
    return draft


# What is open on a page, for when it is left. Weak: a form that was closed is gone from it.
_open: WeakKeyDictionary[Client, WeakSet[KeptDraft]] = WeakKeyDictionary()


def _save_when_left(client: Client, draft: KeptDraft) -> None:
    if client not in _open:
        _open[client] = WeakSet()
        client.on_disconnect(_left)
    _open[client].add(draft)


async def _left(client: Client) -> None:
    for draft in list(_open.get(client, ())):
        await draft.save()


class KeptDraft:
    """One form's draft. With one field its text is kept as it is, with several their values by name."""

    def __init__(
        self, place: str, fields: Values, *, actor: Principal | None = None, found: Draft | None = None, line: ui.element | None = None
    ) -> None:
        self._place, self._fields = place, dict(fields)
        self._client = ui.context.client
        self._actor = actor
        self._version: datetime | None = found.saved_at if found else None
        # What the form would hold without a draft, which need not be kept.
        self._began = self._values()
        self._is_waiting, self._is_putting, self._is_apart, self._is_over = False, False, False, False
        self._saving = asyncio.Lock()
        self._line = line or ui.element("div").classes("draft-line").props("aria-live=polite").mark("draft-line")
        for name, field in self._fields.items():
            field.props[_ATTRIBUTE] = f"{place}:{name}"
            field.on_value_change(self._changed)
        _save_when_left(self._client, self)
        if found is not None:
            self._offer_or_put(found)

    async def find(self) -> None:
        """Look what was kept, and put it back."""
        with self._client, silent_on_refusal():
            self._actor = await current_staff()
            found = (await in_transaction(drafts.kept, actor=self._actor, places={"": self._place})).get("")
            if found is not None and not self._is_gone:
                self._version = found.saved_at
                self._offer_or_put(found)

    async def save(self) -> None:
        """Keep it now, if anything was written since it was kept."""
        async with self._saving:
            if not self._is_waiting or self._is_apart or self._is_over:
                return
            self._is_waiting, is_kept = False, False
            # Whoever writes is there: this keeps the session open.
            with silent_on_refusal(is_use=True):
                ended = await self._ask_who()
                await self._keep(seen=self._version)
                is_kept = True
                if ended is not None:
                    raise ended
            if not is_kept and not self._is_gone:
                self._say("Not kept yet; trying again.")
                self._save_in(_AGAIN_SECONDS)

    async def sent(self) -> None:
        """The form was sent: the draft is gone."""
        async with self._saving:
            self._is_over, self._is_waiting = True, False
            with silent_on_refusal():
                await in_transaction(drafts.forget, actor=self._actor or await current_staff(), place=self._place)
                self._version = None

    def go_on(self) -> None:
        """The same fields are written in again, after they were sent and emptied."""
        self._is_over, self._began = False, self._values()
        self._say("")

    @property
    def _is_gone(self) -> bool:
        return self._client.is_deleted or self._line.is_deleted

    def _values(self) -> dict[str, Any]:
        return {name: field.value for name, field in self._fields.items()}

    def _text(self) -> str:
        values = self._values()
        if values == self._began:
            return ""
        if len(values) == 1:
            return str(next(iter(values.values())) or "")
        return orjson.dumps({"began": _digest(self._began), "values": values}, default=str).decode()

    def _changed(self) -> None:
        if self._is_putting or self._is_over:
            return
        if not self._is_apart:
            self._say("")
        if not self._is_waiting:
            self._save_in(_AFTER_SECONDS)

    def _save_in(self, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            with self._client:
                await self.save()

        self._is_waiting = True
        background_tasks.create(later(), name="console draft")

    async def _ask_who(self) -> Unauthenticated | None:
        """Who writes now. Without an answer it is whoever it was: what they wrote is theirs, and kept for nobody else to read, also when
        the session store is away or their log-in has just ended, which is answered. Raises Unavailable where nobody is known.
        """
        if self._client.has_socket_connection:
            try:
                self._actor = await current_staff()
            except Unauthenticated as ended:
                return ended
            except Unavailable:
                if self._actor is None:
                    raise
        return None

    async def _keep(self, *, seen: datetime | Whatever | None) -> None:
        if self._actor is None:
            return
        text = self._text()
        try:
            self._version = await in_transaction(drafts.keep, actor=self._actor, place=self._place, text=text, now=utc_now(), seen=seen)
        except WrittenElsewhere as refusal:
            self._ask(refusal.there)
            return
        self._say("Draft kept" if self._version else "")

    def _offer_or_put(self, found: Draft) -> None:
        values, began = self._read(found.text)
        when = relative(found.saved_at, utc_now())
        if values == self._values():
            return
        if self._values() != self._began or began not in (None, _digest(self._began)):
            # Written in already, or the record itself has changed since: nothing is put over that unasked.
            self._say(f"You were writing here {when}.", ("Put it back", partial(self._put, values)), ("Throw it away", self._throw_away))
        else:
            self._put(values)
            self._say(
                f"Your draft of {when} is back." if when != "just now" else "Your draft is back.", ("Throw it away", self._throw_away)
            )

    def _read(self, text: str) -> tuple[dict[str, Any], str | None]:
        if len(self._fields) == 1:
            return {next(iter(self._fields)): text}, None
        try:
            held = orjson.loads(text)
            return {name: held["values"].get(name, value) for name, value in self._values().items()}, str(held["began"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._values(), None

    def _put(self, values: Mapping[str, Any]) -> None:
        self._is_putting = True
        try:
            for name, value in values.items():
                self._fields[name].value = value
        finally:
            self._is_putting = False
        self._say("")

    async def _throw_away(self) -> None:
        self._put(self._began)
        with silent_on_refusal():
            await in_transaction(drafts.forget, actor=await current_staff(), place=self._place)
            self._version = None

    def _ask(self, there: Draft) -> None:
        """Another tab writes here as well: neither is lost until the person chose."""
        self._is_apart = True

        def take() -> None:
            self._is_apart, self._version = False, there.saved_at
            self._put(self._read(there.text)[0])

        async def keep_this() -> None:
            self._is_apart = False
            with silent_on_refusal():
                await self._ask_who()
                await self._keep(seen=Whatever.VERSION)

        self._say("You are writing this in another tab too.", ("Take what is there", take), ("Keep this one", keep_this))

    def _say(self, text: str, *choices: tuple[str, Any]) -> None:
        if self._is_gone:
            return
        self._line.clear()
        with self._line:
            if text:
                ui.label(text).mark("draft-state")
            for name, act in choices:
                ui.button(name, on_click=act).props("flat dense no-caps color=link").mark(f"draft-{name.split()[0].lower()}")


def _digest(values: Mapping[str, Any]) -> str:
    """Tells whether a form began with the same values."""
    return sha256(orjson.dumps(values, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
