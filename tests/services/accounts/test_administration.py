from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import Conflict, Forbidden, InvalidInput
from services.accounts import administration as admin
from services.accounts import links, sessions
from services.accounts.errors import LastRoot, LinkSpent, NotYourself, OnlyRoot, StaffExists, StaffNotFound, WeakPassword
from services.accounts.models import RecoveryCode, Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.accounts.staff import log_in, principal_for_session
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff, acting, with_second_factor

pytestmark = pytest.mark.usefixtures("uncounted")
WHY = "asked by phone"
NEW = "tangerine bicycle under moon"
Act = Callable[[Session, Principal, int], object]
ACTS: dict[str, Act] = {
    "change_role": lambda session, actor, whom: admin.change_role(
        session, actor=actor, staff_id=whom, role=Role.FIELD_TECHNICIAN, reason=WHY, now=NOON
    ),
    "disable": lambda session, actor, whom: admin.disable(session, actor=actor, staff_id=whom, reason=WHY, now=NOON),
    "enable": lambda session, actor, whom: admin.enable(session, actor=actor, staff_id=whom, reason=WHY, now=NOON),
    "reset_second_factor": lambda session, actor, whom: admin.reset_second_factor(
        session, actor=actor, staff_id=whom, reason=WHY, now=NOON
    ),
    "make_link": lambda session, actor, whom: admin.make_link(session, actor=actor, staff_id=whom, reason=WHY, now=NOON),
    "log_out_everywhere": lambda session, actor, whom: admin.log_out_everywhere(session, actor=actor, staff_id=whom, reason=WHY, now=NOON),
}


def id_of(staff: Staff) -> int:
    assert staff.id is not None
    return staff.id


def token_in(link: str) -> str:
    return link.partition("#")[2]


def last_audit(session: Session) -> AuditEntry:
    return session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).all()[0]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("role", [role for role in Role if Permission.STAFF_EDIT not in ROLE_PERMISSIONS[role]])
def test_who_may_not_edit_staff_does_nothing_to_anybody(session: Session, make_staff: MakeStaff, act: Act, role: Role) -> None:
    actor, other = make_staff("Actor", role), make_staff("Other")
    with pytest.raises(Forbidden):
        act(session, acting(actor), id_of(other))


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_nobody_does_it_to_themselves(session: Session, make_staff: MakeStaff, act: Act) -> None:
    root, _ = make_staff("Root", Role.ROOT), make_staff("Second", Role.ROOT)
    with pytest.raises(NotYourself):
        act(session, acting(root), id_of(root))


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("role", [Role.ROOT, Role.SYSTEM_ADMIN])
def test_only_root_touches_root_and_system_admin(session: Session, make_staff: MakeStaff, act: Act, role: Role) -> None:
    root, system_admin, other = make_staff("Root", Role.ROOT), make_staff("Sys", Role.SYSTEM_ADMIN), make_staff("Other", role)
    with pytest.raises(OnlyRoot):
        act(session, acting(system_admin), id_of(other))
    act(session, acting(root), id_of(other))


def test_a_system_admin_makes_neither_root_nor_system_admin(session: Session, make_staff: MakeStaff) -> None:
    actor, care = acting(make_staff("Sys", Role.SYSTEM_ADMIN)), make_staff("Care")
    for role in (Role.ROOT, Role.SYSTEM_ADMIN):
        with pytest.raises(OnlyRoot):
            admin.invite_staff(session, actor=actor, email="new@test.gm", name="", role=role, now=NOON)
        with pytest.raises(OnlyRoot):
            admin.change_role(session, actor=actor, staff_id=id_of(care), role=role, reason=WHY, now=NOON)
    assert set(admin.roles_open_to(actor)) == {Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_unknown_person_is_not_found(session: Session, make_staff: MakeStaff, act: Act) -> None:
    with pytest.raises(StaffNotFound):
        act(session, acting(make_staff("Root", Role.ROOT)), 10**12)


@pytest.mark.parametrize("act", [ACTS["change_role"], ACTS["disable"]])
def test_the_last_root_that_can_log_in_stays(session: Session, make_staff: MakeStaff, act: Act) -> None:
    last = make_staff("Root", Role.ROOT)
    make_staff("Gone", Role.ROOT, is_active=False)
    make_staff("Invited", Role.ROOT, password_hash="")
    # As it was in the moment in which the page was drawn: by now this person is a Root no more.
    actor = Principal("staff", 10**12, "Late", ROLE_PERMISSIONS[Role.ROOT], Role.ROOT, "late@test.gm")
    with pytest.raises(LastRoot):
        act(session, actor, id_of(last))
    make_staff("Second", Role.ROOT)
    act(session, actor, id_of(last))


def test_two_roots_who_demote_each_other_at_once_leave_one(database: sa.Engine) -> None:
    with transaction() as session:
        pair = [Staff(email=f"{name}@test.gm", name=name, role=Role.ROOT, password_hash="x", created_at=NOON) for name in ("a", "b")]
        session.add_all(pair)
        session.flush()
        first, second = (acting(staff) for staff in pair)
    together, refused = threading.Barrier(2), []

    def demote(actor: Principal, whom: Principal) -> None:
        together.wait()
        try:
            with transaction() as own:
                admin.change_role(own, actor=actor, staff_id=whom.id, role=Role.CUSTOMER_CARE, reason=WHY, now=NOON)
        except LastRoot:
            refused.append(actor.name)

    pairs = [threading.Thread(target=demote, args=args) for args in ((first, second), (second, first))]
    for one in pairs:
        one.start()
    for one in pairs:
        one.join(30)
    assert len(refused) == 1
    with transaction() as session:
        assert len(session.exec(select(Staff).where(Staff.role == Role.ROOT)).all()) == 1


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"enable"}))
def test_the_sessions_of_the_person_end_with_it(session: Session, make_staff: MakeStaff, name: str) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa")
    token = log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)
    assert len(admin.sessions_of(session, actor=root, staff_id=id_of(awa))) == 1
    ACTS[name](session, root, id_of(awa))
    assert principal_for_session(session, token) is None
    assert admin.sessions_of(session, actor=root, staff_id=id_of(awa)) == ()


