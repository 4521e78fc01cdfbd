"""How the help desk fares in a range of days: what came and was solved, which promises were kept, how long it took, what lies there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlmodel import Session, col

from app.errors import InvalidInput
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.models import Site
from services.tickets import report_rows
from services.tickets.desk_models import Team
from services.tickets.report_rows import AGES, By
from services.tickets.report_times import Times, counted, open_times, times
from services.tickets.sla import policies
from services.tickets.sla.terms import CLOCKS, FIRST, NEXT, RESOLUTION, Clock

LONGEST = timedelta(days=400)
_UNSAID: Mapping[By, str] = {"team": "No team", "person": "Nobody", "category": "Not sorted", "site": "No site"}


@dataclass(frozen=True)
class Promises:
    """Those whose outcome is known: met in time, or not."""

    kept: int = 0
    broken: int = 0

    @property
    def share(self) -> float | None:
        """None when none came to an end."""
        return self.kept / (self.kept + self.broken) if self.kept + self.broken else None


@dataclass(frozen=True)
class Line:
    """One group's numbers. `key` is what tickets have in common: a name, or the number of a team, person or site; None for none."""

    key: str | int | None
    name: str
    created: int = 0
    solved: int = 0
    reopened: int = 0
    promises: Mapping[Clock, Promises] = field(default_factory=dict)
    first_response: Times | None = None
    resolution: Times | None = None
    backlog: int = 0
    ages: tuple[int, ...] = ()
    oldest_at: datetime | None = None
    scores: tuple[int, ...] = (0, 0, 0, 0, 0)
    messages_a_ticket: float | None = None

    @property
    def rated(self) -> int:
        return sum(self.scores)

    @property
    def satisfaction(self) -> float | None:
        """The mean score, 1 to 5."""
        return sum(score * number for score, number in enumerate(self.scores, 1)) / self.rated if self.rated else None


@dataclass(frozen=True)
class Report:
    """Half-open [start, until). `days` has every day of the range: created and solved."""

    start: datetime
    until: datetime
    by: By
    whole: Line
    lines: tuple[Line, ...]
    days: tuple[tuple[date, int, int], ...]


@dataclass
class _Sums:
    """What is gathered for one group; two of them can be added."""

    created: int = 0
    solved: int = 0
    reopened: int = 0
    kept: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    broken: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first: list[float] = field(default_factory=list)
    resolution: list[float] = field(default_factory=list)
    backlog: int = 0
    younger: list[int] = field(default_factory=lambda: [0] * len(AGES))
    oldest_at: datetime | None = None
    scores: list[int] = field(default_factory=lambda: [0] * 5)
    tickets: int = 0
    messages: int = 0


def report(session: Session, *, actor: Principal, by: By, start: datetime, until: datetime, now: datetime) -> Report:
    """The numbers of a range, the groups with most tickets first. Raises Forbidden or InvalidInput."""
    actor.require(Permission.REPORTS_READ)
    if not start < until or until - start > LONGEST:
        raise InvalidInput(f"Choose a range of one to {LONGEST.days} days.", field="until")
    groups: dict[Any, _Sums] = defaultdict(_Sums)
    came, went = _counts(session, groups, by, start, until, now)
    names = _names(session, by, groups)
    lines = [_line(key, names.get(key, str(key)), sums) for key, sums in groups.items()]
    lines.sort(key=lambda line: (-(line.created + line.solved + line.backlog), line.name))
    days = tuple((day, came.get(day, 0), went.get(day, 0)) for day in _days(start, until))
    return Report(start, until, by, _line("all", "All", _added(groups.values())), tuple(lines), days)


