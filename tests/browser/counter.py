"""`python -m tests.browser.counter KIND…` makes vouchers at the running product's counter and prints their codes as JSON.

A process of its own, because the product's settings and database are taken from the environment once a process. Kinds: `good`
(any number of them: `good`, `good-2`…), `blocked`, `expired`; all are held by PortaBilling before anything is printed.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta

from app.clock import utc_now
from app.db import dispose, transaction
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import issue_voucher, set_blocked

_CASHIER = Principal("staff", 1, "Cashier", ROLE_PERMISSIONS[Role.ROOT], Role.ROOT, "root@inet.demo")
_PATIENCE_SECONDS = 20.0


def _issue(kind: str) -> tuple[int, str]:
    with transaction() as session:
        voucher, code = issue_voucher(session, actor=_CASHIER, package_id="hour-1", phone=None, note=kind, now=utc_now())
        assert voucher.id is not None
        return voucher.id, code


def _wait_until_issued(voucher_id: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with transaction() as session:
            if session.get_one(Voucher, voucher_id).state is VoucherState.ACTIVE:
                return
        time.sleep(0.1)
    raise SystemExit(f"voucher {voucher_id} was not issued in {_PATIENCE_SECONDS:g} s")


def _make(kind: str, voucher_id: int) -> None:
    with transaction() as session:
        if kind == "blocked":
            set_blocked(session, actor=_CASHIER, voucher_id=voucher_id, blocked=True, now=utc_now())
        elif kind == "expired":
            session.get_one(Voucher, voucher_id).use_before = utc_now() - timedelta(minutes=1)


def main(kinds: list[str]) -> None:
    """Issue them all, then wait for the billing, then do to each what its kind says."""
    issued = {kind: _issue(kind) for kind in kinds}
    for kind, (voucher_id, _) in issued.items():
        _wait_until_issued(voucher_id)
        _make(kind, voucher_id)
    dispose()
    print(json.dumps({kind: code for kind, (_, code) in issued.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
