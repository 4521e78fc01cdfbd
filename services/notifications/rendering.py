"""Putting values into words. Only plain names in braces: nothing that staff writes can reach into an object."""

from __future__ import annotations

import re
from collections.abc import Mapping

import structlog

from app.errors import InvalidInput
from services.notifications.events import Event
from services.notifications.models import Medium

log = structlog.get_logger(__name__)
_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_BRACES = re.compile(r"[{}]")
# Crosses Expo, Google or Apple and stands on lock screens: codes, keys, links that open a conversation, and what was said in one.
NEVER_PUSHED = frozenset({"code", "key", "voucher", "link", "text", "references"})
MAX_BODY: Mapping[Medium, int] = {Medium.SMS: 600, Medium.EMAIL: 4000, Medium.PUSH: 400, Medium.BELL: 300}


class BadTemplate(InvalidInput):
    code, title = "bad_template", "That template would not work"
    message = "A template may name only the placeholders of its event."


def names_in(text: str) -> set[str]:
    return set(_NAME.findall(text))


def check(event: Event, medium: Medium, *, subject: str, body: str) -> None:
    """Raises BadTemplate, saying what is wrong: an unknown placeholder, a stray brace, too long, no words."""
    if not body.strip():
        raise BadTemplate("There are no words in it.")
    if len(body) > MAX_BODY[medium]:
        raise BadTemplate(f"It is too long: {len(body)} characters, and {MAX_BODY[medium]} is the most.")
    unknown = sorted(names_in(subject + body) - set(event.sample))
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in event.sample) or "none"
        raise BadTemplate(f"It names {{{unknown[0]}}}, which this event does not have. It has: {known}.")
    secret = sorted(names_in(subject + body) & NEVER_PUSHED) if medium is Medium.PUSH else []
    if secret:
        raise BadTemplate(f"A push stands on lock screens, so it does not name {{{secret[0]}}}. Say that there is something in the app.")
    if _BRACES.search(_NAME.sub("", subject + body)):
        raise BadTemplate("It has a brace that belongs to no placeholder.")
    if medium is Medium.EMAIL and (not subject.strip() or "\n" in subject or "\r" in subject):
        raise BadTemplate("A mail needs a subject of one line.")


def render(text: str, values: Mapping[str, object]) -> str:
    """Each `{name}` by its value. One without a value becomes nothing: a message with a gap is better than none."""

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            log.warning("notification.value_missing", name=name)
        return str(values.get(name, ""))

    # In one pass, so that a value that looks like a placeholder stays what it is.
    return _NAME.sub(value_of, text)
