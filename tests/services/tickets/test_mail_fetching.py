"""Fetching: every mail is held once, both sides count the same, whatever the server and the reader do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import engine, transaction
from services.tickets import inbound_store, mail_fetching, mail_intake
from services.tickets.intake_models import InboundCount, InboundMessage, InboundSource, InboundState
from services.tickets.mail_fetching import Round
from services.tickets.models import Ticket
from tests.services.tickets.mailbox import Mailbox, mail_server

S = InboundState


@pytest.fixture(scope="module")
def serving_mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as mailbox:
        yield mailbox


@pytest.fixture
def mailbox(serving_mailbox: Mailbox) -> Mailbox:
    serving_mailbox.http.post("/_control/reset")
    return serving_mailbox


def _fetch(mailbox: Mailbox) -> Round:
    done = mail_fetching.fetch(transaction, mailbox.client(), clock=utc_now)
    assert done is not None
    return done


def _held(session: Session) -> list[InboundMessage]:
    session.expire_all()
    return list(session.exec(select(InboundMessage).order_by(col(InboundMessage.id))).all())


def _count(session: Session) -> InboundCount:
    session.expire_all()
    return session.exec(select(InboundCount)).one()


def test_what_is_there_is_held_marked_and_counted_on_both_sides(session: Session, mailbox: Mailbox) -> None:
    for number in range(3):
        mailbox.deliver(f"Mail {number}")
    done = _fetch(mailbox)
    assert (done.theirs, done.ours, len(done.kept)) == (3, 3, 3)
    assert all(mail["seen"] for mail in mailbox.mails())
    count = _count(session)
    assert (count.theirs, count.ours, count.error) == (3, 3, None)
    assert _fetch(mailbox).is_unchanged
    assert b"Mail 1" in inbound_store.raw_of(_held(session)[1])


def test_a_large_mail_lies_sealed_in_a_file_and_a_huge_one_is_not_fetched(
    session: Session, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_fetching, "MOST_BYTES", 2_000_000)
    for size in (300_000, 2_100_000):
        mailbox.deliver("See the file", file_name="film", file=base64.b64encode(b"x" * size).decode(), subject=f"{size}")
    assert _fetch(mailbox).ours == 2
    large, huge = _held(session)
    assert large.raw_file is not None
    assert large.raw_sealed is None
    path: Path = inbound_store._path(large.raw_file)
    assert b"See the file" not in path.read_bytes()
    assert b"See the file" in inbound_store.raw_of(large)
    assert huge.raw_bytes > 2_100_000
    assert b"See the file" not in inbound_store.raw_of(huge)
    mail_intake.read(transaction, clock=utc_now)
    assert [(one.state, one.subject) for one in _held(session)] == [(S.TAKEN, "300000"), (S.HELD, "2100000")]


@pytest.mark.parametrize("mode", [{"cut_in_fetch": 1}, {"cut_after_store": 1}, {"refuse_login": True}])
def test_after_any_break_the_next_round_makes_it_whole(session: Session, mailbox: Mailbox, mode: dict[str, int]) -> None:
    for number in range(3):
        mailbox.deliver(f"Mail {number}")
    mailbox.order("mail/mode", **mode)
    _fetch(mailbox)
    assert (_count(session).error or "").startswith("The mail server")
    mailbox.order("mail/mode")
    done = _fetch(mailbox)
    assert (done.theirs, done.ours, len(_held(session))) == (3, 3, 3)
    assert all(mail["seen"] for mail in mailbox.mails())
    assert _count(session).error is None


def test_what_somebody_read_before_us_opens_no_tickets_and_what_nobody_read_does(session: Session, mailbox: Mailbox) -> None:
    mailbox.deliver("Settled long ago", seen=True)
    mailbox.deliver("Still waiting")
    _fetch(mailbox)
    mailbox.deliver("Read on a phone meanwhile", seen=True)
    _fetch(mailbox)
    mail_intake.read(transaction, clock=utc_now)
    assert [one.state for one in _held(session)] == [S.IGNORED, S.TAKEN, S.TAKEN]


def test_when_the_server_gives_new_names_nothing_is_doubled(session: Session, mailbox: Mailbox) -> None:
    for number in range(3):
        mailbox.deliver(f"Mail {number}", **{"from": f"p{number}@example.gm"})
    _fetch(mailbox)
    mailbox.order("mail/renumber")
    mailbox.deliver("A new one", **{"from": "p9@example.gm"})
    done = _fetch(mailbox)
    mail_intake.read(transaction, clock=utc_now)
    assert (done.theirs, done.ours) == (4, 4)
    assert [one.state for one in _held(session)] == [S.TAKEN] * 3 + [S.IGNORED] * 3 + [S.TAKEN]
    assert session.execute(sa.select(sa.func.count()).select_from(Ticket)).scalar_one() == 4


def test_one_that_was_thrown_away_there_stays_held_and_the_counts_agree(session: Session, mailbox: Mailbox) -> None:
    mailbox.deliver("Mail")
    _fetch(mailbox)
    mailbox.http.post("/_control/reset")
    done = _fetch(mailbox)
    assert (done.theirs, done.ours, len(_held(session))) == (0, 0, 1)


def test_only_one_round_goes_on_at_a_time(session: Session, mailbox: Mailbox) -> None:
    with engine().connect() as other:
        other.execute(sa.select(sa.func.pg_advisory_lock(mail_fetching._LOCK)))
        assert mail_fetching.fetch(transaction, mailbox.client(), clock=utc_now) is None
        other.execute(sa.select(sa.func.pg_advisory_unlock(mail_fetching._LOCK)))


def test_the_same_name_is_held_once(session: Session, mailbox: Mailbox) -> None:
    now = utc_now() - timedelta(minutes=1)
    fields = {"source": InboundSource.IMAP, "key": "a:1:1", "raw": b"From: a@x.gm\n\nhi", "received_at": now}
    assert inbound_store.keep(session, **fields) is not None  # type: ignore[arg-type]
    assert inbound_store.keep(session, **fields) is None  # type: ignore[arg-type]
