"""What people are told by mail of log-ins and tries on their account, and what nobody is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from rq import Queue
from rq.job import Job
from sqlmodel import Session

from app import redis
from app.db import transaction
from app.errors import DomainError
from app.origin import coming_from
from app.settings import get_settings
from services.accounts.staff import authenticate
from services.integrations import clients
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff, with_second_factor
from tests.services.integrations.test_mail import MailServer, server

__all__ = ["server"]
pytestmark = pytest.mark.usefixtures("uncounted")
HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def mailing(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """An installation that sends mail."""
    monkeypatch.setenv("INET_EMAIL_URL", server.url)
    get_settings.cache_clear()
    clients.close()
    yield server
    monkeypatch.undo()
    get_settings.cache_clear()
    clients.close()


def enter(email: str, password: str = PASSWORD, *, address: str, code: str | None = None) -> None:
    with coming_from(address):
        try:
            with transaction() as session:
                authenticate(session, email=email, password=password, code=code, now=NOON + timedelta(minutes=1))
        except DomainError:
            pass


def rung() -> list[Job]:
    return Queue("default", connection=redis.client()).jobs


def mailed(server: MailServer) -> list[tuple[str, str]]:
    """Do what was rung for; answers to whom a mail went, and its subject."""
    for job in rung():
        job.perform()
    return [(str(mail["To"]), str(mail["Subject"])) for mail in server.taken]


def test_a_log_in_from_a_new_place_is_told_and_one_from_a_known_place_is_not(make_staff: MakeStaff, mailing: MailServer) -> None:
    make_staff("Awa")
    enter("awa@test.gm", address=HOME)
    enter("awa@test.gm", address=HOME)
    assert rung() == [], "the first log-in of all surprises nobody"
    enter("awa@test.gm", address=ELSEWHERE)
    enter("awa@test.gm", address=ELSEWHERE)
    assert mailed(mailing) == [("awa@test.gm", "A log-in to the INET console from a new place")]
    assert "203.0.113.0/24" in mailing.taken[0].get_payload()


def test_repeated_wrong_passwords_are_told_once_and_rung_alike_for_everybody(make_staff: MakeStaff, mailing: MailServer) -> None:
    make_staff("Awa")
    for email in ("awa@test.gm", "nobody@test.gm"):
        for number in range(8):
            enter(email, "wrong, and long enough", address=f"203.0.113.{number}")
    jobs = rung()
    assert [job.func_name for job in jobs] == ["jobs.accounts.tell_failures"] * 2
    assert all("test.gm" not in str(job.args) for job in jobs)
    assert mailed(mailing) == [("awa@test.gm", "Wrong passwords for your account at the INET console")]


def test_a_log_in_that_succeeds_begins_the_count_anew(make_staff: MakeStaff, mailing: MailServer) -> None:
    make_staff("Awa")
    for _ in range(2):
        for number in range(3):
            enter("awa@test.gm", "wrong, and long enough", address=f"203.0.113.{number}")
        enter("awa@test.gm", address=HOME)
    assert rung() == []


def test_a_wrong_code_after_the_right_password_is_told_once_an_hour(session: Session, make_staff: MakeStaff, mailing: MailServer) -> None:
    with_second_factor(session, make_staff("Awa"))
    for _ in range(3):
        enter("awa@test.gm", address=HOME, code="000000")
    assert mailed(mailing) == [("awa@test.gm", "Somebody has your password for the INET console")]


def test_without_mail_nothing_is_rung_for(make_staff: MakeStaff) -> None:
    make_staff("Awa")
    for number in range(8):
        enter("awa@test.gm", "wrong, and long enough", address=f"203.0.113.{number}")
    enter("awa@test.gm", address=HOME)
    enter("awa@test.gm", address=ELSEWHERE)
    assert rung() == []
