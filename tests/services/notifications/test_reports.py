"""Delivery reports: forwards only, whatever their order and number, and whichever form the number has."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from sqlmodel import Session, select

from services.notifications import Recipient, preferences, reports, tell
from services.notifications.models import DeliveryReport, Medium, Notification, NotificationState
from tests.conftest import NOON
from tests.services.notifications.build import customer, rows

S = NotificationState
NEW, OLD = "+220833000001", "+2203000001"


def a_text(session: Session, state: NotificationState = S.SENT, provider_id: str | None = "AT1", key: str = "k") -> Notification:
    to = Recipient(customer_id=customer(session))
    tell(session, event="ticket_reply", to=to, values={"reference": "T", "text": "x"}, dedupe_key=key, now=NOON)
    row = rows(session)[-1]
    row.state, row.next_attempt_at, row.handed_at, row.provider_id = state, None, NOON, provider_id
    row.provider = reports.PROVIDER if provider_id else None
    session.flush()
    return row


def report(session: Session, status: str, *, provider_id: str = "AT1", number: str = NEW, reason: str | None = None, at: int = 1) -> None:
    moment = NOON + timedelta(seconds=at)
    reports.take(session, provider_id=provider_id, status=status, number=number, reason=reason, now=moment)


def outcomes(session: Session) -> list[str]:
    session.flush()
    return [row.outcome for row in session.exec(select(DeliveryReport).order_by(DeliveryReport.id))]  # type: ignore[arg-type]


@pytest.mark.parametrize("order", list(permutations(("Submitted", "Sent", "Success"))))
def test_in_any_order_and_doubled_the_end_is_the_same(session: Session, order: tuple[str, ...]) -> None:
    row = a_text(session)
    for status in (*order, *order):
        report(session, status, number=OLD)
    assert row.state is S.DELIVERED
    assert len(outcomes(session)) == 3


def test_the_first_end_wins(session: Session) -> None:
    row = a_text(session)
    report(session, "Failed", reason="AbsentSubscriber")
    report(session, "Success")
    assert (row.state, row.error) == (S.FAILED, "The network did not deliver it: AbsentSubscriber")
    assert outcomes(session) == ["applied", "late"]


def test_one_that_comes_before_our_own_call_returns_waits_for_it(session: Session) -> None:
    row = a_text(session, S.SENDING, None)
    report(session, "Success")
    assert (outcomes(session), row.state) == (["waiting"], S.SENDING)
    row.state, row.provider, row.provider_id = S.SENT, reports.PROVIDER, "AT1"
    assert reports.match_waiting(session, now=NOON + timedelta(seconds=15)) == 1
    assert (outcomes(session), row.state) == (["applied"], S.DELIVERED)


def test_a_report_says_what_became_of_the_only_text_whose_answer_was_lost(session: Session) -> None:
    row = a_text(session, S.UNKNOWN, None)
    report(session, "Success", provider_id="AT-lost", number=OLD)
    assert reports.match_waiting(session, now=NOON + timedelta(minutes=1)) == 0
    assert reports.match_waiting(session, now=NOON + timedelta(minutes=4)) == 1
    assert (row.state, row.provider_id) == (S.DELIVERED, "AT-lost")


def test_of_two_lost_ones_a_report_does_not_guess_and_is_called_unknown_after_a_day(session: Session) -> None:
    both = [a_text(session, S.UNKNOWN, None, key) for key in "ab"]
    report(session, "Success", provider_id="AT-lost")
    assert reports.match_waiting(session, now=NOON + timedelta(minutes=4)) == 0
    reports.match_waiting(session, now=NOON + timedelta(hours=25))
    assert ([row.state for row in both], outcomes(session)) == ([S.UNKNOWN, S.UNKNOWN], ["unknown"])


def test_another_persons_number_under_our_id_changes_nothing(session: Session) -> None:
    row = a_text(session)
    customer(session, "+220833000002")
    report(session, "Success", number="+220833000002")
    assert (row.state, outcomes(session)) == (S.SENT, ["unknown"])


def test_who_is_on_the_networks_list_is_opted_out(session: Session) -> None:
    row = a_text(session)
    report(session, "Failed", reason="UserInBlackList")
    assert row.customer_id is not None
    assert preferences.of_customer(session, row.customer_id)[Medium.SMS].opted_out_by == "gateway"


def test_the_address_of_reports_cannot_be_guessed_and_opens_only_as_it_is() -> None:
    secret = reports.path().rpartition("/")[2]
    assert len(secret) >= 32
    assert reports.is_our_path(secret)
    assert not reports.is_our_path(secret[:-1])
    assert not reports.is_our_path("é")
