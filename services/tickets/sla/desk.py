"""Keeping the policies: reading them, making a new version, putting them in order, and letting open tickets follow a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from app.events import publish
from app.queue import ring
from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import pick
from services.revision import require, revision_of
from services.tickets.models import UNDONE, Priority, Ticket
from services.tickets.sla import calendars
from services.tickets.sla.calendars import CalendarDraft
from services.tickets.sla.policies import CONDITIONS, make_terms
from services.tickets.sla.terms import CLOCKS, Terms, parse_pauses, parse_steps, parse_targets
from services.tickets.sla_models import BusinessCalendar, SlaPolicy, SlaPolicyVersion

TICK_JOB = "jobs.sla.tick"
_MAX_NAME = 80
_TERMS = ("calendar", "first_response_seconds", "next_response_seconds", "resolution_seconds", "pauses", "steps")
_TOLD = {"assignee", "lead", "team", "roles", "staff", "priority", "team_id"}


class PolicyNotFound(NotFound):
    code, title = "sla_policy_not_found", "No such policy"
    message = "There is no SLA policy with that number."


class PolicyNameTaken(Conflict):
    code, title = "name_taken", "The name is taken"
    message = "There is a policy of that name already."


@dataclass(frozen=True)
class PolicyDraft:
    """A policy as somebody wishes it."""

    name: str
    calendar_id: int
    conditions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    first_response_seconds: int | None = None
    next_response_seconds: int | None = None
    resolution_seconds: int | None = None
    pauses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    steps: Sequence[Mapping[str, Any]] = ()
    is_active: bool = True


@dataclass(frozen=True)
class PolicyView:
    """A policy with the terms that hold now. `open_tickets` counts the undone ones that have any version of it."""

    id: int
    position: int
    version: int
    draft: PolicyDraft
    terms: Terms
    open_tickets: int
    revision: str


def list_policies(session: Session, *, actor: Principal) -> list[PolicyView]:
    """In the order in which they are tried. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    policies = session.exec(select(SlaPolicy).order_by(col(SlaPolicy.position))).all()
    return [_view(session, one) for one in policies]


def one_policy(session: Session, *, actor: Principal, policy_id: int) -> PolicyView:
    """Raises Forbidden or PolicyNotFound."""
    actor.require(Permission.TICKETS_READ)
    found = session.get(SlaPolicy, policy_id)
    if found is None:
        raise PolicyNotFound
    return _view(session, found)


def current_version(session: Session, policy: SlaPolicy) -> SlaPolicyVersion:
    wanted = select(SlaPolicyVersion).where(SlaPolicyVersion.policy_id == policy.id, SlaPolicyVersion.version == policy.current_version)
    return session.exec(wanted).one()


def _view(session: Session, policy: SlaPolicy) -> PolicyView:
    assert policy.id is not None
    version = current_version(session, policy)
    draft = PolicyDraft(
        policy.name,
        version.calendar["id"],
        policy.conditions,
        version.first_response_seconds,
        version.next_response_seconds,
        version.resolution_seconds,
        version.pauses,
        version.steps,
        policy.is_active,
    )
    revision = revision_of(policy.name, policy.conditions, policy.current_version, policy.is_active, policy.position)
    terms = make_terms(version, name=policy.name)
    return PolicyView(policy.id, policy.position, policy.current_version, draft, terms, _open_count(session, policy.id), revision)


def versions_of(policy_id: int) -> sa.Select[Any]:
    return pick(SlaPolicyVersion.id).where(col(SlaPolicyVersion.policy_id) == policy_id)


def _open_count(session: Session, policy_id: int) -> int:
    wanted = sa.select(sa.func.count()).select_from(Ticket)
    wanted = wanted.where(col(Ticket.state).in_(UNDONE), col(Ticket.sla_policy_version_id).in_(versions_of(policy_id)))
    return int(session.execute(wanted).scalar_one())


