"""What is kept of a customer, handed out by staff: the app's own document, as JSON and as a page."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app import redis
from app.errors import Forbidden
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer, Role
from services.accounts.permissions import FreshProofNeeded, Principal
from services.accounts.sessions import principal_of
from services.apps import own_data
from services.audit.models import AuditEntry
from services.operations.models import ErasureChannel, ErasureProof
from services.operations.personal_data.errors import NobodyLeft
from services.operations.personal_data.export import ExportForm, export
from tests.conftest import NOON
from tests.services.apps.test_own_data import MAC, MINE, a_life
from tests.services.apps.texting import a_person


@pytest.fixture
def admin(session: Session) -> Principal:
    redis.client().flushall()
    return replace(principal_of(a_person(session, Role.SYSTEM_ADMIN)), proven_at=NOON)


def handed_out(session: Session, actor: Principal, number: int, form: ExportForm) -> str:
    out = io.BytesIO()
    asked = {"channel": ErasureChannel.LETTER, "proof": ErasureProof.SIGNED_LETTER}
    export(session, out, actor=actor, customer_id=number, form=form, now=NOON, **asked)
    return out.getvalue().decode()


def test_the_document_is_the_apps_own(session: Session, admin: Principal) -> None:
    me = a_life(session, MINE, MAC)
    own = io.BytesIO()
    own_data.write(session, me, own, now=NOON)
    assert json.loads(handed_out(session, admin, me.customer(), ExportForm.JSON)) == json.loads(own.getvalue())


def test_the_page_says_the_same_and_nothing_in_it_can_run(session: Session, admin: Principal) -> None:
    me = a_life(session, MINE, MAC)
    session.get_one(Customer, me.customer_id).name = "<script>alert(1)</script>"
    session.flush()
    page = handed_out(session, admin, me.customer(), ExportForm.HTML)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    for said in (MINE, MAC, f"Words of {MINE}", "D 25.00", "22 Nov 2026", "What is left out"):
        assert said in page, said
    for part in own_data.PARTS:
        title = part.name.replace("_", " ")
        assert f"<h2>{title[0].upper()}{title[1:]}</h2>" in page


def test_that_it_was_handed_out_is_audited_without_any_of_it(session: Session, admin: Principal) -> None:
    me = a_life(session, MINE, MAC)
    handed_out(session, admin, me.customer(), ExportForm.HTML)
    told = session.exec(select(AuditEntry).where(AuditEntry.action == "customer.export_data")).one()
    assert (told.actor, told.target_id) == (admin.label, str(me.customer()))
    assert told.after == {"form": "html", "channel": "letter", "proof": "signed_letter"}


def test_it_needs_the_right_a_fresh_proof_and_somebody_who_is_there(session: Session, admin: Principal) -> None:
    me = a_life(session, MINE, MAC)
    care = replace(principal_of(a_person(session, Role.CUSTOMER_CARE)), proven_at=NOON)
    with pytest.raises(Forbidden):
        handed_out(session, care, me.customer(), ExportForm.JSON)
    with pytest.raises(FreshProofNeeded):
        handed_out(session, replace(admin, proven_at=NOON - timedelta(hours=1)), me.customer(), ExportForm.JSON)
    with pytest.raises(CustomerNotFound):
        handed_out(session, admin, 999_999, ExportForm.JSON)
    session.get_one(Customer, me.customer_id).erased_at = NOON
    session.flush()
    with pytest.raises(NobodyLeft):
        handed_out(session, admin, me.customer(), ExportForm.JSON)
