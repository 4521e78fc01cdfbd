"""Which language a ticket is written in: naive Bayes on one to four characters. A hint: people mix languages inside a sentence."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from services.tickets.triage.examples import DATA, own_examples

UNKNOWN = "und"
NAMES = {"en": "English", "fr": "French", "wo": "Wolof", "mnk": "Mandinka", "ff": "Fula", UNKNOWN: "not clear"}

_PRIOR = {"en": 0.6, "fr": 0.1, "wo": 0.1, "mnk": 0.1, "ff": 0.1}
_MAX_CHARACTERS, _LONGEST_GRAM = 600, 4
_SMOOTHING, _AMOUNT = 0.3, 10_000
_SURE_ENOUGH = 0.6
_NO_LETTER = re.compile(r"[\W\d_]+")


@dataclass(frozen=True)
class Language:
    """`code` is one of NAMES (ISO 639), `und` where nothing is clear. `confidence` is between the languages known here, no more."""

    code: str
    confidence: float

    @property
    def name(self) -> str:
        return NAMES[self.code]


def language_of(text: str) -> Language:
    """The likeliest language of `text`; only its first 600 characters are read."""
    grams = list(_grams(text))
    if len(_plain(text)) < 2 or not _script_is_ours(text):
        return Language(UNKNOWN, 0.0)
    tables = _tables()
    scores = {code: math.log(_PRIOR[code]) + sum(table.get(gram, table[""]) for gram in grams) for code, table in tables.items()}
    # Grams overlap, so their evidence is counted many times over; a fifth of it tells truer how sure this is.
    top = max(scores.values())
    weights = {code: math.exp((score - top) / 5) for code, score in scores.items()}
    code = max(weights, key=weights.__getitem__)
    confidence = weights[code] / sum(weights.values())
    return Language(code if confidence >= _SURE_ENOUGH else UNKNOWN, round(confidence, 3))


def _plain(text: str) -> str:
    return _NO_LETTER.sub(" ", text[:_MAX_CHARACTERS].lower()).strip()


def _script_is_ours(text: str) -> bool:
    letters = [character for character in text[:_MAX_CHARACTERS] if character.isalpha()]
    return sum(character < "\u0300" for character in letters) * 2 >= len(letters)


def _grams(text: str) -> Iterator[str]:
    padded = f" {_plain(text)} "
    for size in range(1, _LONGEST_GRAM + 1):
        yield from (padded[at : at + size] for at in range(len(padded) - size + 1))


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, float]]:
    """For each language the logarithm of each gram's share; under the empty gram that of one never met."""
    counted: dict[str, Counter[str]] = {code: Counter() for code in _PRIOR}
    for code, text in _sentences():
        counted[code].update(_grams(text))
    known = len(set().union(*counted.values()))
    tables = {}
    for code, counts in counted.items():
        # As if all had the same amount of text: what no language knows must not speak for the one we have least of.
        scale, total = _AMOUNT / sum(counts.values()), math.log(_AMOUNT + _SMOOTHING * known)
        seen = {gram: math.log(number * scale + _SMOOTHING) - total for gram, number in counts.items()}
        tables[code] = seen | {"": math.log(_SMOOTHING) - total}
    return tables


def _sentences() -> Iterable[tuple[str, str]]:
    for line in (DATA / "languages.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["lang"], row["text"]
    for example in own_examples():
        yield example.language, example.text
