"""The product behind a real PgBouncer in transaction mode, with three connections to PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app import db
from app.settings import SettingsError, get_settings
from services.tickets.mail_fetching import alone
from tests.conftest import free_port
from tests.pooler import PROGRAM, PROJECT, WHERE_FROM, Pooler

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHERE_FROM)
# Purchases, the stock, log-ins with their locks, and mail with the one lock that outlasts a transaction.
REPRESENTATIVE = (
    "tests/services/payments/test_process.py",
    "tests/services/payments/test_stock_binding.py",
    "tests/services/vouchers/test_stock.py",
    "tests/services/apps/test_desk.py",
    "tests/services/tickets/test_mail_fetching.py",
    "tests/portal/test_buying.py",
)


@pytest.fixture
def pooler(database: sa.Engine, tmp_path: Path) -> Iterator[Pooler]:
    with Pooler(
        tmp_path / "pooler", get_settings().database_direct_url or get_settings().database_url, port=free_port(), pool=3
    ) as running:
        yield running


@pytest.fixture
def pooled(pooler: Pooler) -> Iterator[sa.Engine]:
    engine = db.make_engine(pooler.url, is_pooled=True)
    yield engine
    engine.dispose()


def test_each_connection_begins_with_our_settings(pooled: sa.Engine) -> None:
    with pooled.connect() as connection:
        for name, value in (("TimeZone", "UTC"), ("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "2min")):
            assert connection.execute(sa.text("SELECT current_setting(:name)"), {"name": name}).scalar_one() == value


def test_a_server_that_falls_silent_is_given_up_before_a_customer_gives_up(pooler: Pooler) -> None:
    """Keepalive alone is not enough: it rests while a query is unanswered."""
    url = sa.make_url(pooler.url).set(drivername="postgresql", database="pgbouncer").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as pooler_itself, psycopg.ClientCursor(pooler_itself) as cursor:
        set_to = {row[0]: row[1] for row in cursor.execute("SHOW CONFIG").fetchall()}
    assert set_to["tcp_user_timeout"] == "10000"
    idle = int(set_to["tcp_keepidle"]) + int(set_to["tcp_keepintvl"]) * int(set_to["tcp_keepcnt"])
    assert (set_to["tcp_keepalive"], idle <= 20) == ("1", True)


def test_statements_are_never_prepared_on_a_connection_of_somebody_else(pooled: sa.Engine) -> None:
    def ask(number: int) -> None:
        for _ in range(20):
            with pooled.connect() as connection:
                assert connection.execute(sa.text("SELECT CAST(:number AS integer)"), {"number": number}).scalar_one() == number

    threads = [threading.Thread(target=ask, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pooled.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0


def test_more_transactions_than_connections_wait_for_each_other(pooled: sa.Engine) -> None:
    """Each takes the same transaction-level lock; twelve of them on three connections."""
    total: list[int] = []

    def add(number: int) -> None:
        with pooled.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(4242)"))
            total.append(number)

    threads = [threading.Thread(target=add, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(total) == list(range(12))


def test_a_pooler_that_does_not_set_sessions_up_is_refused(database: sa.Engine) -> None:
    options = sa.make_url(get_settings().database_direct_url or get_settings().database_url)
    bare = db.make_engine(options.render_as_string(hide_password=False), is_pooled=True)
    with pytest.raises(SettingsError, match="must begin its connections with: SET timezone = 'UTC'"):
        bare.connect()
    bare.dispose()


def test_the_mailboxs_lock_outlasts_transactions_and_is_not_the_poolers(
    pooler: Pooler, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = get_settings().database_direct_url or get_settings().database_url
    monkeypatch.setenv("INET_DATABASE_URL", pooler.url)
    monkeypatch.setenv("INET_DATABASE_DIRECT_URL", direct)
    monkeypatch.setenv("INET_DATABASE_IS_POOLED", "1")
    get_settings.cache_clear()
    try:
        with alone(990077) as first, alone(990077) as second:
            assert (first, second) == (True, False)
        with alone(990077) as again:
            assert again
    finally:
        get_settings.cache_clear()


def test_a_pooler_without_a_way_past_it_is_a_setting_too_few(monkeypatch: pytest.MonkeyPatch, database: sa.Engine) -> None:
    monkeypatch.setenv("INET_DATABASE_IS_POOLED", "1")
    monkeypatch.delenv("INET_DATABASE_DIRECT_URL", raising=False)
    get_settings.cache_clear()
    try:
        with pytest.raises(SettingsError, match="INET_DATABASE_DIRECT_URL"):
            get_settings().check()
    finally:
        get_settings.cache_clear()


@pytest.mark.timeout(600)
def test_what_the_product_does_passes_through_it(tmp_path: Path) -> None:
    """A part of this very suite, in a process of its own whose PostgreSQL stands behind a pooler of three connections."""
    if os.environ.get("INET_TESTS_POOLED"):
        pytest.skip("already behind a pooler")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "PYTEST_"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path / 'base'}",
        *REPRESENTATIVE,
    ]
    done = subprocess.run(command, cwd=PROJECT, env={**inherited, "INET_TESTS_POOLED": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
