"""How often one customer may do what (product.md, "Rate limits"), when hundreds of them share a hotspot's one address.

So an address alone is never shut out of anything that an honest person behind it needs. What is worth guessing (voucher codes, receipt
codes) is limited by failures: of one client by a wait, of one place by a cost. While many wrong codes come from a place, whoever has no
good record there pays for each code with a proof of work (`portal/proof.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from app import origin
from app.errors import NotFound
from app.limits import Asked, Limit, allow, are_spent, count, count_once, is_spent, note, note_all, refuse_spent
from portal import proof
from portal.proof import Proof, ProofNeeded
from services.access.context import HotspotContext
from services.accounts.models import Device
from services.accounts.phones import parse_phone
from services.payments.checkout import CHECKOUTS_OF_PHONE
from services.vouchers.codes import read_code

# Requests of any kind: a hotspot's hundreds of waiting phones ask every few seconds, all from one address.
VISITS = Limit("portal-visits", "12000 per minute")
# Questions about payments that Redis could not answer.
STATUS = Limit("payment-status", "6000 per minute")
ENTRIES = Limit("hotspot-entries", "6000 per minute")
ENTRIES_OF_CLIENT = Limit("hotspot-entries-of-client", "60 per minute")
ROUTER_WORK = Limit("router-work", "600 per minute")
ROUTER_LOOKS = Limit("router-looks", "300 per minute")

CHECKOUTS_OF_CLIENT = Limit("checkouts-of-client", "20 per minute")
CHECKOUTS_OF_ADDRESS = Limit("checkouts-of-address", "1800 per minute")
REPORTS_OF_CLIENT = Limit("reports-of-client", "5 per 10 minutes")
REPORTS_OF_ADDRESS = Limit("reports-of-address", "120 per hour")
CODES_TO_PHONE = Limit("codes-to-phone", "3 per hour", is_tight=True)
CODES_FOR_ADDRESS = Limit("codes-for-address", "60 per hour", is_tight=True)

FAILURES_OF_CLIENT = Limit("wrong-codes-of-client", "10 per 10 minutes", is_tight=True)
FAILURES_OF_PLACE = Limit("wrong-codes-of-place", "30 per 10 minutes", is_tight=True)
WAITED = Limit("waited-instead", "30 per minute", is_tight=True)


@dataclass(frozen=True)
class Asker:
    """Who asks, as far as it is known: a device by its token, a client by its hotspot; the address says least."""

    context: HotspotContext | None
    device: Device | None

    @property
    def client(self) -> tuple[str, ...] | None:
        """What tells this customer from others behind the same address; None when nothing does."""
        if self.device is not None:
            return ("device", str(self.device.id))
        if self.context is not None:
            return ("hotspot", str(self.context.gateway_id), self.context.hid)
        return None

    @property
    def places(self) -> list[tuple[str, ...]]:
        address = ("address", origin.current())
        return [("gateway", str(self.context.gateway_id)), address] if self.context is not None else [address]


async def visits() -> None:
    """A dependency of every portal route. Raises TooMany."""
    await allow(VISITS, origin.current())


def checkout(asker: Asker, phone: str, idempotency_key: str | None) -> None:
    """A request that is repeated under its key opens no further purchase and costs a phone nothing. Raises BadPhone or TooMany."""
    canonical = parse_phone(phone).canonical
    for limit, who in ((CHECKOUTS_OF_PHONE, (canonical,)), (CHECKOUTS_OF_CLIENT, asker.client)):
        if who is not None:
            count_once(limit, idempotency_key, *who) if idempotency_key else count(limit, *who)
    count(CHECKOUTS_OF_ADDRESS, origin.current())


def send_code(phone: str) -> None:
    """Raises BadPhone, TooMany, or Unavailable without Redis: each text costs money and rings somebody's phone."""
    canonical = parse_phone(phone).canonical
    count(CODES_FOR_ADDRESS, origin.current())
    count(CODES_TO_PHONE, canonical)


def report(asker: Asker, key: str | None) -> None:
    """One that is repeated under its key is counted once. Raises TooMany."""
    for limit, who in ((REPORTS_OF_CLIENT, asker.client), (REPORTS_OF_ADDRESS, (origin.current(),))):
        if who is not None:
            count_once(limit, key, *who) if key else count(limit, *who)


@contextmanager
def entering(asker: Asker, code: str, paid: Proof, *, now: datetime) -> Iterator[None]:
    """`guessing` around a voucher code; a mistyped one is told first and is no guess. Raises MistypedCode and what that raises."""
    with guessing(asker, read_code(code), paid, now=now):
        yield


@contextmanager
def guessing(asker: Asker, secret: str, paid: Proof, *, now: datetime, about_phone: str = "") -> Iterator[None]:
    """Around a look-up by a code that could be guessed; a NotFound inside counts as a failure of the client and of its places.

    `about_phone` is the number that a receipt code is tried for: a place too, so that many addresses guessing for one number pay.
    Raises TooMany, ProofNeeded, or Unavailable without Redis, before anything is looked up.
    """
    places = asker.places + ([("phone", parse_phone(about_phone).canonical)] if about_phone else [])
    counted: list[Asked] = [(FAILURES_OF_PLACE, place) for place in places]
    if asker.client is not None:
        counted.insert(0, (FAILURES_OF_CLIENT, asker.client))
    spent = dict(zip(counted, are_spent(counted), strict=True))
    if asker.client is not None and spent.pop(counted[0]):
        refuse_spent(FAILURES_OF_CLIENT, *asker.client)
    # A device token is only given to who bought or entered something: its holder has a record, and the limit above for it.
    if asker.device is None and any(spent.values()):
        _demand_proof(secret, paid, places, now=now)
    try:
        yield
    except NotFound:
        note_all(counted)
        raise


def _demand_proof(secret: str, paid: Proof, places: list[tuple[str, ...]], *, now: datetime) -> None:
    found = proof.check(paid, secret, now=now)
    if found is proof.Verdict.WORKED:
        return
    # Waiting costs an attacker nothing but time, and a thousand can wait at once: so only so many of a place may.
    if found is proof.Verdict.WAITED and not is_spent(WAITED, *places[0]):
        note(WAITED, *places[0])
        return
    raise ProofNeeded(paid.token if found is proof.Verdict.EARLY else None, secret, now=now)
