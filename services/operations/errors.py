"""Errors of the product itself: written in sets, told once to those who mend them, and what staff does about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.events import publish
from app.faults import Fault
from app.release import release as this_release
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.operations import error_alerts
from services.operations.error_models import ErrorGroup, ErrorHour, ErrorState
from services.operations.error_queries import TARGET, ErrorNotFound, may_be_assigned, revision
from services.revision import require

TOPIC = "errors"
MAX_NOTE = 1000
_SHORTEST_NOTE = 3
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class _Machine:
    """Who reopens an error that came back."""

    label: str = "system:errors"


@dataclass(frozen=True)
class Change:
    """What is wanted of an error; None leaves it. `assignee_id` 0 takes it from whoever has it."""

    state: ErrorState | None = None
    assignee_id: int | None = None


def record(session: Session, batch: Sequence[Fault], *, now: datetime) -> None:
    """Count a set of faults: one row for each fingerprint, one for each of its hours, in one statement each.

    One that was resolved and happens again, in the release in which it was last seen or a newer one, is open again. New ones and those
    that came back are told in the same transaction. Processes may write the same rows at once.
    """
    # Before the first statement: nothing is locked while Redis is asked.
    recent = error_alerts.recent_count(now)
    # All processes lock in one order.
    faults = sorted(batch, key=lambda fault: fault.fingerprint)
    known = _locked(session, [fault.fingerprint for fault in faults])
    back = {fault.fingerprint for fault in faults if _is_back(known.get(fault.fingerprint), fault)}
    ids = _count(session, faults, known)
    _count_hours(session, faults, ids)
    for fault in faults:
        if fault.fingerprint in back:
            _reopen_by_itself(session, ids[fault.fingerprint], fault, now=now)
    error_alerts.tell_news(session, list(ids.values()), now=now)
    counted = sum(fault.count for fault in faults if not _is_ignored(known.get(fault.fingerprint)))
    error_alerts.note(session, counted, recent=recent, now=now)
    publish(session, TOPIC, None)


def _locked(session: Session, fingerprints: Sequence[str]) -> Mapping[str, ErrorGroup]:
    wanted = select(ErrorGroup).where(col(ErrorGroup.fingerprint).in_(fingerprints)).order_by(col(ErrorGroup.fingerprint))
    found = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).all()
    return {group.fingerprint: group for group in found}


def _is_ignored(group: ErrorGroup | None) -> bool:
    return group is not None and group.state is ErrorState.IGNORED


def _is_back(group: ErrorGroup | None, fault: Fault) -> bool:
    if group is None or group.state is not ErrorState.RESOLVED or group.resolved_at is None:
        return False
    # What happened before it was resolved, and was only written later, is no return.
    return fault.last_at > group.resolved_at and not is_older(fault.release, group.last_release)


def is_older(release: str, than: str) -> bool:
    """Whether a release certainly came before another; of names without numbers nobody knows."""
    one, other = _NUMBERS.match(release), _NUMBERS.match(than)
    if one is None or other is None or release == than:
        return False
    return [int(part) for part in one[1].split(".")] < [int(part) for part in other[1].split(".")]


def _count(session: Session, faults: Sequence[Fault], known: Mapping[str, ErrorGroup]) -> dict[str, int]:
    statement = insert(ErrorGroup).values([_group_values(fault, known.get(fault.fingerprint)) for fault in faults])
    new, old = statement.excluded, ErrorGroup.__table__.c  # type: ignore[attr-defined]
    has_example = sa.and_(new.last_at >= old.last_at, new.example != sa.literal({}, new.example.type))
    written = session.execute(
        statement.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={
                "count": old.count + new.count,
                "last_at": sa.func.greatest(old.last_at, new.last_at),
                "last_release": new.last_release,
                "process": new.process,
                "message": sa.case((has_example, new.message), else_=old.message),
                "example": sa.case((has_example, new.example), else_=old.example),
            },
        ).returning(col(ErrorGroup.fingerprint), col(ErrorGroup.id)),
        execution_options={"populate_existing": True},
    ).all()
    return {fingerprint: number for fingerprint, number in written if number is not None}


def _group_values(fault: Fault, known: ErrorGroup | None) -> dict[str, Any]:
    last_release = known.last_release if known is not None and is_older(fault.release, known.last_release) else fault.release
    return {
        "fingerprint": fault.fingerprint,
        "kind": fault.kind,
        "message": fault.message[:500],
        "place": fault.place,
        "process": fault.process[:20],
        "count": fault.count,
        "first_at": fault.first_at,
        "last_at": fault.last_at,
        "first_release": fault.release[:80],
        "last_release": last_release[:80],
        "state": ErrorState.OPEN,
        "resolved_by": "",
        "reopened": 0,
        "example": fault.example or {},
    }


def _count_hours(session: Session, faults: Sequence[Fault], ids: Mapping[str, int]) -> None:
    rows = [
        {"group_id": ids[fault.fingerprint], "hour": hour, "count": number}
        for fault in faults
        for hour, number in sorted(fault.hours.items())
    ]
    statement = insert(ErrorHour).values(rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["group_id", "hour"],
            set_={"count": ErrorHour.__table__.c.count + statement.excluded.count},  # type: ignore[attr-defined]
        )
    )


def _reopen_by_itself(session: Session, error_id: int, fault: Fault, *, now: datetime) -> None:
    group = session.get_one(ErrorGroup, error_id, populate_existing=True)
    _open(group)
    group.reopened += 1
    session.flush()
    audit.record(session, _Machine(), "error.came_back", target=(TARGET, error_id), now=now, after={"release": fault.release})


def _open(group: ErrorGroup) -> None:
    group.state, group.resolved_at, group.resolved_by, group.told_at = ErrorState.OPEN, None, "", None


def change(
    session: Session, *, actor: Principal, error_id: int, wanted: Change, expected_revision: str | None, now: datetime
) -> ErrorGroup:
    """Resolve, reopen, ignore or assign. Raises Forbidden, ErrorNotFound, Stale, or InvalidInput for whom errors do not concern."""
    group = _to_change(session, actor, error_id)
    require(expected_revision, revision(group))
    if wanted.assignee_id is not None:
        _assign(session, actor, group, wanted.assignee_id or None, now=now)
    if wanted.state is not None and wanted.state is not group.state:
        _move(session, actor, group, wanted.state, now=now)
    session.flush()
    publish(session, TOPIC, error_id)
    return group


def _to_change(session: Session, actor: Principal, error_id: int) -> ErrorGroup:
    actor.require(Permission.ERRORS_EDIT)
    group = session.get(ErrorGroup, error_id, with_for_update=True, populate_existing=True)
    if group is None:
        raise ErrorNotFound
    return group


def _assign(session: Session, actor: Principal, group: ErrorGroup, staff_id: int | None, *, now: datetime) -> None:
    if staff_id == group.assignee_id:
        return
    people = dict(may_be_assigned(session))
    if staff_id is not None and staff_id not in people:
        raise InvalidInput("Choose somebody of the staff who may see errors and may log in.", field="assignee_id")
    before, after = ({"assignee": people.get(number) if number else None} for number in (group.assignee_id, staff_id))
    group.assignee_id = staff_id
    audit.record(session, actor, "error.assign", target=(TARGET, group.id), now=now, before=before, after=after)


def _move(session: Session, actor: Principal, group: ErrorGroup, state: ErrorState, *, now: datetime) -> None:
    before = {"state": group.state}
    if state is ErrorState.OPEN:
        _open(group)
        # Who opens it again knows of it.
        group.told_at = now
    elif state is ErrorState.RESOLVED:
        group.state, group.resolved_at, group.resolved_by = state, now, actor.label[:120]
    else:
        group.state = state
    action = {ErrorState.OPEN: "error.reopen", ErrorState.RESOLVED: "error.resolve", ErrorState.IGNORED: "error.ignore"}[state]
    after = {"state": state, "release": this_release()}
    audit.record(session, actor, action, target=(TARGET, group.id), now=now, before=before, after=after)


def note(session: Session, *, actor: Principal, error_id: int, text: str, now: datetime) -> None:
    """Write down what was found; it stands in the error's story. Raises Forbidden, ErrorNotFound, or InvalidInput."""
    group = _to_change(session, actor, error_id)
    said = text.replace("\x00", "").strip()
    if not _SHORTEST_NOTE <= len(said) <= MAX_NOTE:
        raise InvalidInput(f"Write between {_SHORTEST_NOTE} and {MAX_NOTE} characters.", field="note")
    audit.record(session, actor, "error.note", target=(TARGET, group.id), now=now, after={"note": said})
    publish(session, TOPIC, error_id)
