"""One router's phones, as its daemon keeps them: who is listed, who is let in, and when that ends (protocols/opennds.md §4.3-§5)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict

from app.sandbox.clock import SandboxClock
from app.sandbox.routers.authmon import Entry, quota_method
from app.sandbox.routers.crypto import hid_of, new_token, rhid_of
from app.sandbox.routers.models import PREAUTH_SECONDS, Grant, Phone, Router, phone_key
from app.sandbox.store import Store, Table


class Lans:
    """The phones and grants of all routers."""

    def __init__(self, store: Store, clock: SandboxClock) -> None:
        self._clock = clock
        self.phones = Table(store, "phone", Phone, key=lambda row: row.key, reference=lambda row: row.slug)
        self.grants = Table(store, "grant", Grant, key=lambda row: row.id, reference=lambda row: row.slug)

    def join(self, router: Router, mac: str) -> Phone:
        """A phone is on this Wi-Fi and asks for a page. A captive phone keeps its token for half an hour, then gets a new one."""
        phone = self.phones.get(phone_key(router.slug, mac))
        if phone is None:
            phone = Phone(router.slug, mac, router.client_address(self.phones.next_number()))
        stale = self._clock.now() - phone.listed_at > PREAUTH_SECONDS
        if not phone.online and (not phone.token or stale):
            self._list(phone)
        return self.phones.save(phone)

    def grant_of(self, phone: Phone) -> Grant | None:
        """The running session of a phone."""
        return self.grants.get(phone.grant_id) if phone.online else None

    def ndsctl_auth(self, router: Router, entry: Entry) -> bool:
        """`ndsctl auth`. False where the real one fails: nobody matches, or the client is already in (§4.4)."""
        phone = self._match(router, entry.who)
        if phone is None or phone.online:
            return False
        if not phone.token:
            self._list(phone)
        grant = Grant(
            id=secrets.token_hex(8),
            slug=router.slug,
            mac=phone.mac,
            hid=phone.hid,
            started_at=self._clock.now(),
            **asdict(entry.terms),
        )
        phone.grant_id = self.grants.save(grant).id
        self.phones.save(phone)
        return True

    def end(self, phone: Phone, method: str | None) -> tuple[Grant, str] | None:
        """End a phone's session and forget its token. Returns what to report, if there was a session."""
        grant, token = self.grant_of(phone), phone.token
        phone.grant_id = phone.token = phone.hid = ""
        self.phones.save(phone)
        if grant is None:
            return None
        grant.ended_at, grant.method = self._clock.now(), method
        self.grants.save(grant)
        return grant, token

    def due(self, router: Router) -> Iterator[tuple[Phone, str]]:
        """The phones whose time or data is used up, and the method to report."""
        now = self._clock.now()
        for phone in self.phones.grouped(router.slug):
            grant = self.grant_of(phone)
            if grant is None:
                continue
            spent = grant.spent_quota()
            if now >= grant.ends_at:
                yield phone, "timeout_deauth"
            elif spent:
                yield phone, quota_method(router, spent)

    def add_traffic(self, phone: Phone, *, down_bytes: int, up_bytes: int) -> None:
        """An online phone downloads and uploads."""
        grant = self.grant_of(phone)
        if grant is not None:
            grant.bytes_incoming += down_bytes
            grant.bytes_outgoing += up_bytes
            self.grants.save(grant)

    def reset(self) -> None:
        """Nobody is here, nobody ever was."""
        self.phones.clear()
        self.grants.clear()

    def _list(self, phone: Phone) -> None:
        phone.token = new_token()
        phone.hid, phone.listed_at = hid_of(phone.token), self._clock.now()

    def _match(self, router: Router, who: str) -> Phone | None:
        for phone in self.phones.grouped(router.slug):
            if phone.token and who in (rhid_of(phone.hid, router.faskey), phone.mac, phone.clientip):
                return phone
            if not phone.token and router.admits_unlisted and who in (phone.mac, phone.clientip):
                return phone
        return None
