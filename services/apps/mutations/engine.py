"""What was done on a phone, also with no network, takes effect here: each thing once, in its order, and each is answered.

Each mutation is one transaction: its effect and its answer (`AppMutation`) are written together or not at all. So a batch may be sent
again, in whole or in part, also while it is still at work: what was done is answered as it was, and nothing is done twice. Every
transaction locks the phone's own row first. Two batches of one phone may take turns, but as both name what was done first before what
was done later, neither can overtake.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from sqlmodel import Session, col

from app.clock import Clock
from app.db import Begin
from app.errors import DomainError, ErrorKind, InvalidInput, Unauthenticated
from app.failpoints import boundary
from services.apps.callers import Caller
from services.apps.models import AppDevice, AppMutation, MutationOutcome
from services.apps.mutations.errors import ChangedMeanwhile, EntityNotFound, IdReused, UnknownType
from services.apps.mutations.kinds import At, Done, Kind, parts_of
from services.apps.mutations.own import own_way

MOST_AT_ONCE, MOST_KNOWN = 100, 500
MAX_PAYLOAD = 64 * 1024
"""Of one payload, in characters of JSON."""
OLDEST = timedelta(days=30)
"""What is said to have happened longer ago than this happened this long ago."""
# These say nothing of the mutation: it is tried again with the whole batch.
_PASSING = frozenset({ErrorKind.TOO_MANY, ErrorKind.UNAVAILABLE, ErrorKind.UNAUTHENTICATED})
Outcome = Literal["applied", "duplicate", "conflict", "rejected"]
ServerSays = Callable[[Session, Caller, str, int], Mapping[str, Any] | None]
"""The server's version of an entity as a sync tells it (kind, id, version, data); None where the caller may not know of it."""


