"""Outages and paid time: while a customer's access point is down the clock stands, and the time lost is given back once.

`pause` and `resume` are called with the change of the network that causes them, in its transaction. A pause is a row, so the sum of what
was given is told from rows alone, and the database forbids two pauses at once and two compensations for one second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.events import publish
from services.access.models import Entitlement, EntitlementState
from services.access.outage_models import Compensation, CompensationRule, OutagePause
from services.packages.models import PackageVersion

log = structlog.get_logger(__name__)

# A session that ended this shortly before an outage was seen is one that the outage ended: OpenWISP's checks run every few minutes.
SEEN_LATE = timedelta(minutes=5)
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
DEFAULT_RULE = CompensationRule(valid_from=_EVER, minimum_seconds=60, cap_seconds=86_400, any_access_point=False)


@dataclass(frozen=True)
class Down:
    """A gateway whose customers are cut off: since when, and by which incident."""

    gateway_id: int
    incident_id: int
    since: datetime


def rule_at(session: Session, moment: datetime) -> CompensationRule:
    """The rule that decides about an outage that began at this moment."""
    found = session.exec(
        select(CompensationRule).where(CompensationRule.valid_from <= moment).order_by(col(CompensationRule.valid_from).desc()).limit(1)
    ).one_or_none()
    return found or DEFAULT_RULE


_HIT = sa.text("""
    WITH down AS (
        SELECT * FROM unnest(CAST(:gateways AS bigint[]), CAST(:incidents AS bigint[]), CAST(:sinces AS timestamptz[]))
                 AS d(gateway_id, incident_id, since)
    ), behind AS (
        SELECT DISTINCT ON (e.id)
               e.id AS entitlement_id, d.gateway_id, d.incident_id,
               GREATEST(d.since, s.started_at, e.started_at,
                        (SELECT max(p.ended_at) FROM outage_pause p WHERE p.entitlement_id = e.id)) AS started_at
        FROM down d
        JOIN access_session s ON s.gateway_id = d.gateway_id AND (s.ended_at IS NULL OR s.ended_at >= d.since - CAST(:late AS interval))
        JOIN entitlement e ON e.id = s.entitlement_id
        WHERE e.ends_at > GREATEST(d.since, s.started_at)
          AND (e.state = 'running' OR (e.state = 'ended' AND e.ends_at <= :now))
          AND s.end_reason IS DISTINCT FROM 'ended_by_staff'
          AND NOT EXISTS (SELECT 1 FROM voucher v WHERE v.credit_of_id = e.id)
          AND (e.quota_bytes IS NULL OR e.bytes_used < e.quota_bytes)
          AND NOT EXISTS (
              SELECT 1 FROM access_session o
              WHERE o.entitlement_id = e.id AND o.gateway_id NOT IN (SELECT gateway_id FROM down)
                AND (o.state = 'active' OR o.started_at > s.started_at))
        ORDER BY e.id, s.started_at DESC
    ), paused AS (
        INSERT INTO outage_pause (entitlement_id, incident_id, gateway_id, started_at)
        SELECT b.entitlement_id, b.incident_id, b.gateway_id, b.started_at
        FROM behind b JOIN entitlement e ON e.id = b.entitlement_id AND e.ends_at > b.started_at
        ON CONFLICT DO NOTHING
        RETURNING entitlement_id, started_at
    )
    UPDATE entitlement e SET paused_at = paused.started_at, state = 'running'
    FROM paused WHERE e.id = paused.entitlement_id
    RETURNING e.id
