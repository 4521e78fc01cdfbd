"""How long the console's main pages take to open, among 1,000,000 customers and payments and 100,000 open tickets (issue 9, "Done when").

Run in a process of its own on a database of its own, as tests/bench/lists.py: `python -m tests.bench.pages` with the product's environment
prints the numbers as JSON; a number behind it is how many customers and payments there are, with a tenth as many open tickets. A console
process of its own serves the pages, and a headless Chromium opens one after another, as somebody does who follows links all day: the same
browser, whose cache is warm. A page counts as usable when what it is about is drawn and its socket has shaken hands, so that a press is
heard.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa
from playwright.sync_api import Page, sync_playwright
from sqlmodel import Session, col, select

from app.supervisor import Stack
from tests.bench import lists, search, tickets
from tests.bench.table import Result
from tests.browser.browsers import ARGUMENTS, DESKTOP, find_chromium
from tests.conftest import free_port

_ROOT = Path(__file__).parents[2]
_LARGE = 1_000_000
_WARM, _ROUNDS, _SAMPLES = 2, 16, 8
_GOAL_MS = 1_000
_EMAIL = "root@inet.demo"
# What is drawn is there: the rows of a list, or the words that only this page has.
_USABLE = """({rows, words}) => {
    const main = document.querySelector("main");
    if (!window.did_handshake || !main?.querySelector("h1") || main.querySelector(".skeleton")) return false;
    return rows ? main.querySelector(".list tbody tr") !== null : main.innerText.includes(words);
}"""


def opening(stack: Stack) -> list[Result]:
    """Goal: each main page is usable after at most a second, in the median."""
    if find_chromium() is None:
        raise RuntimeError("pages are opened in Chromium, and there is none here; get one with: sudo apt-get install chromium")
    command = [sys.executable, "-m", "tests.bench.pages"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=3600)
    found = json.loads(done.stdout.splitlines()[-1])
    return [Result(f"{name}, opened until usable, among 1,000,000", median, "ms", _GOAL_MS, "lower") for name, median in found.items()]


@dataclass(frozen=True)
class _Sample:
    """A customer with a purchase and a ticket in which something was said."""

    customer_id: int
    name: str
    payment: str
    ticket: str


@dataclass(frozen=True)
class _Opened:
    """A page by its name, where it is, and how one sees that it is there: by its rows, or by words."""

    name: str
    path: str
    words: str | None = None


def _pages(sample: _Sample) -> list[_Opened]:
    return [
        _Opened("dashboard", "/console", words=""),
        _Opened("tickets", "/console/tickets"),
        _Opened("a ticket", f"/console/tickets/{sample.ticket}", sample.ticket),
        _Opened("payments", "/console/payments"),
        _Opened("a payment", f"/console/payments/{sample.payment}", sample.payment),
        _Opened("customers", "/console/customers"),
        _Opened("a customer", f"/console/customers/{sample.customer_id}", sample.name),
        _Opened("sessions", "/console/sessions"),
        _Opened("vouchers", "/console/vouchers"),
        _Opened("access points", "/console/access-points"),
    ]


def _fill(size: int, now: datetime) -> list[_Sample]:
    from app import db

    lists.Shop("bench_pages", size, now=now)
    engine = sa.create_engine(os.environ["INET_DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Nearly half of them are open.
        tickets.fill(connection, size * 2 // 9, customers=size, done=0.0, now=now)
        connection.execute(sa.text("INSERT INTO site (name) SELECT 'Village ' || n FROM generate_series(1, 239) n"))
        network = dict(search.STATEMENTS)
        for table in ("gateway", "access_point"):
            connection.execute(sa.text(network[table]))
        # What was filled in with its numbers has not counted them.
        for table in ("customer", "payment", "voucher", "access_grant", "access_session"):
            connection.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"))
        connection.execute(sa.text("INSERT INTO audit_head (id, last_id, last_hash) SELECT 1, max(id), '' FROM audit_entry"))
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    engine.dispose()
    with db.transaction() as session:
        return _samples(session, now)


def _samples(session: Session, now: datetime) -> list[_Sample]:
    from app.settings import DEMO_PASSWORD
    from services.access.models import Gateway
    from services.accounts.models import Role, Staff
    from services.accounts.passwords import hash_password
    from services.accounts.sessions import principal_of
    from services.payments.models import PaymentStatus
    from services.tickets.replies import reply
    from tests.pages import builders

    root = Staff(email=_EMAIL, name="Root", role=Role.ROOT, password_hash=hash_password(DEMO_PASSWORD), created_at=now)
    session.add(root)
    session.flush()
    offer, gateway = builders.an_offer(session, now=now), session.exec(select(Gateway).order_by(col(Gateway.id))).first()
    made = []
    for number in range(_SAMPLES):
        at = now - timedelta(hours=1 + number)
        customer = builders.a_customer(session, number, now=at)
        customer.name = f"Awa Sample {number}"
        bought = builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=at, gateway=gateway)
        ticket = builders.a_ticket(session, customer=customer, payment=bought, gateway=gateway, at=at + timedelta(minutes=10))
        for turn, words in enumerate(("Please send us your receipt code.", "Does it work now?")):
            said_at = at + timedelta(minutes=20 + turn)
            reply(session, actor=principal_of(root), reference=ticket.reference, text=words, expected_revision=None, now=said_at)
        made.append(_Sample(customer.id or 0, customer.name, bought.reference, ticket.reference))
    return made


@contextmanager
def _console() -> Iterator[str]:
    """A console process as the product starts one; answers its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {"INET_ROLES": "console"}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not _answers(url):
            assert process.poll() is None, "the console process ended"
            assert time.monotonic() < deadline, "the console process does not get ready"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz/live", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _open(page: Page, url: str, wanted: _Opened) -> float:
    """In milliseconds, from asking for the address."""
    began = time.perf_counter()
    page.goto(f"{url}{wanted.path}", wait_until="commit")
    page.wait_for_function(_USABLE, arg={"rows": wanted.words is None, "words": wanted.words})
    return (time.perf_counter() - began) * 1000


def _in_turns(url: str, cookie: str, samples: Sequence[_Sample]) -> dict[str, float]:
    took: dict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        context = browser.new_context(viewport=DESKTOP)
        context.add_cookies([{"name": "inet", "value": cookie, "url": url}])
        context.set_default_timeout(120_000)
        page = context.new_page()
        for turn in range(-_WARM, _ROUNDS):
            for wanted in _pages(samples[turn % len(samples)]):
                milliseconds = _open(page, url, wanted)
                if turn >= 0:
                    took[wanted.name].append(milliseconds)
        browser.close()
    return {name: round(statistics.median(times), 1) for name, times in took.items()}


def _measure(size: int) -> dict[str, float]:
    # Beside the running product's Redis, whose answers are about other rows.
    os.environ["INET_REDIS_URL"] = f"{os.environ['INET_REDIS_URL'].partition('?')[0]}?db=7"
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import db, logs
    from app.clock import utc_now
    from app.settings import get_settings
    from tests.drill.console.person import cookie_of

    logs.configure(get_settings(), process="bench")
    samples = _fill(size, utc_now())
    cookie = cookie_of(_EMAIL)
    db.dispose()
    with _console() as url:
        return _in_turns(url, cookie, samples)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else _LARGE)))
