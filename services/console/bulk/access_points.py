"""Access points: several said to stand at one site, or left to discovery again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.console.bulk.errors import ChangedSince
from services.console.bulk.shape import Action, Answers, Ask, Doing, Done, Line, Question, W, Why
from services.network.access_point_queries import AccessPointNotFound
from services.network.desk import change_access_point
from services.network.models import AccessPoint, SetBy, Site
from services.network.site_queries import SiteNotFound, site_choices

NO_SITE = "0"


class _OnAccessPoints(Action[W]):
    page = "access-points"
    things = ("access point", "access points")
    permission = Permission.NETWORK_EDIT
    why = Why.NEVER

    def will(self, session: Session, point: AccessPoint, wish: W) -> tuple[str, ...]:
        """What would become of it; nothing if it is so already."""
        raise NotImplementedError

    def carry(self, session: Session, point_id: int, wish: W, doing: Doing) -> None:
        raise NotImplementedError

    def look(self, session: Session, row_ids: Collection[int], wish: W, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(AccessPoint).where(col(AccessPoint.id).in_(row_ids))).all()
        return [Line(point.id or 0, point.name, self.will(session, point, wish)) for point in found]

    def apply(self, session: Session, row_id: int, wish: W, doing: Doing) -> Done | None:
        point = session.get(AccessPoint, row_id, with_for_update=True, populate_existing=True)
        if point is None:
            raise AccessPointNotFound
        will = self.will(session, point, wish)
        if not will:
            return None
        before = _place(point)
        self.carry(session, row_id, wish, doing)
        return Done("; ".join(will), {"before": before, "after": _place(point)})

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        point = session.get_one(AccessPoint, row_id, with_for_update=True, populate_existing=True)
        if _place(point) != kept["after"]:
            raise ChangedSince("It was said to stand elsewhere since, so it stays there.")
        site_id, set_by = kept["before"]
        point_id, actor, now = row_id, doing.actor, doing.now
        if point.site_id != site_id:
            change_access_point(
                session, actor=actor, access_point_id=point_id, changes={"site_id": site_id}, expected_revision=None, now=now
            )
        if set_by == SetBy.DISCOVERY:
            _leave(session, point_id, doing)
        elif point.site_set_by is SetBy.DISCOVERY:
            change_access_point(
                session, actor=actor, access_point_id=point_id, changes={"site_id": site_id}, expected_revision=None, now=now
            )
        return ""


class PutAtSite(_OnAccessPoints[int]):
    name = "access-point.site"
    label = "Put at a site"
    meaning = "What staff say stands: discovery leaves it alone until it is told to decide again."

    def questions(self, session: Session, *, actor: Principal) -> tuple[Question, ...]:
        sites = site_choices(session, actor=actor)
        return (Question("site", "Site", Ask.CHOICE, {NO_SITE: "No site", **sites}, is_needed=True),)

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> int:
        """The site's number; 0 is none."""
        site_id = int(answers["site"])
        if site_id and session.get(Site, site_id) is None:
            raise SiteNotFound(field="site")
        return site_id

    def will(self, session: Session, point: AccessPoint, wish: int) -> tuple[str, ...]:
        if point.site_id == (wish or None) and point.site_set_by is SetBy.STAFF:
            return ()
        name = session.get_one(Site, wish).name if wish else "no site"
        return (f"stands there because staff say so: {name}" if point.site_id == (wish or None) else f"put at {name}",)

    def carry(self, session: Session, point_id: int, wish: int, doing: Doing) -> None:
        change_access_point(
            session,
            actor=doing.actor,
            access_point_id=point_id,
            changes={"site_id": wish or None},
            expected_revision=None,
            now=doing.now,
        )


class LeaveToDiscovery(_OnAccessPoints[None]):
    name = "access-point.discovery"
    label = "Leave the site to discovery"
    meaning = "Where they stand is what OpenWISP says, from the next discovery on."

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def will(self, session: Session, point: AccessPoint, wish: None) -> tuple[str, ...]:
        return ("discovery decides its site",) if point.site_set_by is SetBy.STAFF else ()

    def carry(self, session: Session, point_id: int, wish: None, doing: Doing) -> None:
        _leave(session, point_id, doing)


def _leave(session: Session, point_id: int, doing: Doing) -> None:
    change_access_point(
        session,
        actor=doing.actor,
        access_point_id=point_id,
        changes={"site_set_by": "discovery"},
        expected_revision=None,
        now=doing.now,
    )


def _place(point: AccessPoint) -> list[Any]:
    return [point.site_id, point.site_set_by.value]


ACTIONS = (PutAtSite(), LeaveToDiscovery())