@dataclass(frozen=True)
class Sent:
    """One thing that was done on a phone, under the name that the phone gave it. `at` is by the phone's own clock."""

    id: str
    type: str
    entity: str
    base_version: str | None
    at: datetime
    payload: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """What makes it the same thing; not when it was done, which a phone may learn better meanwhile."""
        said = json.dumps([self.type, self.entity, self.base_version, self.payload], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """`first` is what a duplicate was answered when it came first. `server` is what stands here, where the phone's word did not count."""

    id: str
    outcome: Outcome
    first: MutationOutcome | None
    entity: str
    version: str | None
    data: Mapping[str, Any]
    reason: Mapping[str, Any] | None
    server: Mapping[str, Any] | None

    @property
    def is_conflict(self) -> bool:
        return MutationOutcome.CONFLICT in (self.outcome, self.first)


@dataclass(frozen=True)
class Held:
    """How many mutations of a phone are held here, by what became of them: what a phone compares its own count with."""

    total: int
    applied: int
    conflict: int
    rejected: int


@dataclass(frozen=True)
class Answers:
    results: tuple[Result, ...]
    held: Held
    skew_ms: int
    server_time: datetime


@dataclass(frozen=True)
class _Verdict:
    """What came of a mutation, as it is kept."""

    outcome: MutationOutcome
    entity: str
    answer: dict[str, Any]
    before: str | None = None
    after: str | None = None


def apply_batch(
    begin: Begin,
    *,
    caller: Caller,
    kinds: Mapping[str, Kind],
    server_says: ServerSays,
    sent_at: datetime,
    sent: Sequence[Sent],
    clock: Clock,
) -> Answers:
    """Do these in their order, one transaction for each, and answer each. `sent_at` is the phone's clock at the moment of sending.

    Raises Unauthenticated when the phone was logged out meanwhile, and whatever is not about one of them (a limit, the database away):
    what was done by then stays done, and is answered as a duplicate when the batch comes again.
    """
    received = clock()
    skew = received - sent_at
    with begin() as session:
        _phone(session, caller).skew_ms = _ms(skew)
    results: list[Result] = []
    for one in sent:
        with begin() as session:
            _phone(session, caller)
            moment = At(happened=_happened(one.at, skew, received), now=clock(), client_id=one.id)
            # What was built on something that did not count does not count either.
            is_built_on_sand = any(before.is_conflict and before.entity == one.entity for before in results)
            result = _one(session, caller, one, kinds, server_says, moment, is_built_on_sand=is_built_on_sand)
            boundary("mutation.applied")
        boundary("mutation.committed")
        results.append(result)
    with begin() as session:
        return Answers(tuple(results), held(session, caller=caller), _ms(skew), clock())


def held(session: Session, *, caller: Caller) -> Held:
    """The receipt for all that this phone ever sent."""
    mine = sa.select(col(AppMutation.outcome), sa.func.count()).where(col(AppMutation.app_device_id) == caller.app_device_id)
    found: dict[MutationOutcome, int] = {row[0]: row[1] for row in session.execute(mine.group_by(col(AppMutation.outcome))).all()}
    of = {outcome.value: found.get(outcome, 0) for outcome in MutationOutcome}
    return Held(total=sum(of.values()), **of)


def known(session: Session, *, caller: Caller, ids: Collection[str]) -> dict[str, MutationOutcome]:
    """Which of these names this phone's mutations are held under, and what became of each."""
    mine = sa.select(col(AppMutation.client_id), col(AppMutation.outcome)).where(
        col(AppMutation.app_device_id) == caller.app_device_id, col(AppMutation.client_id).in_(set(ids))
    )
    return {row[0]: row[1] for row in session.execute(mine).all()}


def _phone(session: Session, caller: Caller) -> AppDevice:
    """The phone's row, locked until the transaction ends. Raises Unauthenticated when it was logged out."""
    lock = {"key_share": True}  # what only refers to the phone need not wait
    phone = session.get_one(AppDevice, caller.app_device_id, with_for_update=lock, populate_existing=True)
    if phone.revoked_at is not None:
        raise Unauthenticated
    return phone


def _ms(skew: timedelta) -> int:
    return round(skew.total_seconds() * 1000)


def _happened(at: datetime, skew: timedelta, received: datetime) -> datetime:
    """By our clock, as far as the phone's can be trusted."""
    try:
        moment = at + skew
    except OverflowError:
        return received
    return min(max(moment, received - OLDEST), received)


def _one(
    session: Session,
    caller: Caller,
    one: Sent,
    kinds: Mapping[str, Kind],
    server_says: ServerSays,
    at: At,
    *,
    is_built_on_sand: bool,
) -> Result:
    kept = session.get(AppMutation, (caller.app_device_id, one.id))
    if kept is not None and kept.digest != one.digest:
        return _answered(session, caller, one, _refused(IdReused(), one.entity), server_says)
    if kept is not None:
        verdict = _Verdict(kept.outcome, kept.entity, kept.answer, kept.before_version, kept.after_version)
        return _answered(session, caller, one, verdict, server_says, is_again=True)
    verdict = _decided(session, caller, one, kinds.get(one.type), at, is_built_on_sand=is_built_on_sand)
    session.add(
        AppMutation(
            app_device_id=caller.app_device_id,
            client_id=one.id,
            type=one.type,
            entity=verdict.entity,
            digest=one.digest,
            outcome=verdict.outcome,
            answer=verdict.answer,
            base_version=one.base_version,
            before_version=verdict.before,
            after_version=verdict.after,
            happened_at=at.happened,
            received_at=at.now,
        )
    )
    session.flush()
    return _answered(session, caller, one, verdict, server_says)


def _answered(session: Session, caller: Caller, one: Sent, verdict: _Verdict, server_says: ServerSays, *, is_again: bool = False) -> Result:
    """What is told of it, with what stands here now."""
    named = parts_of(verdict.entity) if verdict.outcome is not MutationOutcome.APPLIED else None
    return Result(
        id=one.id,
        outcome="duplicate" if is_again else verdict.outcome.value,
        first=verdict.outcome if is_again else None,
        entity=verdict.entity,
        version=verdict.after,
        data=verdict.answer.get("data", {}),
        reason=verdict.answer.get("reason"),
        server=server_says(session, caller, *named) if named is not None else None,
    )


def _decided(session: Session, caller: Caller, one: Sent, kind: Kind | None, at: At, *, is_built_on_sand: bool) -> _Verdict:
    """Do it, and answer what is to be kept of it; what is refused leaves nothing behind, neither rows nor rings."""
    deferred = dict(session.info.get("after_commit", {}))
    try:
        with session.begin_nested():
            return _applied(session, caller, one, kind, at, is_built_on_sand=is_built_on_sand)
    except DomainError as error:
        refusal = error
    except sa.exc.DataError:  # what PostgreSQL cannot hold today it cannot hold tomorrow: it must not hold up the phone's queue
        refusal = InvalidInput("It holds something that cannot be kept.", field="payload")
    if refusal.kind in _PASSING:
        raise refusal
    session.info["after_commit"] = deferred
    return _refused(refusal, one.entity)


def _applied(session: Session, caller: Caller, one: Sent, kind: Kind | None, at: At, *, is_built_on_sand: bool) -> _Verdict:
    if kind is None or kind.app is not caller.app:
        raise UnknownType(field="type")
    payload = _payload(kind, one)
    before = kind.version(session, caller, one.entity)
    if before is None:
        raise EntityNotFound(field="entity")
    if kind.conflicts is not None:
        _require_unchanged(session, caller, one, kind, before, is_built_on_sand=is_built_on_sand)
    done: Done = kind.apply(session, caller, one.entity, payload, at)
    session.flush()
    data = {"data": dict(done.data)}
    return _Verdict(MutationOutcome.APPLIED, done.entity, data, before, kind.version(session, caller, done.entity))


def _payload(kind: Kind, one: Sent) -> BaseModel:
    """Raises InvalidInput."""
    if len(json.dumps(one.payload, ensure_ascii=False)) > MAX_PAYLOAD:
        raise InvalidInput(f"It is larger than {MAX_PAYLOAD // 1024} KB.", field="payload")
    try:
        return kind.payload.model_validate(one.payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        named = ".".join(str(part) for part in first["loc"]) or "payload"
        raise InvalidInput(f"{named}: {first['msg']}.", field=named) from None


def _require_unchanged(session: Session, caller: Caller, one: Sent, kind: Kind, now: str, *, is_built_on_sand: bool) -> None:
    """Raises ChangedMeanwhile when something since the base speaks against it that was not this phone's own doing, or InvalidInput."""
    assert kind.conflicts is not None
    if one.base_version is None:
        raise InvalidInput("Say which version was seen when it was done.", field="base_version")
    if is_built_on_sand:
        raise ChangedMeanwhile
    seen = own_way(session, caller=caller, entity=one.entity, base=one.base_version)
    if now not in seen and kind.conflicts(session, caller, one.entity, seen[-1]):
        raise ChangedMeanwhile


def _refused(refusal: DomainError, entity: str) -> _Verdict:
    outcome = MutationOutcome.CONFLICT if isinstance(refusal, ChangedMeanwhile) else MutationOutcome.REJECTED
    return _Verdict(outcome, entity, {"reason": {"code": refusal.code, "message": refusal.text, "field": refusal.field}})
