"""Messages that were given up: several sent once more, or taken off the list."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.errors import DomainError
from services.accounts.permissions import Permission, Principal
from services.console.bulk.shape import Action, Answers, Doing, Done, Line, Why
from services.notifications import desk
from services.notifications.desk import GIVEN_UP, NotOnTheList, OneTimeOver, WordsGone
from services.notifications.events import EVENTS
from services.notifications.models import Notification, NotificationState, Urgency


class _OnMessages(Action[None]):
    page = "messages"
    things = ("message", "messages")
    permission = Permission.NOTIFICATIONS_EDIT

    def will(self, message: Notification) -> tuple[str, ...]:
        raise NotImplementedError

    def why_not(self, message: Notification) -> type[DomainError] | None:
        return None if message.state in GIVEN_UP else NotOnTheList

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def look(self, session: Session, row_ids: Collection[int], wish: None, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(Notification).where(col(Notification.id).in_(row_ids))).all()
        return [self._line(message) for message in found]

    def _line(self, message: Notification) -> Line:
        assert message.id is not None
        event = EVENTS.get(message.event)
        name, why = f"No. {message.id}: {event.title if event else message.event}", self.why_not(message)
        if why is not None:
            return Line(message.id, name, why_not=why.message)
        will = self.will(message)
        return Line(message.id, name, will, tells=self.why is Why.ALWAYS and bool(will) and message.staff_id is None)


class SendAgain(_OnMessages):
    name = "message.send"
    label = "Send again"
    meaning = "Each goes out once more. One whose answer was lost may have arrived, and then comes twice."
    stays = "What was sent cannot be called back."

    def will(self, message: Notification) -> tuple[str, ...]:
        again = "sent again, perhaps a second time" if message.state is NotificationState.UNKNOWN else "sent again"
        return (again,)

    def why_not(self, message: Notification) -> type[DomainError] | None:
        if message.state not in GIVEN_UP:
            return NotOnTheList
        if message.urgency is Urgency.ONE_TIME:
            return OneTimeOver
        return None if message.body_sealed else WordsGone

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        desk.retry(session, actor=doing.actor, notification_id=row_id, now=doing.now)
        return Done("It is being sent.")


class TakeOff(_OnMessages):
    name = "message.dismiss"
    label = "Take off the list"
    meaning = "Nobody has to look at them any more. Nothing is sent."
    why = Why.NEVER

    def will(self, message: Notification) -> tuple[str, ...]:
        return ("off the list",) if message.dismissed_at is None else ()

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        message = session.get(Notification, row_id, with_for_update=True, populate_existing=True)
        if message is not None and message.state in GIVEN_UP and message.dismissed_at is not None:
            return None
        desk.dismiss(session, actor=doing.actor, notification_id=row_id, now=doing.now)
        return Done("Off the list.", {"dismissed_at": doing.now.isoformat()})

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        dismissed_at = datetime.fromisoformat(kept["dismissed_at"])
        desk.put_back(session, actor=doing.actor, notification_id=row_id, dismissed_at=dismissed_at, now=doing.now)
        return ""


ACTIONS = (SendAgain(), TakeOff())
