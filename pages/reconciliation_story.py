"""What was done about a finding, in order."""

from __future__ import annotations

from collections.abc import Iterator

from pages.components.timeline import Happening
from pages.components.words import Tone
from services.audit.models import AuditEntry
from services.payments.reconciliation.queries import FindingPage

_DEEDS: dict[str, tuple[str, Tone]] = {
    "finding.accept": ("Accepted", "good"),
    "finding.reject": ("Rejected", "off"),
    "finding.assign": ("Given to", "busy"),
}


def story(shown: FindingPage) -> list[Happening]:
    """Oldest first."""
    return sorted(_happenings(shown), key=lambda one: one.at)


def _happenings(shown: FindingPage) -> Iterator[Happening]:
    finding = shown.row.finding
    yield Happening(finding.created_at, "Found", "wait", aside="by the reconciliation")
    for entry in shown.history:
        yield _deed(entry)
    if finding.seen_at > finding.created_at:
        yield Happening(finding.seen_at, "Seen again", "off", aside=f"run No. {finding.run_id}", is_call=True)


def _deed(entry: AuditEntry) -> Happening:
    title, tone = _DEEDS.get(entry.action, (entry.action, "off"))
    after = entry.after or {}
    if entry.action == "finding.assign":
        title = f"Given to {after['assignee']}" if after.get("assignee") else "Taken back"
    who = entry.actor.partition(":")[2] or entry.actor
    return Happening(entry.at, title, tone, aside=f"by {who}", more=str(after.get("note") or after.get("outcome") or ""))
