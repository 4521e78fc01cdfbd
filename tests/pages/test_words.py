"""Every state has its own words, and money, time and sizes are written as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from pages.components import words
from pages.components.list_state import Choice, Day, ListState, read_state
from pages.payment_story import _EVENTS
from services.access.models import EntitlementState, GrantState, SessionState
from services.fieldwork.models import VisitState
from services.network.alarm_models import CheckOutcome
from services.network.models import Health
from services.notifications.models import NotificationState
from services.operations.error_models import ErrorState
from services.payments.models import EventKind, PaymentStatus, RefundState
from services.payments.reconciliation.models import FindingState, RunState
from services.tickets.models import TicketState
from services.vouchers.models import VoucherState

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KINDS: tuple[type[StrEnum], ...] = (
    PaymentStatus,
    RefundState,
    VoucherState,
    EntitlementState,
    GrantState,
    SessionState,
    TicketState,
    Health,
    CheckOutcome,
    NotificationState,
    VisitState,
    RunState,
    FindingState,
    ErrorState,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_has_words(kind: type[StrEnum]) -> None:
    assert all(words.words_of(state).text for state in kind)


def test_states_of_two_kinds_with_one_spelling_have_words_of_their_own() -> None:
    assert words.words_of(PaymentStatus.EXPIRED).text == "Not paid"
    assert words.words_of(VoucherState.EXPIRED).text == "Expired"


def test_every_ledger_event_is_told() -> None:
    assert set(_EVENTS) == set(EventKind)


@pytest.mark.parametrize(("bututs", "text"), [(2500, "D 25"), (125000, "D 1,250"), (250, "D 2.50"), (-2500, "-D 25"), (0, "D 0")])
def test_money(bututs: int, text: str) -> None:
    assert words.money(bututs) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (20, "just now"),
        (125, "2 min ago"),
        (7300, "2 h ago"),
        (-400, "in 6 min"),
        (86400, "21 Nov 12:00"),
        (400 * 86400, "18 Oct 2025 12:00"),
    ],
)
def test_relative_time(ago: int, text: str) -> None:
    assert words.relative(NOW - timedelta(seconds=ago), NOW) == text


@pytest.mark.parametrize(("count", "text"), [(None, ""), (0, "0 B"), (1536, "1.5 KB"), (325 << 20, "325 MB"), (2 << 30, "2.0 GB")])
def test_size(count: int | None, text: str) -> None:
    assert words.size(count) == text


def test_a_list_says_in_its_address_only_what_differs_from_its_default() -> None:
    default = ListState(sort="created", filters={"show": "live"})
    filters = (Choice("show", "Show", {"live": "Live", "all": "All"}), Day("from", "From"))
    assert default.as_query(default) == {}
    asked = {"q": "300", "show": "all", "from": "2026-11-01", "page": "3", "rows": "50", "sort": "created"}
    state = read_state(asked, default, filters, ["created"])
    assert state.as_query(default) == asked
    assert state.part.offset == 100
    assert state.day("from", after=True) == datetime(2026, 11, 2, tzinfo=UTC)


def test_a_list_shows_as_many_rows_as_it_is_meant_to_unless_its_address_says_otherwise() -> None:
    default = ListState(per_page=50)
    asked = {"": 50, "25": 25, "100": 100, "26": 50, "-1": 50, "many": 50}
    assert {rows: read_state({"rows": rows}, default, (), ()).per_page for rows in asked} == asked
