"""The recipe of docs/operations.md, "Back to a moment": archive the log, take a base, recover to a time between two payments."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session

from app import migrate
from app.clock import utc_now
from app.direct import parameters
from app.embedded import EmbeddedPostgres
from app.unprivileged import give, step_down
from services.operations.backup.programs import embedded
from services.payments.models import Payment, PaymentStatus
from tests.pages import builders


def pay(url: str, number: int) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    now = utc_now()
    with Session(engine) as session, session.begin():
        offer = builders.an_offer(session, now=now)
        customer = builders.a_customer(session, number, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.EXPIRED, at=now)


def say(url: str, *statements: str) -> list[object]:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        return [
            found.scalar() if (found := connection.exec_driver_sql(statement.replace("%", "%%"))).returns_rows else None
            for statement in statements
        ]


def test_the_log_brings_the_database_back_to_a_moment_between_two_payments(servers: None, tmp_path: Path) -> None:
    programs = embedded()
    assert programs is not None
    archive = tmp_path / "archive"
    archive.mkdir(mode=0o700)
    server, again = EmbeddedPostgres(tmp_path / "one"), EmbeddedPostgres(tmp_path / "two")
    try:
        url = server.start()
        give(archive, step_down(tmp_path / "one", Path(programs.path("postgres")))[1])
        keep = f"test ! -f {archive}/%f && cp %p {archive}/%f"
        say(
            url,
            "ALTER SYSTEM SET archive_mode = on",
            f"ALTER SYSTEM SET archive_command = '{keep}'",
            "ALTER SYSTEM SET archive_timeout = '60s'",
        )
        url = server.restart()
        migrate.upgrade(url=url)
        base = tmp_path / "two" / "data"
        base.parent.mkdir()
        base_backup(programs.path("pg_basebackup"), url, base)
        pay(url, 1)
        time.sleep(1.1)
        between = say(url, "SELECT clock_timestamp()")[0]
        time.sleep(1.1)
        pay(url, 2)
        name = say(url, "SELECT pg_walfile_name(pg_switch_wal())")[0]
        deadline = time.monotonic() + 60
        while not (archive / str(name)).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.stop()
        (base / "recovery.signal").touch()
        with (base / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{between}'\nrecovery_target_action = promote\n"
            )
        found = again.start()
        while say(found, "SELECT pg_is_in_recovery()")[0]:
            time.sleep(0.1)
        with Session(sa.create_engine(found, poolclass=sa.NullPool)) as session:
            assert session.execute(sa.select(sa.func.count()).select_from(Payment)).scalar_one() == 1
        assert int(str(say(found, "SELECT timeline_id FROM pg_control_checkpoint()")[0])) == 2
    finally:
        server.stop()
        again.stop()


def base_backup(program: str, url: str, to: Path) -> None:
    known = parameters(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    environment = os.environ | {names[name]: value for name, value in known.items() if name in names}
    subprocess.run([program, "-D", str(to), "--wal-method=stream", "--checkpoint=fast"], env=environment, check=True, timeout=120)