""")


def pause(session: Session, downs: Sequence[Down], *, now: datetime) -> int:
    """Stop the clocks of those who are cut off behind these gateways, from the moment the outage was first seen. Answers how many.

    One who is online elsewhere is not cut off. One whose time ran out between the outage's start and its confirmation gets it back.
    Repeating it changes nothing.
    """
    if not downs:
        return 0
    session.flush()
    hit = session.execute(
        _HIT,
        {
            "gateways": [down.gateway_id for down in downs],
            "incidents": [down.incident_id for down in downs],
            "sinces": [down.since for down in downs],
            "late": SEEN_LATE,
            "now": now,
        },
    ).all()
    for held in [row for row in session.identity_map.values() if isinstance(row, Entitlement)]:
        session.expire(held)
    if hit:
        log.info("outage.paused", entitlements=len(hit), gateways=len(downs))
        publish(session, "sessions", 0)
    return len(hit)


def resume_gateways(session: Session, backs: Mapping[int, datetime], *, reason: str, give: bool = True, now: datetime) -> int:
    """Let the clocks of those behind these gateways run on from the moment that each came back. Answers how many."""
    pauses = session.exec(
        select(OutagePause)
        .where(col(OutagePause.gateway_id).in_(backs), col(OutagePause.ended_at).is_(None))
        .order_by(col(OutagePause.entitlement_id))
        .with_for_update()
    ).all()
    _resume(session, [(pause, backs[pause.gateway_id]) for pause in pauses], reason=reason, give=give, now=now)
    return len(pauses)


def resume_incident(session: Session, incident_id: int, *, at: datetime, reason: str, give: bool, now: datetime) -> int:
    """Let every clock that this incident stopped run on. Without `give` the time counts as used: the outage was none."""
    pauses = session.exec(
        select(OutagePause)
        .where(OutagePause.incident_id == incident_id, col(OutagePause.ended_at).is_(None))
        .order_by(col(OutagePause.entitlement_id))
        .with_for_update()
    ).all()
    _resume(session, [(pause, at) for pause in pauses], reason=reason, give=give, now=now)
    return len(pauses)


def holding_clocks(session: Session, incident_ids: Collection[int]) -> set[int]:
    """Which of these incidents still make clocks stand."""
    standing = (col(OutagePause.incident_id).in_(incident_ids), col(OutagePause.ended_at).is_(None))
    return set(session.exec(select(OutagePause.incident_id).where(*standing).distinct()).all())


def resume_entitlement(session: Session, entitlement: Entitlement, *, at: datetime, now: datetime) -> None:
    """A customer whose clock stood is let in again, here or elsewhere: from then on it runs."""
    if entitlement.paused_at is None:
        return
    pauses = session.exec(
        select(OutagePause).where(OutagePause.entitlement_id == entitlement.id, col(OutagePause.ended_at).is_(None)).with_for_update()
    ).all()
    _resume(session, [(pause, at) for pause in pauses], reason="online_again", give=True, now=now)


@dataclass(frozen=True)
class Settled:
    """What becomes of a clock that stood: `given` of the time `lost`, and when it now ends."""

    lost: timedelta
    given: timedelta
    ends_at: datetime


def settle(*, paused_at: datetime, ends_at: datetime, back_at: datetime, rule: CompensationRule, give: bool = True) -> Settled:
    """How much of an outage is given back. What is lost is what the clock would have used up: no more than was left of it.

    An outage under the rule's minimum, or one that was none, is not given back: the clock stands where it would have without a pause.
    """
    back_at = max(back_at, paused_at)
    left = ends_at - paused_at
    lost = min(back_at - paused_at, left)
    whole = timedelta(seconds=int(lost.total_seconds()))
    is_given = give and lost >= timedelta(seconds=rule.minimum_seconds)
    given = min(whole, timedelta(seconds=rule.cap_seconds)) if is_given else timedelta()
    # With the whole stretch given the clock is as it was when it stopped; what is not given is gone from it.
    return Settled(lost, given, back_at + left - lost + given)


def _resume(session: Session, pauses: Sequence[tuple[OutagePause, datetime]], *, reason: str, give: bool, now: datetime) -> None:
    if not pauses:
        return
    ids = [pause.entitlement_id for pause, _ in pauses]
    found = session.exec(
        select(Entitlement, PackageVersion)
        .join(PackageVersion, col(PackageVersion.id) == Entitlement.package_version_id)
        .where(col(Entitlement.id).in_(ids))
        .order_by(col(Entitlement.id))
        .with_for_update(of=Entitlement)
        .execution_options(populate_existing=True)
    ).all()
    sold = {entitlement.id: (entitlement, version) for entitlement, version in found}
    rules: dict[datetime, CompensationRule] = {}
    for pause, back_at in pauses:
        entitlement, version = sold[pause.entitlement_id]
        pause.ended_at = max(back_at, pause.started_at)
        if entitlement.state is not EntitlementState.RUNNING or entitlement.ends_at is None:
            # Refunded, ended by staff or used up meanwhile: there is nothing left to give time to.
            pause.end_reason, entitlement.paused_at = f"entitlement_{entitlement.state.value}", None
            continue
        if pause.started_at not in rules:
            rules[pause.started_at] = rule_at(session, pause.started_at)
        rule = rules[pause.started_at]
        settled = settle(paused_at=pause.started_at, ends_at=entitlement.ends_at, back_at=back_at, rule=rule, give=give)
        pause.end_reason = reason
        entitlement.paused_at, entitlement.ends_at = None, settled.ends_at
        if settled.given:
            session.add(_row(pause, entitlement, version, settled, now=now))
    session.flush()
    publish(session, "sessions", 0)


def _row(pause: OutagePause, entitlement: Entitlement, version: PackageVersion, settled: Settled, *, now: datetime) -> Compensation:
    seconds = int(settled.given.total_seconds())
    assert entitlement.id is not None
    return Compensation(
        entitlement_id=entitlement.id,
        incident_id=pause.incident_id,
        customer_id=entitlement.customer_id,
        lost_from=pause.started_at,
        lost_until=pause.started_at + settled.lost,
        seconds=seconds,
        worth_bututs=version.amount_bututs * seconds // version.duration_seconds,
        created_at=now,
    )
