from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.packages.service import PackageTerms
from services.vouchers.sheets import wording
from tests.conftest import NOON

GB = 1 << 30


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1800, "30 minutes"),
        (3600, "1 hour"),
        (86400, "1 day"),
        (36 * 3600, "36 hours"),
        (2 * 86400 + 3600, "2 days 1 hour"),
        (90060, "25 hours 1 minute"),
    ],
)
def test_time_in_words(seconds: int, said: str) -> None:
    assert wording.time_in_words(seconds) == said


def test_terms_name_what_is_limited() -> None:
    plain = PackageTerms(name="x", amount_bututs=100, duration_seconds=3600)
    assert wording.terms_in_words(plain) == "1\u00a0hour · no\u00a0data\u00a0limit · 1\u00a0device"
    rich = plain.model_copy(update={"quota_bytes": 3 * GB // 2, "down_kbps": 4096, "device_limit": 3})
    assert wording.terms_in_words(rich).replace("\u00a0", " ") == "1 hour · 1.5 GB · 4 Mbit/s · 3 devices at once"
    assert wording.terms_in_words(rich, seconds=600, quota_bytes=100 << 20).replace("\u00a0", " ").startswith("10 minutes · 100 MB")


def test_prices_are_in_dalasis() -> None:
    assert [wording.price(bututs) for bututs in (2500, 125_000, 250)] == ["D 25", "D 1,250", "D 2.50"]


def test_a_beginning_that_has_passed_is_not_printed() -> None:
    until = datetime(2026, 12, 22, tzinfo=UTC)
    assert wording.window(NOON, until, now=NOON).replace("\u00a0", " ") == "Use before 22 Dec 2026"
    later = wording.window(NOON + timedelta(days=1), until + timedelta(minutes=30), now=NOON).replace("\u00a0", " ")
    assert later == "Use from 23 Nov 2026 12:00, before 22 Dec 2026 00:30"
