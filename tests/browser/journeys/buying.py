"""A purchase without a browser, for walks in which another part is the point."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

import httpx
import psycopg

from tests.browser.world import Joined, World, new_number, wait_for


@dataclass(frozen=True)
class Purchase:
    """Its receipt code, who bought it and with which phone."""

    reference: str
    number: str
    phone: Joined


def buys(world: World, package: str = "hour-1", *, number: str | None = None, level: int = 3) -> Purchase:
    """A phone at a hotspot chooses a package; at Wave nothing is paid yet."""
    number, phone = number or new_number(), world.join(level)
    context = re.search(r"[?&]c=([\w-]{20,})", httpx.get(phone.entry, follow_redirects=True).text)
    assert context is not None
    wish = {"package_id": package, "phone": number, "context": context[1]}
    answer = httpx.post(f"{world.url}/api/wave/checkout", json=wish, headers={"Idempotency-Key": uuid.uuid4().hex}, timeout=20)
    answer.raise_for_status()
    return Purchase(answer.json()["reference"], number, phone)


def is_in_state(world: World, purchase: Purchase, *states: str, seconds: float = 30) -> None:
    """Wait until the payment is in one of them."""
    asked = "SELECT status FROM payment WHERE reference = %s"
    wait_for(lambda: world.ask_database(asked, purchase.reference)[0][0] in states, f"a payment that is {states}", seconds=seconds)


def is_refused(world: World, purchase: Purchase) -> None:
    """Wait until our books say that Wave refused it."""
    asked = "SELECT reason FROM payment WHERE reference = %s"
    wait_for(lambda: world.ask_database(asked, purchase.reference)[0][0], "Wave's refusal", seconds=30)


def has_waited(world: World, purchase: Purchase) -> None:
    """It was paid some minutes ago, longer than a customer should wait."""
    with psycopg.connect(world.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")) as connection:
        earlier = "UPDATE payment SET created_at = created_at - interval '9 min', paid_at = paid_at - interval '9 min' WHERE reference = %s"
        connection.execute(earlier, (purchase.reference,))


def is_lost_at_wave(world: World, purchase: Purchase) -> None:
    """Our books hold it for yesterday, under a transaction that Wave's own lists do not show."""
    moved = (
        "UPDATE payment SET created_at = created_at - interval '1 day', paid_at = paid_at - interval '1 day',"
        " wave_transaction_id = 'TLOST' || reference WHERE reference = %s"
    )
    with psycopg.connect(world.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute(moved, (purchase.reference,))


def pays(world: World, package: str = "hour-1", **more: int) -> Purchase:
    """Bought, paid and online."""
    purchase = buys(world, package, **more)
    world.sandbox.pay(purchase.reference)
    is_in_state(world, purchase, "served")
    return purchase
