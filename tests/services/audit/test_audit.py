from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app import correlation, origin
from services.accounts.models import Role
from services.audit import service
from services.audit.models import AuditEntry, AuditHead
from services.audit.verify import record_head, verify
from tests.conftest import NOON
from tests.factories import staff


def _write(session: Session, number: int) -> None:
    for n in range(number):
        service.record(session, staff(), "package.change", target=("package", n), now=NOON, before={"price": n}, after={"price": n + 1})


def _tamper(session: Session, statement: str) -> None:
    # As somebody with the database in hand would: past the trigger that refuses it.
    session.execute(sa.text("SET LOCAL session_replication_role = replica"))
    session.execute(sa.text(statement))
    session.execute(sa.text("SET LOCAL session_replication_role = origin"))
    session.expire_all()


def test_a_row_tells_who_what_from_where_and_what_changed(session: Session) -> None:
    with correlation.correlated("a-request-id"), origin.coming_from("10.0.0.7"):
        service.record(
            session,
            staff(Role.BILLING_OFFICER),
            "package.change",
            target=("package", "day-1"),
            now=NOON,
            before={"price": 1000, "name": "1 day"},
            after={"price": 1500, "name": "1 day"},
        )
    entry = session.exec(select(AuditEntry)).one()
    assert (entry.before, entry.after) == ({"price": 1000}, {"price": 1500})
    assert (entry.address, entry.correlation_id) == ("10.0.0.7", "a-request-id")
    assert entry.actor == "staff:billing_officer@test.gm"


def test_values_of_secret_fields_are_never_written(session: Session) -> None:
    service.record(
        session, staff(), "gateway.add", target=("gateway", 1), now=NOON, after={"faskey": "k3y", "password_hash": "x", "name": "n"}
    )
    entry = session.exec(select(AuditEntry)).one()
    assert entry.after == {"faskey": service.MASKED, "password_hash": service.MASKED, "name": "n"}


def test_an_untouched_chain_holds(session: Session) -> None:
    _write(session, 5)
    assert verify(session, recorded_heads=None).broken is None
    assert verify(session, recorded_heads=None).rows == 5


def test_an_empty_audit_holds(session: Session) -> None:
    assert verify(session, recorded_heads=None).broken is None


@pytest.mark.parametrize(
    ("statement", "at", "says"),
    [
        ("UPDATE audit_entry SET actor = 'staff:nobody' WHERE id = 3", 3, "edited"),
        ("UPDATE audit_entry SET after = '{\"price\": 0}' WHERE id = 2", 2, "edited"),
        ("DELETE FROM audit_entry WHERE id = 3", 3, "missing"),
        ("DELETE FROM audit_entry WHERE id > 3", 4, "cut"),
        ("UPDATE audit_head SET last_id = 3, last_hash = (SELECT hash FROM audit_entry WHERE id = 3)", 5, "head"),
    ],
)
def test_the_first_edit_gap_or_cut_is_named(session: Session, statement: str, at: int, says: str) -> None:
    _write(session, 5)
    _tamper(session, statement)
    broken = verify(session, recorded_heads=None).broken
    assert broken is not None
    assert broken.entry_id == at
    assert says in broken.what


def test_a_chain_rewritten_from_end_to_end_is_caught_by_the_head_recorded_outside(session: Session, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    _write(session, 3)
    assert record_head(session, file=heads, now=NOON)
    assert not record_head(session, file=heads, now=NOON)

    _tamper(session, "DELETE FROM audit_entry")
    _tamper(session, "DELETE FROM audit_head")
    session.expunge_all()
    service.record(session, staff(Role.CUSTOMER_CARE), "package.change", target=("package", 9), now=NOON)
    _write(session, 3)

    assert verify(session, recorded_heads=None).broken is None
    broken = verify(session, recorded_heads=heads).broken
    assert broken is not None
    assert broken.entry_id == 3


def test_a_cut_chain_whose_head_was_moved_too_is_caught_by_the_recorded_head(session: Session, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    _write(session, 4)
    record_head(session, file=heads, now=NOON)
    _tamper(session, "DELETE FROM audit_entry WHERE id > 2")
    _tamper(session, "UPDATE audit_head SET last_id = 2, last_hash = (SELECT hash FROM audit_entry WHERE id = 2)")

    broken = verify(session, recorded_heads=heads).broken
    assert broken is not None
    assert broken.entry_id == 4


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"])
def test_the_database_refuses_to_change_the_audit(session: Session, statement: str) -> None:
    _write(session, 1)
    with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), session.begin_nested():
        session.execute(sa.text(statement))


def test_the_head_is_one_row_however_much_is_written(session: Session) -> None:
    _write(session, 3)
    assert session.exec(select(AuditHead)).one().last_id == 3
