"""Views of the console's lists: one's own, and those that somebody put there for everybody."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.console import views
from services.console.lists import LISTS, ListNotFound
from services.console.views import ViewNameTaken, ViewNotFound
from tests.conftest import NOON
from tests.services.tickets.people import a_person


def somebody(session: Session, name: str, role: Role = Role.CUSTOMER_CARE) -> Principal:
    return principal_of(a_person(session, f"{name}@inet.test", role=role))


def test_a_view_is_the_owners_until_somebody_of_the_desk_shares_it(session: Session) -> None:
    awa, admin = somebody(session, "awa"), somebody(session, "admin", Role.SYSTEM_ADMIN)
    own = views.save_view(
        session, actor=awa, page="tickets", name=" Urgent  ones ", query={"priority": "urgent"}, is_shared=False, now=NOON
    )
    assert (own.name, dict(own.query), own.is_own) == ("Urgent ones", {"priority": "urgent"}, True)
    assert views.list_views(session, actor=admin, page="tickets") == ()
    with pytest.raises(ViewNameTaken):
        views.save_view(session, actor=awa, page="tickets", name="urgent ONES", query={}, is_shared=False, now=NOON)
    with pytest.raises(Forbidden):
        views.save_view(session, actor=awa, page="tickets", name="For all", query={}, is_shared=True, now=NOON)
    shared = views.save_view(session, actor=admin, page="tickets", name="For all", query={"due": "late"}, is_shared=True, now=NOON)
    assert [one.name for one in views.list_views(session, actor=awa, page="tickets")] == ["For all", "Urgent ones"]
    with pytest.raises(Forbidden):
        views.delete_view(session, actor=awa, view_id=shared.id, now=NOON)
    with pytest.raises(ViewNotFound):
        views.delete_view(session, actor=admin, view_id=own.id, now=NOON)
    views.delete_view(session, actor=awa, view_id=own.id, now=NOON)
    assert [one.name for one in views.list_views(session, actor=awa, page="tickets")] == ["For all"]


def test_a_view_belongs_to_its_list_and_is_for_those_who_may_read_it(session: Session) -> None:
    care, billing = somebody(session, "care"), somebody(session, "billing", Role.BILLING_OFFICER)
    views.save_view(session, actor=billing, page="payments", name="Waiting", query={"needs": "yes"}, is_shared=True, now=NOON)
    assert [one.name for one in views.list_views(session, actor=care, page="payments")] == ["Waiting"]
    assert views.list_views(session, actor=care, page="vouchers") == ()
    with pytest.raises(Forbidden):
        views.list_views(session, actor=care, page="findings")
    with pytest.raises(Forbidden):
        views.save_view(session, actor=care, page="payments", name="Mine for all", query={}, is_shared=True, now=NOON)
    with pytest.raises(ListNotFound):
        views.list_views(session, actor=care, page="nothing")


def test_another_person_with_the_right_to_share_may_take_a_shared_view_away(session: Session) -> None:
    billing, root = somebody(session, "billing", Role.BILLING_OFFICER), somebody(session, "root", Role.ROOT)
    view = views.save_view(session, actor=billing, page="payments", name="Waiting", query={"needs": "yes"}, is_shared=True, now=NOON)
    views.delete_view(session, actor=root, view_id=view.id, now=NOON)
    assert views.list_views(session, actor=root, page="payments") == ()
    said = session.exec(select(AuditEntry.action).where(AuditEntry.target_type == "view").order_by(AuditEntry.id)).all()  # type: ignore[arg-type]
    assert said == ["view.share", "view.delete"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 41])
def test_a_view_without_a_fitting_name_is_refused(session: Session, name: str) -> None:
    with pytest.raises(InvalidInput):
        views.save_view(session, actor=somebody(session, "awa"), page="payments", name=name, query={}, is_shared=False, now=NOON)


def test_nobody_keeps_more_than_thirty_views_of_a_list(session: Session) -> None:
    awa = somebody(session, "awa")
    for number in range(30):
        views.save_view(session, actor=awa, page="payments", name=f"View {number}", query={}, is_shared=False, now=NOON)
    with pytest.raises(InvalidInput):
        views.save_view(session, actor=awa, page="payments", name="One more", query={}, is_shared=False, now=NOON)
    views.save_view(session, actor=awa, page="vouchers", name="One more", query={}, is_shared=False, now=NOON)


def test_who_may_share_a_lists_views_may_read_the_list_in_every_role() -> None:
    odd = [
        (name, role)
        for name, rules in LISTS.items()
        for role, held in ROLE_PERMISSIONS.items()
        if rules.share in held and rules.read not in held
    ]
    assert odd == []
    assert all(isinstance(rules.read, Permission) for rules in LISTS.values())
