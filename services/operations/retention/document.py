"""The rules as a table of docs/personal-data.md, which a test compares with them."""

from __future__ import annotations

from services.operations.retention.kept import KEPT
from services.operations.retention.rules import ELSEWHERE, RULES
from services.operations.retention.shape import Rule

BEGIN, END = "<!-- rules -->", "<!-- /rules -->"


def tables() -> str:
    """What stands between BEGIN and END."""
    lines = ["| what | people in it | kept for | may be set to | then | why | tables |", "| --- | --- | --- | --- | --- | --- | --- |"]
    lines += [_row(rule) for rule in RULES]
    lines += ["", "| gone by itself | where | after | how |", "| --- | --- | --- | --- |"]
    lines += [f"| {one.what} | {one.where} | {one.period} | {one.how} |" for one in ELSEWHERE]
    reasons: dict[str, list[str]] = {}
    for table, why in KEPT.items():
        reasons.setdefault(why, []).append(f"`{table}`")
    lines += ["", "| rows that no rule deletes | why |", "| --- | --- |"]
    lines += [f"| {', '.join(named)} | {why} |" for why, named in reasons.items()]
    return "\n".join(lines)


def _row(rule: Rule) -> str:
    bounds = "fixed" if rule.is_fixed else f"{rule.least_days} to {rule.most_days:,} days"
    kept = "INET_LOG_KEEP_DAYS" if rule.name == "logs" else f"{rule.days} day{'' if rule.days == 1 else 's'}"
    named = ", ".join(f"`{table}`" for table in rule.tables)
    return f"| {rule.what} | {'yes' if rule.is_personal else 'no'} | {kept} | {bounds} | {rule.how.value} | {rule.why} | {named} |"
