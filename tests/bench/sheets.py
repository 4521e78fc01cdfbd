"""What a printed sheet of a thousand vouchers costs: from opening their codes to the finished PDF, in a process that does nothing else.

Run in processes of their own on a database of their own, as tests/bench/reports.py: `python -m tests.bench.sheets make` orders and makes
the batch, `python -m tests.bench.sheets print` opens, draws and prints the numbers as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_VOUCHERS, _DATABASE = 1_000, "bench_sheets"


def sheet_of_a_thousand(stack: Stack) -> list[Result]:
    """Goal: under 10 seconds and 300 MB."""
    url = sa.make_url(stack.environment["INET_DATABASE_URL"])
    own = stack.environment | {"INET_DATABASE_URL": url.set(database=_DATABASE).render_as_string(hide_password=False)}
    _run("make", stack.environment)
    found = json.loads(_run("print", own).splitlines()[-1])
    return [
        Result("PDF of 1,000 vouchers", found["seconds"], "seconds", 10, "lower"),
        Result("PDF of 1,000 vouchers, peak memory of its process", found["megabytes"], "MB", 300, "lower"),
    ]


def _run(step: str, environment: dict[str, str]) -> bytes:
    command = [sys.executable, "-m", "tests.bench.sheets", step]
    return subprocess.run(command, env=environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=600).stdout


def _make() -> None:
    from app.clock import utc_now
    from app.db import transaction
    from services.packages.service import PackageTerms, add_package
    from services.vouchers.batches.desk import order_batch
    from services.vouchers.batches.making import make
    from tests.bench.reports import _use_database
    from tests.factories import staff

    _use_database(_DATABASE)
    now = utc_now()
    terms = PackageTerms(name="Weekend package of Serekunda Market", amount_bututs=5000, duration_seconds=86400, quota_bytes=2 << 30)
    with transaction() as session:
        offer = add_package(session, actor=None, public_id="weekend", terms=terms, position=1, now=now)
        batch = order_batch(
            session,
            actor=replace(staff(), proven_at=now),
            package_id=offer.public_id,
            size=_VOUCHERS,
            name="Bench",
            seller="Fatou Njie & Sons",
            site_id=None,
            note=None,
            use_from=None,
            use_before=None,
            key=None,
            now=now,
        )
    assert batch.id is not None
    make(transaction, batch.id, clock=utc_now)


def _print() -> None:
    from app.clock import utc_now
    from app.db import transaction
    from services.vouchers.sheets.desk import open_range
    from services.vouchers.sheets.layouts import Layout
    from tests.factories import staff

    now = utc_now()
    began = time.monotonic()
    with transaction() as session:
        printing = open_range(
            session, actor=replace(staff(), proven_at=now), batch_id=1, layout=Layout.CARDS, first=1, last=_VOUCHERS, now=now
        )
    pdf = printing.pdf()
    seconds = time.monotonic() - began
    assert len(printing.cards) == _VOUCHERS
    assert pdf.startswith(b"%PDF")
    print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    os.environ.setdefault("INET_ENV", "demo")
    _make() if sys.argv[1] == "make" else _print()
