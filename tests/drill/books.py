"""After a drill: batches are whole, the three sides agree, every clearing account is explained; and what is planted is found and named."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.drill.desk import OFFICER, Desk
from tests.drill.ledgers import Finding
from tests.drill.world import YOUNG_SECONDS, World

_RUN_SECONDS = 120.0
_FOREIGN_PHONE = "+220839999999"

_BATCHES = """
SELECT b.id, b.size, b.made, b.registered, b.state, (SELECT count(*) FROM voucher v WHERE v.batch_id = b.id) AS rows,
    (SELECT count(DISTINCT code_mac) FROM voucher v WHERE v.batch_id = b.id) AS codes
FROM voucher_batch b ORDER BY b.id
"""


_OLDEST = """
SELECT id, reference, wave_transaction_id, amount_bututs FROM payment WHERE status IN ('served', 'access_granted') ORDER BY id LIMIT 2
"""


def broken_batches(world: World, desk: Desk) -> Iterator[Finding]:
    """Ordered, made and registered: each as many as were asked for, no more and no fewer."""
    rows = world.rows(_BATCHES)
    if len(rows) != desk.asked["batches"]:
        kind: Any = "lost" if len(rows) < desk.asked["batches"] else "doubled"
        yield Finding(kind, None, f"{desk.asked['batches']} batches were ordered, there are {len(rows)}")
    accounts = Counter(str(account["id"]).split("-")[1] for account in world.state()["portabilling"]["accounts"] if "-b" in account["id"])
    for row in rows:
        counts = {"made": row["made"], "rows": row["rows"], "codes": row["codes"], "accounts": accounts[f"b{row['id']}"]}
        for name, count in counts.items():
            if row["state"] != "ready" or count != row["size"]:
                wrong: Any = "doubled" if count > row["size"] else "lost"
                yield Finding(wrong, None, f"batch {row['id']} ({row['state']}): {count} {name} of {row['size']}")


def unexplained(desk: Desk) -> Iterator[Finding]:
    """Items on clearing accounts for which there is no reason."""
    cursor = ""
    while True:
        page = desk.call("GET", f"/api/v1/ledger/open?limit=100{cursor}", OFFICER, good=(200,)).json()
        for item in page["items"]:
            if not item["is_explained"]:
                yield Finding("stuck", None, f"{item['account']} {item['subject']} {item['balance']}: {item['explanation']}")
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def found_by_reconciliation(world: World, desk: Desk) -> list[dict[str, Any]]:
    """The open findings of a new run. Raises TimeoutError when it does not end."""
    run_id = desk.reconcile()
    deadline = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < deadline:
        run = desk.call("GET", f"/api/v1/reconciliation/runs/{run_id}", OFFICER, good=(200,)).json()
        if run["state"] in ("done", "partial", "failed"):
            break
        time.sleep(1)
    else:
        raise TimeoutError(f"reconciliation {run_id} is {run['state']}")
    if run["state"] != "done":
        return [{"kind": f"a run that is {run['state']}: {run['error']}", "evidence": {}, "payment": None}]
    return list(desk.call("GET", "/api/v1/reconciliation/findings?state=open&limit=100", OFFICER, good=(200,)).json()["items"])


def disagreements(world: World, desk: Desk) -> Iterator[Finding]:
    for one in found_by_reconciliation(world, desk):
        yield Finding("stuck", None, f"reconciliation: {one['kind']} {one['payment'] or ''} {one['evidence']}"[:300])


def missed_plants(world: World, desk: Desk) -> Iterator[Finding]:
    """Plant a foreign payment, a wrong amount and a lost row: each must be found, named rightly, and nothing beside it."""
    foreign = world.ask_sandbox("POST", "/_control/wave/foreign-payment", amount="77", sender_mobile=_FOREIGN_PHONE, no_webhook=True)
    foreign.raise_for_status()
    rows = world.rows(_OLDEST)
    if len(rows) < 2:
        return
    wrong, robbed = rows
    gross = Decimal(wrong["amount_bututs"]) / 100 + 1
    planted = world.ask_sandbox("POST", "/_control/wave/transaction", transaction_id=wrong["wave_transaction_id"], gross=f"{gross:f}")
    planted.raise_for_status()
    world.change(
        "SET LOCAL session_replication_role = replica",
        f"DELETE FROM payment_event WHERE payment_id = {int(robbed['id'])} AND kind = 'charged'",
    )
    # What is younger is left for the next run.
    time.sleep(YOUNG_SECONDS + 1)
    wanted = Counter({"foreign_payment": 1, "wrong_amount": 1, "lost_row": 1})
    found = found_by_reconciliation(world, desk)
    named = Counter(one["kind"] for one in found)
    for kind in wanted.keys() | named.keys():
        if named[kind] != wanted[kind]:
            yield Finding("stuck", None, f"planted {wanted[kind]} {kind}, reconciliation found {named[kind]}")
    for one in found:
        if one["kind"] == "wrong_amount" and one["payment"] != wrong["reference"]:
            yield Finding("stuck", None, f"the wrong amount was planted in {wrong['reference']}, and {one['payment']} was named")
        if one["kind"] == "lost_row" and one["payment"] != robbed["reference"]:
            yield Finding("stuck", None, f"a row of {robbed['reference']} was taken, and {one['payment']} was named")
