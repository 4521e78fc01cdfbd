"""What of a ticket's words is found by any part of it."""

from __future__ import annotations

import pytest

from services.tickets.search import _codes


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("my code is 7KMN-PRST and it fails", ["7KMN-PRST", "7KMNPRST"]),
        ("02:00:00:bb:00:50", ["02:00:00:bb:00:50", "020000bb0050"]),
        ("no number here, only words-with-dashes", []),
        ("call +2207012345", ["+2207012345"]),
        ("a1 b2", []),
    ],
)
def test_codes_and_numbers_are_found_with_and_without_what_parts_them(said: str, found: list[str]) -> None:
    assert list(_codes(said)) == found


@pytest.mark.parametrize("run", ["é" * 200_000, "é" * 200_000 + "1", "-" * 200_000, "a:" * 100_000, "1" * 200_000])
def test_a_message_without_a_space_is_read_through_once(run: str) -> None:
    # Looked at from each character anew, any of these would take longer than a test may.
    assert len(list(_codes(run))) <= 120