def _counts(
    session: Session, groups: dict[Any, _Sums], by: By, start: datetime, until: datetime, now: datetime
) -> tuple[dict[date, int], dict[date, int]]:
    came: dict[date, int] = defaultdict(int)
    went: dict[date, int] = defaultdict(int)
    for row in report_rows.created(session, by, start, until):
        groups[row.key].created += row.number
        came[row.day] += row.number
    first, solvings = report_rows.answered(session, by, start, until), report_rows.solved(session, by, start, until)
    for clock, rows in ((FIRST, first), (RESOLUTION, solvings)):
        for row in rows:
            if row.is_promised and not row.is_broken:
                groups[row.key].kept[clock] += 1
    for row in solvings:
        groups[row.key].solved += 1
        went[row.day] += 1
    _add_times(session, groups, first, solvings, start, until)
    for row in report_rows.answered_next(session, by, start, until):
        groups[row.key].kept[NEXT] += row.number
    for row in report_rows.broken(session, by, start, until):
        groups[row.key].broken[row.clock] += row.number
    for row in report_rows.reopened(session, by, start, until):
        groups[row.key].reopened += row.number
    for row in report_rows.rated(session, by, start, until):
        groups[row.key].scores[row.score - 1] += row.number
    for row in report_rows.messages(session, by, start, until):
        groups[row.key].tickets, groups[row.key].messages = row.tickets, row.number
    for row in report_rows.backlog(session, by, now):
        sums = groups[row.key]
        sums.backlog, sums.oldest_at = row.number, row.oldest_at
        sums.younger = [getattr(row, f"under_{days}") for days in AGES]
    return came, went


def _add_times(
    session: Session, groups: dict[Any, _Sums], first: Sequence[Any], solvings: Sequence[Any], start: datetime, until: datetime
) -> None:
    terms = policies.terms_of(session, {row.version_id for row in (*first, *solvings) if row.version_id is not None})
    begins = min((row.created_at for row in (*first, *solvings)), default=start)
    hours = open_times(terms, begins, until)
    history: dict[int, list[tuple[float, str, str | None]]] = defaultdict(list)
    for change in report_rows.states(session, start, until):
        history[change.ticket_id].append((change.at.timestamp(), change.state, change.hold))
    for row in first:
        groups[row.key].first.append(counted(row, FIRST, terms, hours, history.get(row.ticket_id, ())))
    for row in solvings:
        groups[row.key].resolution.append(counted(row, RESOLUTION, terms, hours, history.get(row.ticket_id, ())))


def _line(key: Any, name: str, sums: _Sums) -> Line:
    cuts = [0, *sums.younger, sums.backlog]
    return Line(
        key=key,
        name=name,
        created=sums.created,
        solved=sums.solved,
        reopened=sums.reopened,
        promises={clock: Promises(sums.kept[clock], sums.broken[clock]) for clock in CLOCKS},
        first_response=times(sums.first),
        resolution=times(sums.resolution),
        backlog=sums.backlog,
        ages=tuple(older - younger for younger, older in pairwise(cuts)),
        oldest_at=sums.oldest_at,
        scores=tuple(sums.scores),
        messages_a_ticket=sums.messages / sums.tickets if sums.tickets else None,
    )


def _added(all_sums: Any) -> _Sums:
    whole = _Sums()
    for sums in all_sums:
        for name in ("created", "solved", "reopened", "backlog", "tickets", "messages"):
            setattr(whole, name, getattr(whole, name) + getattr(sums, name))
        whole.first += sums.first
        whole.resolution += sums.resolution
        whole.younger = [one + other for one, other in zip(whole.younger, sums.younger, strict=True)]
        whole.scores = [one + other for one, other in zip(whole.scores, sums.scores, strict=True)]
        whole.oldest_at = min((at for at in (whole.oldest_at, sums.oldest_at) if at is not None), default=None)
        for clock in CLOCKS:
            whole.kept[clock] += sums.kept[clock]
            whole.broken[clock] += sums.broken[clock]
    return whole


def _names(session: Session, by: By, groups: Mapping[Any, _Sums]) -> dict[Any, str]:
    names: dict[Any, str] = {None: _UNSAID.get(by, "None"), "all": "All"}
    table: Any = {"team": Team, "person": Staff, "site": Site}.get(by)
    if table is None:
        return names | {key: str(key).replace("_", " ").replace("-", " ").capitalize() for key in groups if key is not None}
    keys = [key for key in groups if key is not None]
    return names | {row.id: row.name for row in session.execute(pick(table.id, table.name).where(col(table.id).in_(keys))).all()}


def _days(start: datetime, until: datetime) -> Iterator[date]:
    day, last = start.date(), (until - timedelta(microseconds=1)).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
