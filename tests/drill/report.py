"""What a drill prints and leaves behind (shared/contract.md, "Two commands")."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from tests.drill.boundaries import all_boundaries
from tests.drill.drill import Outcome

_SHOWN = 40


def rows_of(outcome: Outcome) -> list[dict[str, object]]:
    """A row for each section, and `all` for the whole drill; what belongs to no purchase counts in `all` alone."""
    rows = [_row(outcome, section.name) for section in outcome.order.sections]
    return [*rows, _row(outcome, None)]


def _row(outcome: Outcome, section: str | None) -> dict[str, object]:
    counts = {kind: outcome.count(kind, section) for kind in ("lost", "doubled", "stuck")}
    runs = sum(1 for visit in outcome.visits if section is None or visit.plan.section == section)
    is_ok = not any(counts.values()) and (section is not None or outcome.is_good)
    return {"name": section or "all", "seed": outcome.order.seed, "runs": runs, **counts, "ok": is_ok}


def write(outcome: Outcome, path: Path) -> None:
    path.write_text(json.dumps(rows_of(outcome), indent=2) + "\n", encoding="utf-8")


def add(row: dict[str, object], path: Path) -> None:
    """Of a drill beside the payments'."""
    path.write_text(json.dumps([*json.loads(path.read_text(encoding="utf-8")), row], indent=2) + "\n", encoding="utf-8")


def replace(path: Path, name: str, rows: list[dict[str, object]]) -> None:
    """Rows of a drill that also runs alone: in the place of those that an earlier run left, beside all others."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = [row for row in held if row["name"] != name and not str(row["name"]).startswith(f"{name}: ")]
    path.write_text(json.dumps([*kept, *rows], indent=2) + "\n", encoding="utf-8")


def lines_of(outcome: Outcome) -> list[str]:
    """The tables for people."""
    return [*_kill_lines(outcome), *_world_lines(outcome), *_finding_lines(outcome), *_count_lines(outcome)]


def _kill_lines(outcome: Outcome) -> list[str]:
    if not outcome.kills:
        return []
    names = sorted({*all_boundaries(), *outcome.kills})
    rows = [f"  {name:<32} {outcome.kills[name]:>5}" for name in names]
    return ["", "Deaths by SIGKILL at each step boundary", *rows, f"  {'together':<32} {outcome.kills.total():>5}"]


def _world_lines(outcome: Outcome) -> list[str]:
    waits = sorted(visit.seconds for visit in outcome.visits if visit.seconds is not None)
    lines = ["", "Payments at the end:  " + _counts(outcome.statuses), "Answers lost to us:   " + _counts(outcome.lost_answers)]
    lines.append("Asked for by staff:   " + _counts(outcome.desk))
    lines.append("Seen by phones:       " + _counts(outcome.answers))
    if len(waits) > 1:
        p95 = statistics.quantiles(waits, n=20)[-1]
        lines.append(f"From paid to served:  median {statistics.median(waits):.1f} s, p95 {p95:.1f} s, of {len(waits)} who watched")
    return [*lines, f"Customers who went away before they could buy: {outcome.gave_up}"]


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()) if count) or "none"


def _finding_lines(outcome: Outcome) -> list[str]:
    if not outcome.findings and not outcome.missed:
        return []
    shown = [f"  {finding.kind:<8} {outcome.section_of(finding) or '-':<13} {finding.what}" for finding in outcome.findings[:_SHOWN]]
    hidden = len(outcome.findings) - len(shown)
    missed = [f"  never died at {name}" for name in outcome.missed]
    return ["", "Disagreements", *shown, *([f"  and {hidden} more"] if hidden > 0 else []), *missed]


def _count_lines(outcome: Outcome) -> list[str]:
    lines = ["", f"{'section':<14} {'seed':>10} {'runs':>6} {'lost':>6} {'doubled':>8} {'stuck':>6}  ok"]
    for row in rows_of(outcome):
        counts = f"{row['lost']:>6} {row['doubled']:>8} {row['stuck']:>6}"
        lines.append(f"{row['name']:<14} {row['seed']:>10} {row['runs']:>6} {counts}  {'yes' if row['ok'] else 'NO'}")
    return lines
