"""What a change of a policy or a calendar would do to the tickets that are open now. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.tickets.models import UNDONE, Ticket, TicketEvent
from services.tickets.sla import calendars, desk, policies
from services.tickets.sla.calendars import CalendarDraft
from services.tickets.sla.clocks import versions_in
from services.tickets.sla.desk import PolicyDraft
from services.tickets.sla.policies import as_hypothesis, make_terms
from services.tickets.sla.replay import Happened, Replayed, replay
from services.tickets.sla.terms import CLOCKS, Clock, Terms
from services.tickets.sla_models import SlaPolicyVersion

# Replaying takes about a millisecond a ticket: somebody waits for the answer.
EXAMINED = 2_000
SAMPLES = 12
_BATCH = 500
# Stands for versions that are not kept yet.
_IMAGINED = -1


@dataclass(frozen=True)
class Moved:
    """One open ticket before and after, by the clock of it that would move most."""

    reference: str
    subject: str
    clock: Clock | None
    due_before: datetime | None
    due_after: datetime | None
    breaks_now: bool

    @property
    def shift(self) -> timedelta:
        """How much later it would be due; nothing when it is not due on both sides."""
        return self.due_after - self.due_before if self.due_before and self.due_after else timedelta(0)


@dataclass(frozen=True)
class Preview:
    """`examined` of `open_tickets` were replayed, those that are due first; the counts are of them."""

    open_tickets: int
    examined: int
    earlier: int
    later: int
    same: int
    break_now: int
    samples: tuple[Moved, ...]


def preview_policy(session: Session, *, actor: Principal, policy_id: int | None, draft: PolicyDraft, now: datetime) -> Preview:
    """What would become of the open tickets that have this policy. Raises Forbidden, InvalidInput, PolicyNotFound."""
    actor.require(Permission.DESK_EDIT)
    wanted = make_terms(desk.draft_version(session, draft, now=now), name=draft.name)
    if policy_id is None:
        return Preview(0, 0, 0, 0, 0, 0, ())
    desk.one_policy(session, actor=actor, policy_id=policy_id)
    return _preview(session, {policy_id: wanted}, now=now)


def preview_calendar(session: Session, *, actor: Principal, calendar_id: int | None, draft: CalendarDraft, now: datetime) -> Preview:
    """What would become of the open tickets whose policies count by this calendar. Raises Forbidden, InvalidInput, CalendarNotFound."""
    actor.require(Permission.DESK_EDIT)
    calendar = draft.checked(now=now, id=calendar_id)
    if calendar_id is None:
        return Preview(0, 0, 0, 0, 0, 0, ())
    calendars.calendar_row(session, calendar_id)
    users = [one for one in desk.list_policies(session, actor=actor) if one.draft.calendar_id == calendar_id]
    return _preview(session, {one.id: replace(one.terms, calendar=calendar) for one in users}, now=now)


def _preview(session: Session, wanted: Mapping[int, Terms], *, now: datetime) -> Preview:
    versions = session.execute(
        pick(SlaPolicyVersion.id, SlaPolicyVersion.policy_id).where(col(SlaPolicyVersion.policy_id).in_(list(wanted)))
    )
    policy_of = {row.id: row.policy_id for row in versions}
    of_them = (col(Ticket.state).in_(UNDONE), col(Ticket.sla_policy_version_id).in_(list(policy_of)))
    total = session.execute(sa.select(sa.func.count()).select_from(Ticket).where(*of_them)).scalar_one()
    rows = session.execute(
        pick(Ticket.id, Ticket.reference, Ticket.subject, Ticket.sla_policy_version_id, Ticket.breached_at)
        .where(*of_them)
        .order_by(col(Ticket.due_at).asc().nulls_last(), col(Ticket.id))
        .limit(EXAMINED)
    ).all()
    imagined = {policy_id: as_hypothesis(terms, _IMAGINED - policy_id) for policy_id, terms in wanted.items()}
    known: dict[int, Terms] = {one.version_id: one for one in imagined.values()}
    moved = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        histories = _histories(session, [row.id for row in part])
        named = {one for history in histories.values() for one in versions_in(history)}
        known |= policies.terms_of(session, named - known.keys())
        for row in part:
            history = histories[row.id]
            change = Happened(now, "policy", {"version_id": imagined[policy_of[row.sla_policy_version_id]].version_id})
            before, after = replay(history, known, now), replay([*history, change], known, now)
            breaks = _broken(after) and not _broken(before)
            moved.append(_moved(row.reference, row.subject, before, after, breaks))
    return _summed(total, moved)


def _histories(session: Session, ids: Sequence[int]) -> dict[int, list[Happened]]:
    found: dict[int, list[Happened]] = defaultdict(list)
    rows = session.execute(
        pick(TicketEvent.ticket_id, TicketEvent.at, TicketEvent.kind, TicketEvent.data)
        .where(col(TicketEvent.ticket_id).in_(ids))
        .order_by(col(TicketEvent.ticket_id), col(TicketEvent.id))
    )
    for row in rows:
        found[row.ticket_id].append(Happened(row.at, row.kind, row.data))
    return found


def _moved(reference: str, subject: str, before: Replayed, after: Replayed, breaks: bool) -> Moved:
    found = Moved(reference, subject, None, None, None, breaks)
    for clock in CLOCKS:
        one, other = before.current(clock), after.current(clock)
        if one is None or other is None or one.met_at is not None:
            continue
        candidate = Moved(reference, subject, clock, one.due_at, other.due_at, breaks)
        if found.clock is None or abs(candidate.shift) > abs(found.shift):
            found = candidate
    return found


def _broken(replayed: Replayed) -> bool:
    return any(run.breached_at is not None and run.met_at is None for run in replayed.all())


def _summed(total: int, moved: Iterable[Moved]) -> Preview:
    all_of_them = list(moved)
    earlier = sum(one.shift < timedelta(0) for one in all_of_them)
    later = sum(one.shift > timedelta(0) for one in all_of_them)
    broken = sum(one.breaks_now for one in all_of_them)
    samples = sorted((one for one in all_of_them if one.shift or one.breaks_now), key=lambda one: (not one.breaks_now, -abs(one.shift)))
    return Preview(total, len(all_of_them), earlier, later, len(all_of_them) - earlier - later, broken, tuple(samples[:SAMPLES]))
