"""A product with demo data and one watched console process beside it, as a soak needs them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg

from app.supervisor import Stack
from tests.conftest import free_port
from tests.drill.console.seen import Seen

_LISTS = (
    "/console",
    "/console/tickets",
    "/console/payments",
    "/console/customers",
    "/console/vouchers",
    "/console/money",
    "/console/network",
)
# Of each the one with the highest number: the demo data's newest, which has the most around it.
_THINGS = {
    "/console/tickets/": "SELECT reference FROM ticket ORDER BY id DESC LIMIT 1",
    "/console/payments/": "SELECT reference FROM payment ORDER BY id DESC LIMIT 1",
    "/console/customers/": "SELECT id::text FROM customer ORDER BY id DESC LIMIT 1",
}


@dataclass(frozen=True)
class Reach:
    """How the soak gets at the process: where it listens, as whom, which pages there are, and where news is told."""

    address: str
    cookie: str
    paths: tuple[str, ...]
    redis_url: str


@contextmanager
def console(directory: Path) -> Iterator[tuple[Seen, Reach]]:
    stack = Stack(directory / "product", free_port(), free_port(), durable=False, triage=False, env={"INET_ENV": "demo"})
    stack.start()
    port, told = free_port(), directory / "told.json"
    environment = {**stack.environment, "INET_ROLES": "console", "INET_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "tests.drill.console.watched", str(port), str(told)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        log_in = [sys.executable, "-m", "tests.drill.console.person", "root@inet.demo"]
        cookie = subprocess.run(log_in, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout.split()[-1]
        deadline = time.monotonic() + 300
        while not (told.exists() and _answers(port)):
            assert process.poll() is None, "the console process ended"
            assert time.monotonic() < deadline, "the console process does not get ready"
            time.sleep(0.2)
        reach = Reach(f"127.0.0.1:{port}", cookie, _paths(stack.environment["INET_DATABASE_URL"]), stack.environment["INET_REDIS_URL"])
        yield Seen(told, psutil.Process(process.pid)), reach
    finally:
        process.kill()
        process.wait()
        stack.stop()


def _paths(database_url: str) -> tuple[str, ...]:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        newest = {path: connection.execute(query).fetchone() for path, query in _THINGS.items()}
    return (*_LISTS, *(f"{path}{row[0]}" for path, row in newest.items() if row is not None))


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz/live").status_code == 200
    except httpx.HTTPError:
        return False
