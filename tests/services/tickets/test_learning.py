"""Triage learns from what staff decided, takes up what is no worse, and goes back when a person says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from app.settings import Settings
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.tickets import changes, learning
from services.tickets.changes import SYSTEM, By
from services.tickets.closure_models import TriageModel
from services.tickets.learning import SHIPPED, NoSuchModel, TooFewToLearn
from services.tickets.models import Channel, MessageKind, TicketLabel, TicketState
from services.tickets.opening import Opening, open_ticket
from services.tickets.triage import engine
from services.tickets.triage.labels import Category
from services.tickets.triage.provider import ProviderTriage
from services.tickets.triage_quality import quality
from tests.conftest import NOON
from tests.factories import staff

PLACES = ("gate", "well", "mosque", "river", "school", "bantaba", "garden", "clinic", "bakery", "bridge", "quay")
THINGS = ("kalabash", "sunguru", "bolong", "tesito", "kanyelang", "simba", "kankurang", "balafon", "kora", "juju", "tamala", "sabar")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def decided(session: Session, words: str, category: Category, *, suggested: Category | None = None) -> int:
    ticket = open_ticket(session, Opening(body=words, channel=Channel.PORTAL), who=By("customer"), now=NOON)
    session.add(TicketLabel(ticket_id=ticket.id or 0, suggested=suggested, category=category, at=NOON))
    session.flush()
    return ticket.id or 0


def many_decisions(session: Session) -> None:
    """Of a kind that our own sentences do not know."""
    for place in PLACES:
        for thing in THINGS:
            decided(session, f"the {thing} near the {place} sings again", Category.DEVICE_SETUP)


@contextmanager
def same(session: Session) -> Iterator[Session]:
    with session.begin_nested():
        yield session


def learn(session: Session, settings: Settings) -> str:
    return learning.learn(lambda: same(session), settings, None, made_by="staff:root@inet.test", now=NOON)


def reader(session: Session, settings: Settings) -> learning.Reader:
    return learning.reader_in_use(lambda: same(session), settings)


def test_what_was_learnt_is_kept_taken_up_and_given_back(session: Session, settings: Settings) -> None:
    many_decisions(session)
    shipped = reader(session, settings)
    assert learn(session, settings).startswith("Adopted: on ")
    (row,) = session.exec(select(TriageModel)).all()
    assert row.is_in_use
    assert (settings.data_dir / "triage" / f"{row.version}.npz").is_file()
    taught = reader(session, settings)
    assert taught is reader(session, settings)
    assert taught.read("", "the sabar near the quay sings again").category is Category.DEVICE_SETUP
    assert not isinstance(taught, ProviderTriage)
    assert taught.model.version == row.version
    learning.use_model(session, settings, actor=staff(), version=SHIPPED, now=NOON)
    assert reader(session, settings) is shipped
    learning.use_model(session, settings, actor=staff(), version=row.version, now=NOON)
    assert reader(session, settings).read("", "x y z").model_version == row.version
    actions = [entry.action for entry in session.exec(select(AuditEntry)).all()]
    assert actions == ["triage_model.use", "triage_model.use"]
    assert learn(session, settings) == "Nothing new was decided since the last time."


def test_a_model_whose_file_is_gone_is_stood_in_for_and_cannot_be_chosen(session: Session, settings: Settings) -> None:
    session.add(TriageModel(version="gone", file="gone.npz", is_in_use=True, created_at=NOON))
    session.flush()
    found = reader(session, settings)
    assert found.read("", "the internet is very slow").model_version == engine.shipped().model.version
    for version in ("gone", "never"):
        with pytest.raises(NoSuchModel):
            learning.use_model(session, settings, actor=staff(), version=version, now=NOON)


def test_few_decisions_teach_nothing(session: Session, settings: Settings) -> None:
    for number in range(5):
        decided(session, f"the kora number {number} sings", Category.DEVICE_SETUP)
    assert learn(session, settings).startswith("Nothing learnt")
    with pytest.raises(TooFewToLearn):
        learning.ask_to_learn(session, actor=staff(), now=NOON)
    assert session.exec(select(TriageModel)).all() == []


def test_what_was_read_is_learnt_from_and_not_what_came_later(session: Session) -> None:
    ticket_id = decided(session, "the kora sings", Category.DEVICE_SETUP)
    ticket = changes.locked(session, ticket_id)
    changes.record(session, ticket, "triaged", {"messages": 1, "category": "payment"}, who=SYSTEM, now=NOON)
    changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="and more", channel=Channel.PORTAL, who=By("customer"), now=NOON)
    (correction,) = learning.corrections(session)
    assert (correction.text, correction.category) == ("the kora sings", Category.DEVICE_SETUP)


def test_who_may_not_edit_the_desk_neither_learns_nor_goes_back(session: Session, settings: Settings) -> None:
    care = staff(Role.CUSTOMER_CARE)
    with pytest.raises(Forbidden):
        learning.ask_to_learn(session, actor=care, now=NOON)
    with pytest.raises(Forbidden):
        learning.use_model(session, settings, actor=care, version=SHIPPED, now=NOON)
    learning.models(session, actor=care)
    with pytest.raises(Forbidden):
        learning.models(session, actor=staff(Role.FIELD_TECHNICIAN))


def read_as(session: Session, words: str, category: Category, confidence: float, *, abstain: bool = False, done: bool = True) -> int:
    ticket = open_ticket(session, Opening(body=words, channel=Channel.PORTAL), who=By("customer"), now=NOON)
    data = {"messages": 1, "category": category.value, "confidence": confidence, "abstain": abstain}
    changes.record(session, ticket, "triaged", data, who=SYSTEM, now=NOON)
    if done:
        changes.set_state(session, ticket, TicketState.RESOLVED, who=SYSTEM, now=NOON)
    return ticket.id or 0


def test_quality_counts_what_stood_by_category_and_by_confidence(session: Session) -> None:
    for _ in range(3):
        read_as(session, "paid", Category.PAYMENT, 0.95)
    wrong = read_as(session, "paid twice", Category.PAYMENT, 0.75, done=False)
    session.add(TicketLabel(ticket_id=wrong, suggested=Category.PAYMENT, category=Category.VOUCHER, at=NOON))
    unsure = read_as(session, "hm", Category.VOUCHER, 0.3, abstain=True)
    session.add(TicketLabel(ticket_id=unsure, suggested=None, category=Category.CONNECTIVITY, at=NOON))
    read_as(session, "open still", Category.VOUCHER, 0.9, done=False)
    session.flush()
    found = quality(session, actor=staff(), now=NOON + timedelta(days=1))
    assert (found.read, found.answered, found.judged, found.stood, found.corrections) == (6, 5, 4, 3, 2)
    lines = {line.category: (line.answered, line.judged, line.stood, line.missed) for line in found.lines if line.answered or line.missed}
    assert lines == {Category.PAYMENT: (4, 4, 3, 0), Category.VOUCHER: (1, 0, 0, 1), Category.CONNECTIVITY: (0, 0, 0, 1)}
    assert [(one.judged, one.confidence, one.stood) for one in found.bins] == [(1, 0.75, 0.0), (3, pytest.approx(0.95), 1.0)]
    assert found.calibration_error == pytest.approx((0.75 + 3 * 0.05) / 4)
    assert {(one.suggested, one.category, one.confidence) for one in found.overrides} == {
        (Category.PAYMENT, Category.VOUCHER, 0.75),
        (None, Category.CONNECTIVITY, 0.3),
    }


def test_quality_of_nothing_has_no_shares(session: Session) -> None:
    found = quality(session, actor=staff(), now=NOON)
    assert (found.answered_share, found.accuracy, found.calibration_error) == (None, None, None)
