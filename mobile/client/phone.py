"""One phone: what its app calls when there is a network, and when there is none."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx

from mobile.client.api import Api, Clock
from mobile.client.errors import Offline, Refused
from mobile.client.photos import Photos, content_hash
from mobile.client.store import Entity, Queued, Store
from mobile.client.wire import Held, Receipt, SyncPage, Tokens

_BATCH = 50
_NOT_MODIFIED = 304
_START_OVER = frozenset({"cursor_unknown", "cursor_from_the_future"})


def _now() -> datetime:
    return datetime.now(UTC)


class Phone:
    """What a person does goes into the queue first and is sent when the network allows; `meet` sends it and takes in what is new.

    Every method that speaks to the server raises Offline when no answer came, and may be called again then.
    """

    def __init__(
        self, folder: Path, http: httpx.Client, *, kinds: Collection[str] = (), name: str = "Phone", clock: Clock = _now, page: int = 200
    ) -> None:
        self.store = Store(folder / "phone.sqlite")
        self._kinds, self._name, self._clock, self._page = tuple(kinds), name, clock, page
        self._api = Api(http, self.store, clock)
        self._photos = Photos(self._api, self.store)

    def close(self) -> None:
        """As when the app is killed: nothing is lost by it."""
        self.store.close()

    # Log-in.

    def ask_for_key(self, number: str) -> int:
        """Have an SMS with a key sent. Answers after how many seconds another one may be asked for."""
        return int(self._api.ask("auth/request-key", {"phone": number}).get("resend_after", 0))

    def log_in(self, number: str, key: str) -> Tokens:
        """With the key from the SMS."""
        return self._api.log_in("auth/verify-key", {"phone": number, "key": key, "device": self._device()})

    def enrol(self, code: str) -> Tokens:
        """With the code that the console shows as a QR."""
        return self._api.log_in("auth/enrol", {"code": code, "device": self._device()})

    def log_out(self) -> None:
        """What is known and what waits stays on the phone until another person logs in."""
        self._api.call("POST", "auth/logout")
        self.store.forget_log_in()

    def _device(self) -> dict[str, str]:
        return {"name": self._name, "platform": "reference", "app_version": "1"}

    # What is known, also with no network.

    def entities(self, kind: str) -> list[Entity]:
        return self.store.entities(kind)

    def get(self, path: str, **params: Any) -> Any:
        """What is asked for only with a network, such as a voucher's code."""
        return self._api.call("GET", path, params=params).json()

    # What is done, also with no network.

    def do(self, type: str, entity: str, payload: dict[str, Any] | None = None) -> str:
        """Queue a mutation; answers the name by which it is known from now on, here and at the server.

        What it will make can be named before it is sent: `f"ticket:@{that name}"`.
        """
        known = self.store.entity(entity)
        one = Queued(uuid.uuid4().hex, type, entity, known.version if known else None, self._clock(), payload or {})
        self.store.queue(one)
        return one.id

    def add_photo(self, path: Path, *, ticket: str, **facts: str) -> None:
        """A photo for a ticket, by the ticket's id (or `@` and the name of its making). `facts`: taken_at, latitude, longitude."""
        self.store.add_photo(path, ticket=ticket, sha256=content_hash(path), facts=facts)

    # What is done with a network.

    def meet(self) -> None:
        """Send what waits, then hear what is new."""
        self.flush()
        self.sync()

    def flush(self) -> Held | None:
        """Send the queue in its order; answers how many the server holds, None when nothing waited."""
        held = None
        while batch := self._next_batch():
            body = {"sent_at": self._clock().isoformat(), "mutations": [one.as_json() for one in batch]}
            receipt = Receipt.model_validate_json(self._api.call("POST", "mutations", json=body).content)
            self.store.answer(receipt.results)
            held = receipt.held
            if {one.id for one in batch} - {result.id for result in receipt.results}:
                raise Offline("not every mutation was answered")
        return held

    def _next_batch(self) -> list[Queued]:
        """As far as everything in it has a name: what is about a thing not made yet goes with the batch after its making."""
        return list(takewhile(lambda one: not one.is_nameless, self.store.waiting(_BATCH)))

    def held(self) -> Held:
        """What the server holds of this phone."""
        return Held.model_validate_json(self._api.call("GET", "mutations/held").content)

    def sync(self) -> int:
        """Hear what is new, page by page; answers how many changes came."""
        came = 0
        while True:
            page, etag = self._ask_for_page()
            if page is None:
                return came
            self.store.take_in(page, etag=etag)
            came += len(page.changes)
            if not page.more:
                return came

    def _ask_for_page(self) -> tuple[SyncPage | None, str | None]:
        cursor, etag = self.store.cursor()
        params: dict[str, Any] = {"limit": self._page}
        if self._kinds:
            params["kinds"] = ",".join(self._kinds)
        if cursor is not None:
            params["cursor"] = cursor
        try:
            response = self._api.call("GET", "sync", params=params, headers={"If-None-Match": etag} if etag else {})
        except Refused as refused:
            if cursor is None or refused.code not in _START_OVER:
                raise
            self.store.forget_cursor()
            return self._ask_for_page()
        if response.status_code == _NOT_MODIFIED:
            return None, etag
        return SyncPage.model_validate_json(response.content), response.headers.get("etag")

    def send_photos(self) -> int:
        """Send what the server does not hold yet; answers how many still wait. Raises Offline at the first broken link."""
        for photo in self.store.photos("waiting"):
            if not photo.ticket.startswith("@"):
                self._photos.send(photo)
        return len(self.store.photos("waiting"))
