"""Staff's own words: written in versions, the newest active one is used; what was sent stays as it was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications.events import EVENTS, Event
from services.notifications.models import Medium, NotificationTemplate
from services.notifications.rendering import check, render
from services.notifications.segments import Cost, cost_of
from services.notifications.wording import LANGUAGES, Words, languages_of, shipped


class NoSuchEvent(NotFound):
    code, title = "no_such_event", "No such event"
    message = "Nobody is told of that."


class BadLanguage(InvalidInput):
    code, title = "bad_language", "That language is not known here"
    message = f"Templates are written in {', '.join(LANGUAGES.values())}."


class TemplateChanged(Conflict):
    code, title = "template_changed", "Somebody else changed it first"
    message = "A newer version was saved since you opened it. Read that one, and make your change to it."


@dataclass(frozen=True)
class Wording:
    """The words in use for one event, medium and language. `version` 0: those that come with the product."""

    event: Event
    medium: Medium
    language: str
    words: Words
    version: int
    made_by: str | None = None
    made_at: datetime | None = None


@dataclass(frozen=True)
class Preview:
    """How it reads with the event's sample values, and what it costs as a text."""

    words: Words
    cost: Cost | None


def list_wordings(session: Session, *, actor: Principal) -> list[Wording]:
    """The words in use, in the order of the events. Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    own = {
        (made.event, made.medium, made.language): made
        for made in session.exec(select(NotificationTemplate).where(col(NotificationTemplate.is_active))).all()
    }
    found = []
    for event in EVENTS.values():
        for medium in event.media:
            wanted = dict.fromkeys((*languages_of(event.name), *(key[2] for key in own if key[:2] == (event.name, medium))))
            found += [_wording(event, medium, language, own.get((event.name, medium, language))) for language in wanted]
    return found


def wording(session: Session, *, actor: Principal, event: str, medium: Medium, language: str) -> Wording:
    """Raises NoSuchEvent, BadLanguage, Forbidden."""
    actor.require(Permission.NOTIFICATIONS_READ)
    known = _known(event, medium, language)
    wanted = _of(event, medium, language) & col(NotificationTemplate.is_active)
    return _wording(known, medium, language, session.exec(select(NotificationTemplate).where(wanted)).one_or_none())


def history(session: Session, *, actor: Principal, event: str, medium: Medium, language: str) -> Sequence[NotificationTemplate]:
    """Every version that was saved, the newest first."""
    actor.require(Permission.NOTIFICATIONS_READ)
    wanted = select(NotificationTemplate).where(_of(event, medium, language)).order_by(col(NotificationTemplate.version).desc())
    return session.exec(wanted.limit(50)).all()


def preview(event: str, medium: Medium, *, subject: str, body: str, values: Mapping[str, object] | None = None) -> Preview:
    """Raises NoSuchEvent, and BadTemplate saying what would not work."""
    known = _known(event, medium, "en")
    check(known, medium, subject=subject, body=body)
    shown = values or known.sample
    words = Words(render(subject, shown), render(body, shown))
    return Preview(words, cost_of(words.body) if medium is Medium.SMS else None)


def save(
    session: Session,
    *,
    actor: Principal,
    event: str,
    medium: Medium,
    language: str,
    subject: str,
    body: str,
    after_version: int | None = None,
    now: datetime,
) -> NotificationTemplate:
    """A new version, in use from now on. Raises Forbidden, NoSuchEvent, BadLanguage, BadTemplate, TemplateChanged."""
    actor.require(Permission.DESK_EDIT)
    known = _known(event, medium, language)
    subject, body = subject.strip(), body.strip()
    check(known, medium, subject=subject, body=body)
    before = _retire(session, event, medium, language, after_version)
    made = NotificationTemplate(
        event=event,
        medium=medium,
        language=language,
        version=_newest(session, event, medium, language) + 1,
        subject=subject,
        body=body,
        made_by=actor.label,
        created_at=now,
    )
    session.add(made)
    session.flush()
    _note(session, actor, made, before, {"version": made.version, "subject": subject, "body": body}, now=now)
    return made


def restore(
    session: Session, *, actor: Principal, event: str, medium: Medium, language: str, after_version: int | None = None, now: datetime
) -> None:
    """Go back to the words that come with the product. Raises Forbidden, TemplateChanged."""
    actor.require(Permission.DESK_EDIT)
    _known(event, medium, language)
    before = _retire(session, event, medium, language, after_version)
    if before is not None:
        words = shipped(event, medium, language)
        _note(session, actor, before, before, {"version": 0, "subject": words.subject, "body": words.body}, now=now)


def _retire(session: Session, event: str, medium: Medium, language: str, after_version: int | None) -> NotificationTemplate | None:
    # Two people saving at once: the second one sees the first one's version and is refused.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"template:{event}:{medium}:{language}"))))
    wanted = select(NotificationTemplate).where(_of(event, medium, language), col(NotificationTemplate.is_active))
    active = session.exec(wanted.execution_options(populate_existing=True)).one_or_none()
    if after_version is not None and (active.version if active else 0) != after_version:
        raise TemplateChanged
    if active is not None:
        active.is_active = False
        session.flush()
    return active


def _newest(session: Session, event: str, medium: Medium, language: str) -> int:
    return session.execute(sa.select(sa.func.max(col(NotificationTemplate.version))).where(_of(event, medium, language))).scalar() or 0


def _note(
    session: Session,
    actor: Principal,
    template: NotificationTemplate,
    before: NotificationTemplate | None,
    after: dict[str, object],
    *,
    now: datetime,
) -> None:
    old = {"version": before.version, "subject": before.subject, "body": before.body} if before else {"version": 0}
    target = f"{template.event}/{template.medium.value}/{template.language}"
    audit.record(session, actor, "template.save", target=("template", target), now=now, before=old, after=after)


def _of(event: str, medium: Medium, language: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        col(NotificationTemplate.event) == event,
        col(NotificationTemplate.medium) == medium,
        col(NotificationTemplate.language) == language,
    )


def _known(event: str, medium: Medium, language: str) -> Event:
    known = EVENTS.get(event)
    if known is None or medium not in known.media:
        raise NoSuchEvent
    if language not in LANGUAGES:
        raise BadLanguage(field="language")
    return known


def _wording(event: Event, medium: Medium, language: str, own: NotificationTemplate | None) -> Wording:
    if own is None:
        return Wording(event, medium, language, shipped(event.name, medium, language), 0)
    return Wording(event, medium, language, Words(own.subject, own.body), own.version, own.made_by, own.created_at)
