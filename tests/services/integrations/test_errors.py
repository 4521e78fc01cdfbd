from datetime import UTC, datetime

import pytest

from services.integrations.errors import harmless, retry_after_seconds

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("999999", 3600.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_comes_as_seconds_or_as_a_date(value, wait):
    assert retry_after_seconds({"Retry-After": value}, now=NOW) == wait


def test_a_providers_words_are_masked_shortened_and_on_one_line():
    words = harmless("key s3cretKEY\nfor +220 83 301 2345, code 41-99", "s3cretKEY", None, "")
    assert words == "key *** for +***, code 41-99"
    assert len(harmless("x" * 1000)) == 200
    assert harmless(None) == ""
