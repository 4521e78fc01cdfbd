"""What of a ticket is read: plain words, bounded, so that 10 MB of text cost no more than a long mail."""

from __future__ import annotations

import html
import re
import unicodedata

MAX_SUBJECT, MAX_BODY = 300, 6000
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|</?[a-zA-Z][^<>]{0,500}>", re.DOTALL | re.IGNORECASE)
_QUOTED = re.compile(r"^\s*>.*$|^-- ?$.*", re.MULTILINE)
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_LETTER = re.compile(r"[^\W\d_]")


def readable(text: str, limit: int) -> str:
    """One line of at most `limit` characters without markup, quoted mail and invisible characters."""
    # Cut twice: before, so that the patterns see a bounded text, and after, because markup is no text.
    words = _QUOTED.sub(" ", _TAGS.sub(" ", text[: limit * 2]))
    words = _HIDDEN.sub("", unicodedata.normalize("NFC", html.unescape(words)))
    return _SPACE.sub(" ", words).strip()[:limit]


def ticket_text(subject: str, body: str) -> str:
    """Subject and body as the one text that the model reads."""
    parts = (readable(subject, MAX_SUBJECT), readable(body, MAX_BODY))
    return ". ".join(part for part in parts if part)


def has_words(text: str) -> bool:
    """Whether there is anything to read: two letters at least, of any script."""
    return len(_LETTER.findall(text[:2000])) >= 2
