"""Errors of the product: counted in one row each, told once, and what staff does about them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlmodel import Session, col, select

from app import db, redis
from app.errors import Forbidden, InvalidInput, Stale
from app.keys import unseal
from app.settings import get_settings
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.audit.models import AuditEntry
from services.listing import Slice
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.notifications import preferences
from services.notifications.models import Medium, Notification
from services.notifications.service import BODY
from services.operations import error_alerts, error_queries, errors
from services.operations.error_models import ErrorGroup, ErrorHour, ErrorState
from services.operations.error_queries import ErrorFilter, ErrorNotFound
from services.operations.errors import Change, is_older
from tests.conftest import NOON
from tests.pages import builders
from tests.services.operations.faults_made import TRACE, a_fault

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _calm(servers: None) -> Iterator[None]:
    redis.client().flushall()
    yield
    redis.client().flushall()


def someone(session: Session, role: Role = Role.SYSTEM_ADMIN) -> Principal:
    builders.a_staff(session, role, now=NOON)
    person = session.exec(select(Staff).where(Staff.email == builders.email_of(role))).one()
    return Principal("staff", person.id or 0, person.email, ROLE_PERMISSIONS[role], role, person.email)


def group(session: Session) -> ErrorGroup:
    session.expire_all()
    return session.exec(select(ErrorGroup)).one()


def told(session: Session) -> list[tuple[Medium, str]]:
    rows = session.exec(select(Notification).where(Notification.event == "error_found").order_by(col(Notification.id))).all()
    return [(row.medium, unseal(BODY, row.body_sealed).decode()) for row in rows]


def test_the_same_fault_is_one_row_and_one_for_each_hour(session: Session) -> None:
    errors.record(session, [a_fault(times=3)], now=NOON)
    errors.record(session, [a_fault(times=2, at=NOON + HOUR, release="1.0.1"), a_fault("b")], now=NOON + HOUR)
    one = session.exec(select(ErrorGroup).where(ErrorGroup.fingerprint == "a" * 32)).one()
    assert (one.count, one.first_at, one.last_at, one.first_release, one.last_release) == (5, NOON, NOON + HOUR, "1.0.0", "1.0.1")
    assert (one.message, one.example["trace"]) == ("'currency'", TRACE)
    hours = session.exec(select(ErrorHour.hour, ErrorHour.count).where(ErrorHour.group_id == one.id).order_by(col(ErrorHour.hour))).all()
    assert [tuple(row) for row in hours] == [(NOON, 3), (NOON + HOUR, 2)]


def test_a_count_without_an_example_leaves_the_example_that_is_there(session: Session) -> None:
    errors.record(session, [a_fault(correlation_id="story-of-the-first")], now=NOON)
    bare = a_fault(at=NOON + HOUR)
    bare.example = None
    errors.record(session, [bare], now=NOON + HOUR)
    assert (group(session).count, group(session).example["correlation_id"]) == (2, "story-of-the-first")


def test_one_that_was_written_late_does_not_look_like_the_newest(session: Session) -> None:
    errors.record(session, [a_fault(at=NOON + HOUR, correlation_id="story-of-the-newer")], now=NOON + HOUR)
    errors.record(session, [a_fault(at=NOON, correlation_id="story-of-the-older")], now=NOON + HOUR)
    assert (group(session).last_at, group(session).example["correlation_id"]) == (NOON + HOUR, "story-of-the-newer")


def test_many_processes_write_the_same_faults_at_once(database: sa.Engine) -> None:
    names = "abcdefgh"

    def write(order: str) -> None:
        for _ in range(5):
            with db.transaction() as session:
                errors.record(session, [a_fault(name) for name in order], now=NOON)

    threads = [threading.Thread(target=write, args=[order]) for order in (names, names[::-1], names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.transaction() as session:
        assert set(session.exec(select(ErrorGroup.count)).all()) == {20}
        assert set(session.exec(select(ErrorHour.count)).all()) == {20}


def test_a_resolved_one_that_happens_again_is_open_again_counted_and_told(session: Session) -> None:
    admin = someone(session)
    errors.record(session, [a_fault()], now=NOON)
    number = group(session).id or 0
    errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.RESOLVED), expected_revision=None, now=NOON + HOUR)
    assert group(session).resolved_by == "staff:" + builders.email_of(Role.SYSTEM_ADMIN)
    errors.record(session, [a_fault(at=NOON)], now=NOON + HOUR)
    assert group(session).state is ErrorState.RESOLVED, "what happened before it was resolved is no return"
    errors.record(session, [a_fault(at=NOON + 2 * HOUR)], now=NOON + 2 * HOUR)
    assert (group(session).state, group(session).reopened, group(session).count) == (ErrorState.OPEN, 1, 3)
    assert [body.partition(":")[0] for _, body in told(session)] == ["A new error", "An error is back"]
    deeds = [deed.action for deed in error_queries.error_page(session, actor=admin, error_id=number, now=NOON).story]
    assert deeds == ["error.came_back", "error.resolve"]


def test_a_process_of_an_older_release_does_not_open_it_again(session: Session) -> None:
    admin = someone(session)
    errors.record(session, [a_fault(release="1.2.0")], now=NOON)
    number = group(session).id or 0
    errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.RESOLVED), expected_revision=None, now=NOON)
    errors.record(session, [a_fault(at=NOON + HOUR, release="1.1.9")], now=NOON + HOUR)
    assert (group(session).state, group(session).count, group(session).last_release) == (ErrorState.RESOLVED, 2, "1.2.0")
    errors.record(session, [a_fault(at=NOON + HOUR, release="1.10.0")], now=NOON + HOUR)
    assert (group(session).state, group(session).last_release) == (ErrorState.OPEN, "1.10.0")


@pytest.mark.parametrize(
    ("release", "than", "older"),
    [("1.9", "1.10", True), ("v1.2.3", "1.2.4", True), ("1.2", "1.2", False), ("2", "1.9.9", False), ("a1b2c3d", "f00ba4", False)],
)
def test_releases_are_compared_as_far_as_their_numbers_tell(release: str, than: str, older: bool) -> None:
    assert is_older(release, than) is older


def test_a_new_one_is_told_once_on_the_bell_and_by_mail_to_those_who_mend_errors(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "email_url", SecretStr("smtp://127.0.0.1:9/?from=inet%40example.gm"))
    admin = someone(session)
    for role in (Role.CUSTOMER_CARE, Role.BILLING_OFFICER, Role.FIELD_TECHNICIAN):
        someone(session, role)
    for _ in range(3):
        errors.record(session, [a_fault()], now=NOON)
    words = "A new error: KeyError at services.payments.absorb:absorb (worker, release 1.0.0). See Errors."
    assert sorted(told(session)) == [(Medium.BELL, words), (Medium.EMAIL, words)]
    assert {row.staff_id for row in session.exec(select(Notification)).all()} == {admin.id}


def test_wishes_of_staff_are_respected(session: Session) -> None:
    admin = someone(session)
    preferences.opt_out(session, staff_id=admin.id, medium=Medium.PUSH, by="staff", now=NOON)
    errors.record(session, [a_fault()], now=NOON)
    assert [medium for medium, _ in told(session)] == [Medium.BELL]


def test_a_broken_release_does_not_fill_mailboxes(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "email_url", SecretStr("smtp://127.0.0.1:9/?from=inet%40example.gm"))
    someone(session)
    names = [f"{number:02x}" for number in range(60)]
    for half in (names[:30], names[30:]):
        errors.record(session, [a_fault(name) for name in half], now=NOON)
    media = [medium for medium, _ in told(session)]
    assert (media.count(Medium.EMAIL), media.count(Medium.BELL)) == (error_alerts.MAILS_AN_HOUR, error_alerts.BELLS_AN_HOUR)
    assert session.exec(select(ErrorGroup).where(col(ErrorGroup.told_at).is_(None))).all() == []
    errors.record(session, [a_fault("ff", at=NOON + 2 * HOUR)], now=NOON + 2 * HOUR)
    assert [medium for medium, _ in told(session)].count(Medium.EMAIL) == error_alerts.MAILS_AN_HOUR + 1


def test_an_ignored_one_is_counted_and_told_to_nobody(session: Session) -> None:
    admin = someone(session)
    errors.record(session, [a_fault()], now=NOON)
    number = group(session).id or 0
    errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.IGNORED), expected_revision=None, now=NOON)
    before = told(session)
    errors.record(session, [a_fault(times=500, at=NOON + HOUR)], now=NOON + HOUR)
    assert (group(session).state, group(session).count, told(session)) == (ErrorState.IGNORED, 501, before)
    assert session.exec(select(NetworkAlarm)).all() == []


def test_very_many_raise_an_alarm_that_ends_when_it_is_calm(database: sa.Engine) -> None:
    def standing() -> list[str]:
        with db.transaction() as session:
            wanted = select(NetworkAlarm.message).where(NetworkAlarm.kind == AlarmKind.ERRORS_MANY, col(NetworkAlarm.ended_at).is_(None))
            return list(session.exec(wanted).all())

    for minute in range(5):
        with db.transaction() as session:
            errors.record(session, [a_fault(times=10)], now=NOON + timedelta(minutes=minute))
        assert standing() == []
    with db.transaction() as session:
        errors.record(session, [a_fault(times=1)], now=NOON + timedelta(minutes=5))
    assert standing() == ["More than 50 errors within 10 minutes."]
    for minute, stands in ((6, True), (11, True), (13, False)):
        with db.transaction() as session:
            error_alerts.watch(session, now=NOON + timedelta(minutes=minute))
        assert bool(standing()) is stands, minute


def test_without_redis_errors_are_written_and_the_alarm_stays_as_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.forget()
    monkeypatch.setattr(get_settings(), "redis_url", "redis://127.0.0.1:9/0")
    try:
        errors.record(session, [a_fault(times=500)], now=NOON)
        error_alerts.watch(session, now=NOON)
    finally:
        redis.forget()
    assert group(session).count == 500
    assert session.exec(select(NetworkAlarm)).all() == []


def test_a_change_is_made_to_what_was_seen_and_is_audited(session: Session) -> None:
    admin, root = someone(session), someone(session, Role.ROOT)
    errors.record(session, [a_fault()], now=NOON)
    number, seen = group(session).id or 0, error_queries.revision(group(session))
    errors.change(session, actor=admin, error_id=number, wanted=Change(assignee_id=root.id), expected_revision=seen, now=NOON)
    assert group(session).assignee_id == root.id
    with pytest.raises(Stale):
        errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.RESOLVED), expected_revision=seen, now=NOON)
    errors.change(session, actor=admin, error_id=number, wanted=Change(assignee_id=0), expected_revision=None, now=NOON)
    errors.note(session, actor=admin, error_id=number, text=" A currency was missing. ", now=NOON)
    errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.RESOLVED), expected_revision=None, now=NOON)
    errors.change(session, actor=admin, error_id=number, wanted=Change(ErrorState.OPEN), expected_revision=None, now=NOON)
    actions = session.exec(select(AuditEntry.action).where(AuditEntry.target_type == "error_group").order_by(col(AuditEntry.id))).all()
    assert actions == ["error.assign", "error.assign", "error.note", "error.resolve", "error.reopen"]
    page = error_queries.error_page(session, actor=admin, error_id=number, now=NOON)
    assert [deed.note for deed in page.story if deed.action == "error.note"] == ["A currency was missing."]
    errors.record(session, [a_fault()], now=NOON)
    assert len(told(session)) == 2, "who opened it again knows of it"


def test_whom_errors_do_not_concern_can_neither_see_nor_change_nor_get_them(session: Session) -> None:
    errors.record(session, [a_fault()], now=NOON)
    number, admin, care = group(session).id or 0, someone(session), someone(session, Role.CUSTOMER_CARE)
    with pytest.raises(Forbidden):
        error_queries.list_errors(session, actor=care, wanted=ErrorFilter(), part=Slice(), now=NOON)
    with pytest.raises(Forbidden):
        error_queries.error_page(session, actor=care, error_id=number, now=NOON)
    with pytest.raises(Forbidden):
        errors.change(session, actor=care, error_id=number, wanted=Change(ErrorState.RESOLVED), expected_revision=None, now=NOON)
    with pytest.raises(InvalidInput):
        errors.change(session, actor=admin, error_id=number, wanted=Change(assignee_id=care.id), expected_revision=None, now=NOON)
    with pytest.raises(ErrorNotFound):
        errors.note(session, actor=admin, error_id=number + 1, text="nothing", now=NOON)
    with pytest.raises(InvalidInput):
        errors.note(session, actor=admin, error_id=number, text="x", now=NOON)


def test_the_list_is_filtered_sorted_and_searched(session: Session) -> None:
    admin = someone(session)
    errors.record(session, [a_fault("a", times=5), a_fault("b", at=NOON + HOUR, correlation_id="story-of-the-other")], now=NOON + HOUR)

    def found(part: Slice | None = None, **wanted: object) -> list[str]:
        listing = error_queries.list_errors(
            session,
            actor=admin,
            wanted=ErrorFilter(**wanted),  # type: ignore[arg-type]
            part=part or Slice(),
            now=NOON + HOUR,
        )
        return [row.group.fingerprint[0] for row in listing.rows]

    assert found() == ["b", "a"]
    assert found(Slice(sort="count")) == ["a", "b"]
    assert found(search="ABSORB") == ["b", "a"]
    assert found(search="story-of-the-other") == ["b"]
    assert found(search="100%") == found(state=ErrorState.RESOLVED) == found(process="web") == found(assignee_id=admin.id) == []
    (last, first) = error_queries.list_errors(session, actor=admin, wanted=ErrorFilter(), part=Slice(), now=NOON + 24 * HOUR).rows
    assert (last.last_day, first.last_day) == (1, 0)
