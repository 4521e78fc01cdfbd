"""Staff's own words: checked when saved, kept in versions, previewed with what they cost."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.notifications import templates
from services.notifications.events import EVENTS
from services.notifications.models import Medium, Urgency
from services.notifications.rendering import NEVER_PUSHED, BadTemplate, check, names_in, render
from services.notifications.segments import cost_of
from services.notifications.wording import LANGUAGES, languages_of, shipped
from tests.conftest import NOON
from tests.factories import staff

ADMIN, CARE = staff(Role.SYSTEM_ADMIN), staff(Role.CUSTOMER_CARE)


def save(session: Session, body: str, *, event: str = "ticket_reply", language: str = "en", **more: object) -> int:
    keys = {"actor": ADMIN, "event": event, "medium": Medium.SMS, "language": language, "subject": "", "now": NOON}
    return templates.save(session, body=body, **(keys | more)).version  # type: ignore[arg-type]


def test_the_words_that_come_with_the_product_would_pass_their_own_check() -> None:
    for event in EVENTS.values():
        for medium in event.media:
            for language in languages_of(event.name):
                words = shipped(event.name, medium, language)
                check(event, medium, subject=words.subject, body=words.body)
                assert "{" not in render(words.body, event.sample)


def test_no_push_names_what_must_not_stand_on_a_lock_screen(session: Session) -> None:
    pushed = [event for event in EVENTS.values() if Medium.PUSH in event.media]
    for event in pushed:
        for language in languages_of(event.name):
            words = shipped(event.name, Medium.PUSH, language)
            assert not names_in(words.subject + words.body) & NEVER_PUSHED, (event.name, language)
    assert not [event.name for event in pushed if event.urgency is Urgency.ONE_TIME]
    for event, body in (("ticket_resolved", "{link}"), ("ticket_reply", "{text}")):
        with pytest.raises(BadTemplate, match="lock screens"):
            save(session, body, event=event, medium=Medium.PUSH, subject="INET")


def test_shipped_texts_cost_one_segment_with_their_sample() -> None:
    for event in EVENTS.values():
        for language in languages_of(event.name) if Medium.SMS in event.media else ():
            cost = cost_of(render(shipped(event.name, Medium.SMS, language).body, event.sample))
            assert (event.name, language, cost.segments, cost.foreign) == (event.name, language, 1, "")


def test_each_save_is_a_version_and_the_history_keeps_all(session: Session) -> None:
    assert [save(session, f"{text}: {{text}}") for text in "ab"] == [1, 2]
    keys = {"actor": CARE, "event": "ticket_reply", "medium": Medium.SMS, "language": "en"}
    assert templates.wording(session, **keys).words.body == "b: {text}"  # type: ignore[arg-type]
    assert [(row.version, row.is_active) for row in templates.history(session, **keys)] == [(2, True), (1, False)]  # type: ignore[arg-type]
    assert any(found.version == 2 for found in templates.list_wordings(session, actor=CARE))


def test_a_language_of_which_the_product_has_no_words_can_be_added(session: Session) -> None:
    save(session, "Jama nga am? {text}", language="wo")
    found = {row.language for row in templates.list_wordings(session, actor=CARE) if row.event.name == "ticket_reply"}
    assert found == {"en", "fr", "wo"}
    with pytest.raises(templates.BadLanguage):
        save(session, "x", language="xx")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("Hello {name}", "{name}"),
        ("Hello {text", "brace"),
        ("{text.__class__}", "brace"),
        ("   ", "no words"),
        ("x" * 601, "too long"),
    ],
)
def test_what_would_not_work_is_refused_when_it_is_saved(session: Session, body: str, says: str) -> None:
    with pytest.raises(BadTemplate, match=says):
        save(session, body)


def test_the_second_of_two_who_save_at_once_is_told_of_the_first(session: Session) -> None:
    save(session, "a {text}", after_version=0)
    with pytest.raises(templates.TemplateChanged):
        save(session, "b {text}", after_version=0)


def test_only_who_may_change_the_desk_changes_words(session: Session) -> None:
    with pytest.raises(Forbidden):
        save(session, "x", actor=CARE)


def test_a_preview_shows_sample_values_and_the_cost() -> None:
    shown = templates.preview("ticket_reply", Medium.SMS, subject="", body="Ŋ {text}")
    assert shown.words.body == "Ŋ Please try once more."
    assert shown.cost is not None
    assert (shown.cost.segments, shown.cost.is_gsm7, shown.cost.foreign) == (1, False, "Ŋ")


@pytest.mark.parametrize(
    ("text", "segments", "units"),
    [
        ("", 1, 0),
        ("a" * 160, 1, 160),
        ("a" * 161, 2, 161),
        ("a" * 306, 2, 306),
        ("a" * 307, 3, 307),
        ("€" * 80, 1, 160),
        ("a" + "€" * 80, 2, 161),
        # An escape is never parted from its character: 76 fit into a part of 153.
        ("€" * 153, 3, 306),
        ("ŋ" * 70, 1, 70),
        ("ŋ" * 71, 2, 71),
        ("😀" * 35, 1, 70),
        ("😀" * 67, 3, 134),
        ("Ç" * 160, 1, 160),
        ("ç", 1, 1),
    ],
)
def test_segments_are_counted_as_the_network_cuts_them(text: str, segments: int, units: int) -> None:
    assert (cost_of(text).segments, cost_of(text).units) == (segments, units)


def test_the_languages_are_those_of_the_country() -> None:
    assert set(LANGUAGES) == {"en", "fr", "wo", "mnk"}
