"""The running product and the outside world around it, as a test asks about them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import httpx
import psycopg
import redis
from rq import Queue

from app.supervisor import Stack
from tests.conftest import Sandbox

# Quick enough for a test, with the same machinery: routers ask every second, a step given up on is taken up soon.
ENVIRONMENT = {
    "INET_ENV": "demo",
    "INET_SANDBOX_POLL_INTERVAL_SECONDS": "1",
    "INET_LEASE_SECONDS": "3",
    "INET_WAVE_CREATE_GRACE_SECONDS": "2",
    "INET_HEALTH_POLL_SECONDS": "5",
}
T = TypeVar("T")
_numbers = count(1001)
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Joined:
    """A phone that joined a hotspot's Wi-Fi. `entry` is where the router sends it."""

    slug: str
    mac: str
    entry: str


@dataclass(frozen=True)
class Ledgers:
    """What the outside world holds of one payment."""

    times_paid: int
    accounts: list[dict[str, Any]]
    charges: list[dict[str, Any]]

    @property
    def paid_once_and_served_once(self) -> bool:
        return self.times_paid == len(self.charges) == 1 and [account["blocked"] for account in self.accounts] == ["Y"]


@dataclass(frozen=True)
class World:
    """The product at `url`, and the sandbox of outside services."""

    stack: Stack
    sandbox: Sandbox
    _slugs: dict[int, list[str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.stack.url

    def behave(self) -> None:
        """Nothing goes wrong outside from now on."""
        self.sandbox.http.post("/_control/faults", json={"clear": True}).raise_for_status()

    def mend(self, service: str) -> None:
        """The service is back."""
        self.sandbox.http.post("/_control/faults", json={"service": service, "clear": True}).raise_for_status()

    def routers(self, level: int) -> list[str]:
        """The slugs of the sandbox's routers of that openNDS level."""
        if not self._slugs:
            for router in self.sandbox.http.get("/_control/routers").raise_for_status().json():
                self._slugs.setdefault(router["level"], []).append(router["slug"])
        return self._slugs[level]

    def join(self, level: int = 3, *, slug: str | None = None) -> Joined:
        """A new phone joins a hotspot's Wi-Fi and is captive."""
        slug = slug or self.routers(level)[0]
        joined = self.sandbox.http.post(f"/_control/routers/{slug}/phones").raise_for_status().json()
        return Joined(slug, joined["mac"], joined["redirect_url"])

    def is_online(self, phone: Joined) -> bool:
        """Whether the router lets the phone through."""
        seen = self.sandbox.http.get(f"/_control/routers/{phone.slug}/phones/{phone.mac}").raise_for_status().json()
        return bool(seen["state"] == "online")

    def ledgers(self, reference: str) -> Ledgers:
        """What Wave and PortaBilling hold of the payment with that receipt code."""
        state = self.sandbox.state()
        account_id = f"inet-{reference.lower()}"
        return Ledgers(
            times_paid=sum(payment["client_reference"] == reference for payment in state["payments"]),
            accounts=[account for account in state["portabilling"]["accounts"] if account["id"] == account_id],
            charges=[charge for charge in state["portabilling"]["charges"] if charge["account_id"] == account_id],
        )

    def texts_to(self, number: str) -> list[str]:
        """The SMS that a phone got, newest first."""
        local = number.replace(" ", "")
        return [text["message"] for text in self.sandbox.state()["sms"] if text["to"].endswith(local)]

    def receipt_sent_to(self, number: str) -> str:
        """The receipt code in the newest SMS to that number, once it is there."""
        found = wait_for(lambda: re.search(r"\b[2-9A-Z]{8}\b", " ".join(self.texts_to(number)[:1])), "an SMS with a receipt code")
        assert found is not None
        return found[0]

    def ask_database(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """The product's own rows. Our driver, not the product's session: that one would have to be pointed elsewhere for it."""
        url = self.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            return connection.execute(query, values).fetchall()

    def has_no_stock(self) -> None:
        """From now on nothing is held ready for when PortaBilling does not answer."""
        url = self.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE package SET stock_mark = 0")
            connection.execute("UPDATE voucher SET state = 'blocked' WHERE origin = 'stock' AND payment_id IS NULL")

    def has_stock(self) -> None:
        """Of every package on sale, as it was shipped."""
        url = self.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE package SET stock_mark = 3")
        self.runs("jobs.vouchers.keep_stock")
        held = "SELECT 1 FROM voucher WHERE origin = 'stock' AND state = 'active' AND payment_id IS NULL GROUP BY package_version_id"
        on_sale = self.ask_database("SELECT count(*) FROM package WHERE is_on_sale")[0][0]
        wait_for(lambda: len(self.ask_database(held)) >= on_sale, "a stock", seconds=60)

    def runs(self, job: str) -> None:
        """Have a periodic job run now instead of at its hour; a worker of the product does it."""
        with redis.Redis.from_url(self.stack.environment["INET_REDIS_URL"]) as connection:
            Queue("default", connection=connection).enqueue(job, result_ttl=0)

    def discovers(self) -> None:
        """The access points and places that OpenWISP has are known from now on."""
        done = "SELECT 1 FROM discovery_run WHERE outcome = 'done'"
        if not self.ask_database(done):
            self.runs("jobs.network.discover")
            wait_for(lambda: self.ask_database(done), "a discovery", seconds=40)

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        """The mails that the product sent there, newest first."""
        return [mail for mail in self.sandbox.state()["mail_sent"] if address in mail["to"]]

    def writes_mail(self, **mail: Any) -> None:
        """A mail comes into the help desk's mailbox, and the product looks."""
        self.sandbox.http.post("/_control/mail/deliver", json=mail).raise_for_status()
        self.runs("jobs.intake.fetch_mail")

    def issue_vouchers(self, *wanted: str) -> dict[str, str]:
        """Codes of new vouchers by kind (`tests.browser.counter`), made at the product's own database."""
        command = [sys.executable, "-m", "tests.browser.counter", *wanted]
        done = subprocess.run(command, env=self.stack.environment, cwd=_CHECKOUT, capture_output=True, text=True, timeout=60, check=True)
        return dict(json.loads(done.stdout))


def wait_for(look: Callable[[], T], what: str, seconds: float = 20) -> T:
    """What `look` answers once it is true. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} does not come"
        time.sleep(0.1)
    return found


def new_number() -> str:
    """A phone number that nobody has used yet."""
    return f"301 {next(_numbers)}"


def wait_for_hotspots(world: World) -> None:
    """Routers polled before the demo data named them; a moment later they are known."""

    def knows(entry: str) -> bool:
        return httpx.get(entry).status_code == 200

    for level in (3, 4):
        for slug in world.routers(level):
            wait_for(partial(knows, world.join(level, slug=slug).entry), "the hotspot's page")
