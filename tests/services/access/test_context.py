from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from services.access.context import HotspotContext, read_context
from services.access.errors import StaleContext
from services.accounts.customers import token_for
from tests.conftest import NOON

CONTEXT = HotspotContext(7, "ab" * 32, "02:00:00:bb:00:50", True, NOON)


def test_a_token_brings_back_what_was_sealed_and_tells_nothing(session: Session) -> None:
    token = CONTEXT.token()
    assert read_context(token, now=NOON + timedelta(hours=5)) == CONTEXT
    assert CONTEXT.hid not in token
    assert CONTEXT.mac not in token


def test_no_token_is_no_context(session: Session) -> None:
    assert read_context(None, now=NOON) is None
    assert read_context("", now=NOON) is None


def test_an_old_token_is_refused(session: Session) -> None:
    with pytest.raises(StaleContext):
        read_context(CONTEXT.token(), now=NOON + timedelta(hours=6, seconds=1))


def test_no_flipped_bit_is_overlooked(session: Session) -> None:
    token = CONTEXT.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at, character in enumerate(token[:-1]):  # the last character has bits that mean nothing
        flipped = alphabet[alphabet.index(character) ^ 1]
        with pytest.raises(StaleContext):
            read_context(token[:at] + flipped + token[at + 1 :], now=NOON)


@pytest.mark.parametrize("token", ["x", "é", "\x00", "=" * 40, "A" * 5000])
def test_nonsense_and_tokens_for_another_purpose_are_refused(session: Session, token: str) -> None:
    for text in (token, token_for(1)):
        with pytest.raises(StaleContext):
            read_context(text, now=NOON)
