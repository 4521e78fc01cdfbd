"""What the cluster drill prints and leaves in drill.json (shared/contract.md, "Two commands")."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

from tests.drill import report
from tests.drill.cluster.drill import Measured, Outcome, line_of
from tests.drill.cluster.rolling import Upgrade

_SHOWN = 40
_NAME = "cluster"


def rows_of(outcome: Outcome) -> list[dict[str, object]]:
    """One for the whole drill, whose ledgers are those of all payments, and one for each part with what people saw."""
    counts = {kind: outcome.count(kind) for kind in ("lost", "doubled", "stuck")}
    whole = {"name": _NAME, "seed": outcome.order.seed, "runs": len(outcome.visits), **counts, "ok": outcome.is_good}
    return [whole, *(_row(outcome, one) for one in outcome.measured)]


def _row(outcome: Outcome, one: Measured) -> dict[str, object]:
    return {
        "name": f"{_NAME}: {one.trouble.name}",
        "seed": outcome.order.seed,
        "runs": one.customers.requests,
        "lost": 0,
        "doubled": 0,
        "stuck": 0 if one.is_back else 1,
        "ok": one.is_back,
        "failed_requests": one.customers.failed.total(),
        "error_rate": round(one.customers.share, 4),
        "recovered_seconds": None if one.recovered is None else round(one.recovered, 1),
        "served_seconds": None if one.served is None else round(one.served, 1),
    }


def write(outcome: Outcome, path: Path) -> None:
    """Beside the rows of other drills; an earlier cluster drill's are replaced."""
    report.replace(path, _NAME, rows_of(outcome))


def lines_of(outcome: Outcome) -> list[str]:
    lines = ["", "What people saw while each part was away, and until it was back", *(f"  {line_of(one)}" for one in outcome.measured)]
    if outcome.upgrade is not None:
        lines += ["", *_upgrade_lines(outcome.upgrade)]
    if outcome.copy is not None:
        copy = outcome.copy
        lines.append(
            f"Back-up in the middle: taken in {copy.took:.1f} s, restored in {copy.restored:.1f} s, {copy.payments} payments. {copy.said}"
        )
    waits = sorted(visit.seconds for visit in outcome.visits if visit.seconds is not None)
    lines += ["", f"Payments at the end:  {_counts(outcome.statuses)}"]
    if len(waits) > 1:
        p95 = statistics.quantiles(waits, n=20)[-1]
        lines.append(f"From paid to served:  median {statistics.median(waits):.1f} s, p95 {p95:.1f} s, of {len(waits)} who watched")
    lines.append(f"Customers who went away before they could buy: {outcome.gave_up} of {len(outcome.visits)}")
    lines.append(f"Slots of periodic jobs claimed: {outcome.claims.total()} by {len(outcome.claims)} jobs")
    lines += [f"  {finding.kind:<8} {finding.what}" for finding in outcome.findings[:_SHOWN]]
    if len(outcome.findings) > _SHOWN:
        lines.append(f"  and {len(outcome.findings) - _SHOWN} more")
    lines += [f"  {end}" for end in outcome.ends]
    counts = ", ".join(f"{outcome.count(kind)} {kind}" for kind in ("lost", "doubled", "stuck"))
    lines.append(f"Ledgers of {len(outcome.visits)} customers: {counts}. " + ("All is well." if outcome.is_good else "Not all is well."))
    return lines


def _upgrade_lines(upgrade: Upgrade) -> list[str]:
    failed = f"{upgrade.customers.failed.total()} of {upgrade.customers.requests} requests of customers failed"
    staff = f"{upgrade.staff.failed.total()} of {upgrade.staff.requests} of staff"
    return [f"Rolling upgrade in {upgrade.seconds:.0f} s, its migration in {upgrade.migrated:.1f} s: {failed}, {staff}"]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()) if count) or "none"