def draft_version(session: Session, draft: PolicyDraft, *, now: datetime) -> SlaPolicyVersion:
    """The version that a draft would become, checked and not stored. Raises InvalidInput or CalendarNotFound, naming the field."""
    targets = parse_targets({clock: getattr(draft, f"{clock}_seconds") for clock in CLOCKS})
    pauses = {state: sorted(clocks) for state, clocks in parse_pauses(draft.pauses).items()}
    steps = parse_steps(draft.steps)
    for number, step in enumerate(steps, 1):
        _check_to(number, step.to)
        if step.clock not in targets:
            raise InvalidInput(f"Step {number} is about a {step.clock.replace('_', ' ')} that is not promised.", field="steps")
    row = calendars.calendar_row(session, draft.calendar_id)
    calendar = calendars.draft_of(session, row).checked(now=now, id=row.id)
    seconds = {f"{clock}_seconds": int(targets[clock].total_seconds()) if clock in targets else None for clock in CLOCKS}
    return SlaPolicyVersion(
        policy_id=0,
        version=0,
        calendar=calendar.document(),
        pauses=pauses,
        steps=[{"clock": step.clock, "at": step.at, "do": step.do, "to": dict(step.to)} for step in steps],
        created_at=now,
        **seconds,
    )


def _check_to(number: int, to: Mapping[str, Any]) -> None:
    unknown = set(to) - _TOLD
    wrong_roles = [role for role in to.get("roles", []) if role not in tuple(Role)]
    ids = [*to.get("staff", []), *([to["team_id"]] if to.get("team_id") is not None else [])]
    if unknown or wrong_roles or not all(isinstance(one, int) for one in ids):
        raise InvalidInput(f"Step {number}: it is not clear who hears of it.", field="steps")
    if to.get("priority") not in (None, "up", *Priority):
        raise InvalidInput(f"Step {number}: '{to['priority']}' is no priority.", field="steps")


def save_policy(
    session: Session,
    *,
    actor: Principal,
    policy_id: int | None,
    draft: PolicyDraft,
    expected_revision: str | None = None,
    apply_to_open: bool = False,
    now: datetime,
) -> SlaPolicy:
    """Keep a policy; other terms become a new version. With `apply_to_open`, the open tickets that have it follow from this moment on.

    Raises Forbidden, InvalidInput, PolicyNotFound, PolicyNameTaken or Stale.
    """
    actor.require(Permission.DESK_EDIT)
    name = draft.name.replace("\x00", "").strip()
    if not 0 < len(name) <= _MAX_NAME:
        raise InvalidInput(f"Give it a name of at most {_MAX_NAME} characters.", field="name")
    conditions = _checked_conditions(draft.conditions)
    wanted = draft_version(session, draft, now=now)
    taken = sa.exists().where(col(SlaPolicy.name) == name, col(SlaPolicy.id) != (policy_id or 0))
    if session.execute(sa.select(taken)).scalar_one():
        raise PolicyNameTaken(field="name")
    if policy_id is None:
        policy, before = SlaPolicy(position=_next_position(session), name=name, current_version=0), None
    else:
        policy = _locked(session, policy_id)
        view = _view(session, policy)
        require(expected_revision, view.revision)
        before = _said(policy, current_version(session, policy))
    policy.name, policy.conditions, policy.is_active = name, conditions, draft.is_active
    session.add(policy)
    session.flush()
    version = _kept_version(session, policy, wanted)
    audit.record(session, actor, "sla.policy", target=("sla_policy", policy.id), now=now, before=before, after=_said(policy, version))
    if apply_to_open:
        let_follow(session, actor=actor, policy=policy, version=version, now=now)
    publish(session, "sla", policy.id)
    return policy


def _locked(session: Session, policy_id: int) -> SlaPolicy:
    wanted = select(SlaPolicy).where(SlaPolicy.id == policy_id).with_for_update().execution_options(populate_existing=True)
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise PolicyNotFound
    return found


