"""The help's own search: everything in it is known when the process starts, so no database is asked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from pages.help.about_pages import ABOUT
from pages.help.guide import listed_pages
from pages.help.journeys import JOURNEYS
from pages.help.parts import PATH, plain
from pages.help.role_guides import GUIDES
from pages.help.terms import TERMS

MOST = 20
_WORD = re.compile(r"[^\W_]+")
_TITLE_WEIGHT = 3


@dataclass(frozen=True)
class Entry:
    """Something that can be found: what kind it is, where it stands and all its words."""

    kind: str
    title: str
    text: str
    href: str
    words: frozenset[str]
    title_words: frozenset[str]


@cache
def entries() -> tuple[Entry, ...]:
    """Jobs first, then pages, words and roles; the order breaks ties."""
    found = [_entry("Job", one.title, f"{one.why} {_steps(one.id)}", f"{PATH}/journeys/{one.id}", shown=one.why) for one in JOURNEYS]
    found += [_entry("Page", page.name, page.text, page.href or f"{PATH}/navigation") for page in listed_pages()]
    found += [_entry("Word", term.name, term.meaning, f"{PATH}/words#{anchor(term.name)}") for term in TERMS]
    found += [
        _entry(
            "Role",
            guide.role.label,
            f"{guide.summary} {plain(' '.join((*guide.day, *guide.rules)))}",
            f"{PATH}/roles/{guide.slug}",
            shown=guide.summary,
        )
        for guide in GUIDES
    ]
    found.append(_entry("Help", "Keyboard", ABOUT[f"{PATH}/keyboard"].text + " keys shortcut", f"{PATH}/keyboard"))
    built = "processes workers PostgreSQL Redis architecture drawing"
    found.append(_entry("Help", "How it is built", f"{ABOUT[f'{PATH}/architecture'].text} {built}", f"{PATH}/architecture"))
    return tuple(found)


def _steps(journey_id: str) -> str:
    return " ".join(plain(step.text) for one in JOURNEYS if one.id == journey_id for step in one.steps)


def _entry(kind: str, title: str, text: str, href: str, *, shown: str = "") -> Entry:
    return Entry(kind, title, shown or text, href, _words(f"{title} {text}"), _words(title))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def anchor(name: str) -> str:
    return "-".join(word.casefold() for word in _WORD.findall(name))


def find(asked: str) -> list[Entry]:
    """What has all the words (or their beginnings), titles first; a word that nothing has is taken for the one most like it."""
    wanted = sorted(_words(asked))
    if not wanted:
        return []
    known = frozenset().union(*(entry.words for entry in entries()))
    meant = [word if any(one.startswith(word) for one in known) else _like(word, known) for word in wanted]
    scored = [(sum(_weight(word, entry) for word in meant), entry) for entry in entries() if all(_weight(word, entry) for word in meant)]
    return [entry for _, entry in sorted(scored, key=lambda pair: -pair[0])][:MOST]


def _like(word: str, known: frozenset[str]) -> str:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.7)), word)


def _weight(word: str, entry: Entry) -> int:
    if any(one.startswith(word) for one in entry.title_words):
        return _TITLE_WEIGHT
    return 1 if any(one.startswith(word) for one in entry.words) else 0
