"""Real servers for every test: PostgreSQL and Valkey of our own, started once a test process; the sandbox where the wire matters."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest
import sqlalchemy as sa
from sqlmodel import Session

from tests import authorities, prepared
from tests.answering import wait_until_it_answers
from tests.emptying import empty
from tests.pooler import Pooler
from tests.scheduling import pytest_collection_modifyitems, pytest_sessionfinish, pytest_xdist_make_scheduler

if TYPE_CHECKING:
    from tests.shop import Shop

__all__ = ["pytest_collection_modifyitems", "pytest_sessionfinish", "pytest_xdist_make_scheduler"]

# CI judges the change, not the day's luck: it draws the same examples every time; developers draw new ones at each run.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

# Hundreds of log-ins: what a password costs in production is paid where it matters (`full_price` of tests/services/accounts).
os.environ["INET_PASSWORD_MEMORY_KIB"] = "256"

authorities.read_once()

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET = "test-secret-test-secret-test-secret-test"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and collected tests stay until the end: the full garbage collections around each page test need not walk them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PostgreSQL's files with this release's tables are there to be copied: of all workers the first to need them makes them."""
    ours = tmp_path_factory.getbasetemp()
    prepared.make((ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / "migrated")


@pytest.fixture(scope="session")
def servers(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PostgreSQL and Valkey with this release's tables; the process's settings point at them."""
    from app import db, keys, redis
    from app.embedded import EmbeddedPostgres, EmbeddedValkey
    from app.settings import get_settings
    from services.integrations import clients

    directory = tmp_path_factory.mktemp("servers")
    prepared.put_into(directory / "pg")
    postgres, valkey = EmbeddedPostgres(directory / "pg", durable=False), EmbeddedValkey(directory / "valkey")
    database_url = direct_url = postgres.start()
    pooled = ExitStack()
    if os.environ.get("INET_TESTS_POOLED"):
        # tests/deploy/test_pooled.py runs tests this way.
        database_url = pooled.enter_context(Pooler(directory / "pooler", direct_url, port=free_port(), pool=3)).url
        os.environ.update(INET_DATABASE_IS_POOLED="1", INET_DATABASE_DIRECT_URL=direct_url)
    os.environ.update(
        INET_ENV="demo",
        INET_DATABASE_URL=database_url,
        INET_REDIS_URL=valkey.start(),
        INET_SECRET_KEY=SECRET,
        INET_DATA_DIR=str(directory / "data"),
        INET_WAVE_API_KEY="sandbox-wave-key",
        INET_WAVE_WEBHOOK_SECRET="sandbox-wave-webhook-secret",
        INET_PORTABILLING_USER="inet",
        INET_PORTABILLING_PASSWORD="sandbox-portabilling",
        # Nothing listens there: a test that needs the outside asks for the `sandbox` fixture.
        INET_WAVE_BASE_URL="http://127.0.0.1:9",
        INET_PORTABILLING_URL="http://127.0.0.1:9",
    )
    get_settings.cache_clear()
    clients.close()
    keys.forget()
    # A machine that is busy with the rest of the suite may stand still for a second: no test is about that.
    redis.HOT_TIMEOUT_SECONDS = 10.0
    yield
    db.dispose()
    redis.forget()
    valkey.stop()
    pooled.close()
    postgres.stop()


@pytest.fixture
def session(servers: None) -> Iterator[Session]:
    """A database session whose every change, also that of code under test in this thread, is rolled back."""
    from app import db

    with db.engine().connect() as connection:
        outer = connection.begin()
        db.use_bind(connection)
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as opened:
            yield opened
        db.use_bind(None)
        outer.rollback()


@pytest.fixture
def database(servers: None) -> Iterator[sa.Engine]:
    """A database whose transactions really commit, for threads and processes; empty before and after."""
    from app import db
    from app.redis import client

    empty(db.engine())
    client().flushall()
    yield db.engine()
    empty(db.engine())


@pytest.fixture(scope="session")
def shop_builder(servers: None) -> Shop:
    """Opens a shop with one of everything in the empty `database`."""
    from tests.shop import Shop

    return Shop()


@dataclass
class Sandbox:
    """The running sandbox, with its control addresses."""

    url: str
    http: httpx.Client

    def state(self) -> dict[str, Any]:
        return dict(self.http.get("/_control/state").raise_for_status().json())

    def pay(self, reference: str, outcome: str = "succeed", **more: Any) -> None:
        self.http.post("/_control/wave/pay", json={"client_reference": reference, "outcome": outcome, **more}).raise_for_status()

    def fault(self, service: str, **faults: Any) -> None:
        self.http.post("/_control/faults", json={"service": service, **faults}).raise_for_status()

    def reset(self) -> None:
        self.http.post("/_control/reset").raise_for_status()


@pytest.fixture(scope="session")
def sandbox_process(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox as a process of its own, without routers that poll."""
    port = free_port()
    environment = os.environ | {"INET_SANDBOX_ROUTER_COUNT": "0", "INET_PUBLIC_URL": "http://127.0.0.1:9"}
    directory = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "app.cli", "sandbox", "--port", str(port), "--data-dir", str(directory)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parent.parent, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(f"{url}/_control/state", process)
        with httpx.Client(base_url=url, timeout=10) as http:
            yield Sandbox(url, http)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def sandbox(sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The outside services, fresh, with this process's clients pointing at them."""
    from app.settings import get_settings
    from services.integrations import clients

    sandbox_process.reset()
    monkeypatch.setenv("INET_WAVE_BASE_URL", sandbox_process.url)
    monkeypatch.setenv("INET_PORTABILLING_URL", sandbox_process.url)
    monkeypatch.setenv("INET_SMS_URL", sandbox_process.url.replace("//", "//inet:sandbox@") + "/version1/messaging")
    get_settings.cache_clear()
    clients.close()
    yield sandbox_process
    clients.close()
    monkeypatch.undo()
    get_settings.cache_clear()
