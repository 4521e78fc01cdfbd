"""Who asks may be less patient than the client's own time-out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.outbound import CircuitBreaker, OutcomeUnknown, Unavailable, recording
from services.integrations.patience import within
from services.integrations.portabilling import PortaBilling, RestPortaBilling, SoapPortaBilling

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER: dict[str, Any] = {
    "account_id": "inet-a",
    "opening_balance_bututs": 300,
    "i_customer": 1,
    "i_product": 1,
    "currency": "GMD",
    "activation": NOON,
    "expiration": None,
    "batch": None,
}


@pytest.fixture(params=[SoapPortaBilling, RestPortaBilling], ids=["soap", "rest"])
def billing(request: pytest.FixtureRequest, porta: Any, tmp_path: Path) -> Iterator[PortaBilling]:
    breaker = CircuitBreaker("portabilling", failure_threshold=50)
    client = request.param(porta.server.url, user="inet", password="right", cache_dir=tmp_path, timeout_seconds=20.0, breaker=breaker)
    client.warm_up()
    yield client
    client.close()


def _took(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_write_that_is_not_answered_in_time_is_unknown(billing: PortaBilling, porta: Any, make: Any) -> None:
    porta.will("add_account", make.Reply(ends="hung"))

    def issue() -> None:
        with within(0.3), pytest.raises(OutcomeUnknown):
            billing.issue_voucher(**ORDER)

    assert 0.2 < _took(issue) < 2


def test_a_read_is_not_repeated_when_the_time_is_over(billing: PortaBilling, porta: Any, make: Any) -> None:
    porta.will("get_account_info", *[make.Reply(ends="hung")] * 3)

    def ask() -> None:
        with within(0.3), recording() as calls, pytest.raises(Unavailable, match="no time left"):
            billing.get_account("inet-a")
        assert [call.outcome for call in calls] == ["unknown"]

    assert _took(ask) < 2


def test_all_calls_of_the_block_share_its_time(billing: PortaBilling, porta: Any, make: Any) -> None:
    porta.will("update_account", make.Reply(ends="hung"))
    with within(0.3):
        with pytest.raises(OutcomeUnknown):
            billing.set_blocked(501, True)
        with pytest.raises(Unavailable, match="no time left") as refused:
            billing.issue_voucher(**ORDER)
    assert refused.value.breaker_open is False
    assert porta.count("add_account") == 0


def test_outside_of_the_block_and_without_a_bound_nothing_is_cut_short(billing: PortaBilling) -> None:
    with within(0):
        pass
    with within(None):
        assert billing.issue_voucher(**ORDER).opening_balance_bututs == 300
    assert billing.get_account("inet-a") is not None