def _checked_conditions(conditions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    checked = {}
    for name, values in conditions.items():
        if name not in CONDITIONS or not set(values) <= set(CONDITIONS[name]):
            raise InvalidInput(f"A policy cannot ask for {name} = {', '.join(map(str, values))}.", field="conditions")
        if values:
            checked[name] = [value for value in CONDITIONS[name] if value in values]
    return checked


def _next_position(session: Session) -> int:
    return (session.execute(sa.select(sa.func.max(col(SlaPolicy.position)))).scalar_one() or 0) + 1


def _kept_version(session: Session, policy: SlaPolicy, wanted: SlaPolicyVersion) -> SlaPolicyVersion:
    """The current version if the terms are the same, else `wanted` as the next one."""
    assert policy.id is not None
    if policy.current_version:
        stands = current_version(session, policy)
        if all(getattr(stands, name) == getattr(wanted, name) for name in _TERMS):
            return stands
    wanted.policy_id, wanted.version = policy.id, policy.current_version + 1
    policy.current_version = wanted.version
    session.add(wanted)
    session.flush()
    return wanted


def _said(policy: SlaPolicy, version: SlaPolicyVersion) -> dict[str, Any]:
    terms = {name: getattr(version, name) for name in _TERMS if name != "calendar"}
    said = {"name": policy.name, "conditions": policy.conditions, "is_active": policy.is_active, "version": version.version}
    return said | terms | {"calendar": version.calendar["name"]}


def let_follow(session: Session, *, actor: Principal, policy: SlaPolicy, version: SlaPolicyVersion, now: datetime) -> int:
    """Put every open ticket of the policy under this version from now on; answers how many.

    Two statements, however many tickets: the change is written into each history, and each is due to be looked at by the next tick, which
    replays it. Nothing is half done when a process dies in between, and time that was counted stays counted.
    """
    why = f"“{policy.name}” was changed (version {version.version}), and open tickets follow"
    picked = (
        "SELECT id FROM ticket WHERE state IN ('new', 'open', 'pending', 'on_hold') AND sla_policy_version_id <> :version"
        " AND sla_policy_version_id IN (SELECT id FROM sla_policy_version WHERE policy_id = :policy) ORDER BY id FOR UPDATE"
    )
    moved = session.execute(
        sa.text(
            f"WITH picked AS MATERIALIZED ({picked}), written AS ("  # noqa: S608 - a constant
            " INSERT INTO ticket_event (ticket_id, at, actor, kind, data)"
            " SELECT id, :now, :actor, 'policy', jsonb_build_object('version_id', CAST(:version AS bigint), 'why', CAST(:why AS text))"
            " FROM picked RETURNING ticket_id)"
            " UPDATE ticket SET sla_policy_version_id = :version, sla_next_at = :now, change_number = change_number + 1, updated_at = :now"
            " FROM picked WHERE ticket.id = picked.id RETURNING ticket.id"
        ),
        {"version": version.id, "policy": policy.id, "now": now, "actor": actor.label, "why": why},
    ).all()
    for known in [one for one in session.identity_map.values() if isinstance(one, Ticket)]:
        session.expire(known)
    if moved:
        ring(session, TICK_JOB)
        publish(session, "tickets", None)
    return len(moved)


def put_in_order(session: Session, *, actor: Principal, ids: Sequence[int], now: datetime) -> None:
    """Try the policies in this order from now on. Raises Forbidden, or InvalidInput when it does not name each of them once."""
    actor.require(Permission.DESK_EDIT)
    policies = {one.id: one for one in session.exec(select(SlaPolicy).order_by(col(SlaPolicy.id)).with_for_update()).all()}
    if sorted(ids) != sorted(one for one in policies if one is not None):
        raise InvalidInput("Name every policy once; somebody may have added one meanwhile.", field="ids")
    before = [one.name for one in sorted(policies.values(), key=lambda one: one.position)]
    # Positions are unique: first out of the way, then into place.
    for policy in policies.values():
        policy.position = -policy.position
    session.flush()
    for position, policy_id in enumerate(ids, 1):
        policies[policy_id].position = position
    session.flush()
    after = [policies[one].name for one in ids]
    audit.record(session, actor, "sla.order", target=("sla_policy", 0), now=now, before={"order": before}, after={"order": after})
    publish(session, "sla", None)


def save_calendar(
    session: Session,
    *,
    actor: Principal,
    calendar_id: int | None,
    draft: CalendarDraft,
    expected_revision: str | None = None,
    apply_to_open: bool = False,
    now: datetime,
) -> BusinessCalendar:
    """Keep a calendar; every policy that counts by it gets a new version. Raises what calendars.keep_calendar raises."""
    row = calendars.keep_calendar(session, actor=actor, calendar_id=calendar_id, draft=draft, expected_revision=expected_revision, now=now)
    for policy in users_of(session, row.id):
        view = _view(session, policy)
        version = _kept_version(session, policy, draft_version(session, replace(view.draft), now=now))
        if apply_to_open:
            let_follow(session, actor=actor, policy=policy, version=version, now=now)
    publish(session, "sla", None)
    return row


def users_of(session: Session, calendar_id: int | None) -> list[SlaPolicy]:
    """The policies whose current version counts by this calendar, locked in the order of their ids."""
    rows = session.exec(select(SlaPolicy).order_by(col(SlaPolicy.id)).with_for_update()).all()
    return [one for one in rows if current_version(session, one).calendar["id"] == calendar_id]