def test_enabling_again_does_not_bring_old_sessions_back(session: Session, make_staff: MakeStaff) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa")
    token = log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)
    ACTS["disable"](session, root, id_of(awa))
    ACTS["enable"](session, root, id_of(awa))
    assert principal_for_session(session, token) is None
    assert log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)


@pytest.mark.parametrize("name", ACTS)
def test_each_is_audited_with_its_reason_and_refused_without_one(session: Session, make_staff: MakeStaff, name: str) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa", is_active=name != "enable")
    ACTS[name](session, root, id_of(awa))
    row = last_audit(session)
    assert (row.actor, row.target_type, row.target_id) == ("staff:root@test.gm", "staff", str(awa.id))
    assert row.after is not None
    assert row.after["reason"] == WHY
    with pytest.raises(InvalidInput, match="why"):
        admin.log_out_everywhere(session, actor=root, staff_id=id_of(awa), reason="  ", now=NOON)


def test_resetting_the_second_factor_takes_the_recovery_codes_too(session: Session, make_staff: MakeStaff) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa")
    with_second_factor(session, awa)
    ACTS["reset_second_factor"](session, root, id_of(awa))
    assert not awa.has_second_factor
    assert session.exec(select(RecoveryCode)).all() == []
    assert log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)


def test_an_invited_person_chooses_a_password_and_only_then_logs_in(session: Session, make_staff: MakeStaff) -> None:
    root = acting(make_staff("Root", Role.ROOT))
    invitation = admin.invite_staff(session, actor=root, email=" Binta@Test.GM ", name="Binta Jow", role=Role.BILLING_OFFICER, now=NOON)
    assert last_audit(session).action == "staff.invite"
    assert token_in(invitation.link) not in str(last_audit(session).model_dump())
    with pytest.raises(WeakPassword):
        links.set_password(session, token=token_in(invitation.link), password="binta jow 2026", now=NOON)
    links.set_password(session, token=token_in(invitation.link), password=NEW, now=NOON + timedelta(days=2))
    principal = principal_for_session(session, log_in(session, email="binta@test.gm", password=NEW, now=NOON))
    assert principal is not None
    assert principal.role is Role.BILLING_OFFICER
    with pytest.raises(StaffExists):
        admin.invite_staff(session, actor=root, email="BINTA@test.gm", name="", role=Role.CUSTOMER_CARE, now=NOON)


def test_a_disabled_person_gets_no_link(session: Session, make_staff: MakeStaff) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa", is_active=False)
    with pytest.raises(Conflict, match="disabled"):
        ACTS["make_link"](session, root, id_of(awa))


def test_a_reset_link_works_once_and_ends_every_session(session: Session, make_staff: MakeStaff) -> None:
    awa = make_staff("Awa")
    old = log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)
    token = token_in(links.make_link(awa, "reset", now=NOON))
    assert principal_for_session(session, old) is not None
    links.set_password(session, token=token, password=NEW, now=NOON)
    assert principal_for_session(session, old) is None
    assert last_audit(session).action == "staff.reset_password"
    with pytest.raises(LinkSpent):
        links.set_password(session, token=token, password="another good one, truly", now=NOON)
    assert log_in(session, email="awa@test.gm", password=NEW, now=NOON)


def test_a_link_is_refused_when_it_is_old_forged_anothers_or_withdrawn(session: Session, make_staff: MakeStaff) -> None:
    root, awa, other = acting(make_staff("Root", Role.ROOT)), make_staff("Awa"), make_staff("Other")
    token = token_in(links.make_link(awa, "reset", now=NOON))
    assert links.holder_of(session, token, now=NOON + timedelta(minutes=29)) is awa
    flipped = token[:-4] + ("A" if token[-4] != "A" else "B") + token[-3:]
    for bad, at in [
        (token, NOON + timedelta(minutes=30)),
        (flipped, NOON),
        ("", NOON),
        ("é" * 20, NOON),
        ("\ud800", NOON),
        (token * 9, NOON),
    ]:
        with pytest.raises(LinkSpent):
            links.holder_of(session, bad, now=at)
    assert links.holder_of(session, token_in(links.make_link(other, "reset", now=NOON)), now=NOON) is other
    ACTS["make_link"](session, root, id_of(awa))
    with pytest.raises(LinkSpent):
        links.holder_of(session, token, now=NOON)


def test_a_link_dies_with_disabling(session: Session, make_staff: MakeStaff) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa")
    token = token_in(links.make_link(awa, "reset", now=NOON))
    ACTS["disable"](session, root, id_of(awa))
    ACTS["enable"](session, root, id_of(awa))
    with pytest.raises(LinkSpent):
        links.holder_of(session, token, now=NOON)


def test_a_session_of_an_older_epoch_is_not_shown_as_open(session: Session, make_staff: MakeStaff) -> None:
    root, awa = acting(make_staff("Root", Role.ROOT)), make_staff("Awa")
    sessions.open_session(awa, now=NOON)
    awa.session_epoch += 1
    session.flush()
    assert admin.sessions_of(session, actor=root, staff_id=id_of(awa)) == ()
