"""Texts to numbers that are no customer's: the words they are written in."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from services.apps.texts import to_number
from services.notifications.models import Medium, NotificationState
from services.notifications.templates import save
from tests.conftest import NOON
from tests.factories import staff
from tests.services.apps.texting import new_number, texts, words_of


@pytest.mark.parametrize(
    ("language", "words"),
    [(None, "Own words 402718"), ("en", "Own words 402718"), ("fr", "Ne la donnez jamais"), ("wo", "Own words 402718")],
)
def test_staffs_own_words_go_before_the_products_in_their_language(session: Session, language: str | None, words: str) -> None:
    own = {"event": "login_key", "medium": Medium.SMS, "language": "en", "subject": "", "body": "Own words {key}"}
    version = save(session, actor=staff(), now=NOON, **own)  # type: ignore[arg-type]
    values = {"key": "402718", "minutes": 10}
    to_number(session, new_number(), event="login_key", values=values, dedupe_key="k", language=language, now=NOON)
    (message,) = texts(session, "login_key")
    assert words in words_of(message)
    assert (message.state, message.customer_id, message.segments) == (NotificationState.QUEUED, None, 1)
    assert message.template_id == (None if language == "fr" else version.id)
