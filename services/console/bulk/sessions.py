"""Access sessions: several ended at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from services.access.models import AccessSession, SessionState
from services.access.sessions_desk import end_session_now
from services.accounts.permissions import Permission, Principal
from services.console.bulk.shape import Action, Answers, Doing, Done, Line


class EndSessions(Action[None]):
    name = "session.end"
    page = "sessions"
    label = "End"
    meaning = (
        "The customers' time ends here and now, and no router lets them in again with it. A router with our script puts them out within a "
        "minute or two; any other keeps them online until the time it was given is over."
    )
    things = ("session", "sessions")
    permission = Permission.SESSIONS_END
    is_grave = True
    stays = "A router that has put somebody out cannot be told otherwise. Make a voucher for whom it was not meant."

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def look(self, session: Session, row_ids: Collection[int], wish: None, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(AccessSession).where(col(AccessSession.id).in_(row_ids))).all()
        return [_line(row) for row in found]

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        row = session.get(AccessSession, row_id, with_for_update=True, populate_existing=True)
        if row is not None and row.state is SessionState.ENDED:
            return None
        ended = end_session_now(session, actor=doing.actor, session_id=row_id, reason=doing.reason, now=doing.now)
        return Done("Ended: the router puts the phone out." if ended.is_put_out else "Ended: online until the router's own end.")


def _line(row: AccessSession) -> Line:
    assert row.id is not None
    return Line(row.id, f"No. {row.id}", () if row.state is SessionState.ENDED else ("its time ends",))


ACTIONS = (EndSessions(),)
