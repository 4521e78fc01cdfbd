"""One story, one ID: the request that buys, its jobs, its outside calls; a webhook's own ID leads to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rq import Queue
from sqlmodel import select
from structlog.testing import capture_logs

from app import correlation, redis
from app.clock import utc_now
from app.db import transaction
from services.integrations.clients import outside
from services.payments import process, strays, webhooks
from services.payments.checkout import Opened, Order, buy
from services.payments.models import OutboundCallRecord, Payment, PaymentEvent, WebhookEvent
from tests.conftest import Sandbox
from tests.factories import PHONE, make_context, make_gateway, make_package
from tests.portal.wave_wire import SECRET, event, raw

BUYING, HOOK, SWEEP = "story-of-the-purchase", "request-of-the-webhook", "run-of-the-sweep"


@pytest.fixture
def opened(database: sa.Engine, sandbox: Sandbox) -> Opened:
    with transaction() as session:
        package = make_package(session, amount_bututs=2500).public_id
        context = make_context(make_gateway(session), at=utc_now())
    with correlation.correlated(BUYING):
        return buy(transaction, Order(package, PHONE, context), outside(), clock=utc_now)


def payment() -> Payment:
    with transaction() as session:
        return session.exec(select(Payment)).one()


def hear_webhook(opened: Opened) -> None:
    with transaction() as session:
        body = raw(event(client_reference=opened.reference))
        webhooks.receive(session, body=body, signature=None, authorization=f"Bearer {SECRET}", now=utc_now())


def links(logged: list[Any]) -> list[tuple[str, str]]:
    return [(line["event"], line["continues"]) for line in logged if "continues" in line]


def rung() -> list[str]:
    return [job.meta["correlation_id"] for job in Queue("urgent", connection=redis.client()).jobs]


def test_a_payment_is_told_under_the_id_of_the_request_that_began_it(opened: Opened) -> None:
    assert payment().correlation_id == BUYING
    with transaction() as session:
        assert set(session.exec(select(PaymentEvent.correlation_id)).all()) == {BUYING}
        assert set(session.exec(select(OutboundCallRecord.correlation_id)).all()) == {BUYING}


def test_a_webhook_keeps_its_own_id_and_rings_under_the_payments(opened: Opened, sandbox: Sandbox) -> None:
    sandbox.pay(opened.reference)
    redis.client().flushall()
    with correlation.correlated(HOOK), capture_logs() as logged:
        hear_webhook(opened)
    with transaction() as session:
        assert session.exec(select(WebhookEvent.correlation_id)).all()[-1] == HOOK
    assert rung() == [BUYING]
    assert links(logged) == [("correlation.continues", BUYING)]


def test_a_sweep_rings_each_payment_under_its_own_id(opened: Opened) -> None:
    with transaction() as session:
        session.exec(select(Payment)).one().next_attempt_at = utc_now() - timedelta(seconds=1)
    redis.client().flushall()
    with correlation.correlated(SWEEP), transaction() as session:
        process.ring_due(session, now=utc_now())
    assert rung() == [BUYING]


@pytest.mark.parametrize("lead", ["advance", "look"])
def test_whoever_goes_on_with_it_goes_on_under_its_id(opened: Opened, sandbox: Sandbox, lead: str) -> None:
    sandbox.pay(opened.reference)
    with transaction() as session:
        found = session.exec(select(Payment)).one()
        found.next_attempt_at, found.lease_until = utc_now(), None
        number = found.id or 0
    go_on = {"advance": process.advance, "look": strays.look_for_strays}[lead]
    with correlation.correlated(SWEEP), capture_logs() as logged:
        go_on(transaction, number, outside(), clock=utc_now)
        assert correlation.current() == SWEEP
    assert links(logged) == [("correlation.continues", BUYING)]
    with transaction() as session:
        assert set(session.exec(select(PaymentEvent.correlation_id)).all()) == {BUYING}
        assert set(session.exec(select(OutboundCallRecord.correlation_id)).all()) == {BUYING}


def test_a_payment_from_before_ids_were_kept_goes_on_under_the_present_one() -> None:
    with correlation.correlated(SWEEP), capture_logs() as logged:
        for continued in (correlation.under(""), correlation.continuing(""), correlation.continuing(SWEEP)):
            with continued:
                assert correlation.current() == SWEEP
    assert links(logged) == []
