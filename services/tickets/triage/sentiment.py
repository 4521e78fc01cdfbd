"""The tone of a ticket, by its words. A hint for the answer's tone and for nothing else; it never moves a priority."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Tone = Literal["negative", "neutral", "positive"]

_NEGATIVE = re.compile(
    r"\b(?:angry|annoy\w*|awful|bad|cheat\w*|crap|disappoint\w*|disgust\w*|fed up"
    r"|frustrat\w*|garbage|hate|horrible|joke|liars?|lied|lies|mad"
    r"|nonsense|pathetic|poor|ridiculous|rubbish|rude|sad|shame\w*|sick of|stupid|suck\w*|terrible|thie(?:f|ves)|tired of|trash"
    r"|unacceptable|useless|worst|wtf|smh)\b",
    re.IGNORECASE,
)
_POSITIVE = re.compile(
    r"\b(?:appreciate\w*|awesome|best|bless|excellent|fast and|fine now|glad|good job|great|happy"
    r"|jerejef|kind|love|merci|nice|perfect|pleased"
    r"|satisfied|thanks?|thank you|well done|wonderful|works? (?:now|again|fine|well))\b",
    re.IGNORECASE,
)
_TURNED = re.compile(r"\b(?:no|not|never|nothing|isn't|aren't|don't|dont|thanks for nothing)\s+(?:\w+\s+)?$", re.IGNORECASE)
_MAX_TEXT = 3000


@dataclass(frozen=True)
class Sentiment:
    """`score` from -1 to 1; `words` are those that led to it."""

    tone: Tone
    score: float
    words: tuple[str, ...]


def sentiment_of(text: str) -> Sentiment:
    read = text[:_MAX_TEXT]
    bad = [match[0].lower() for match in _NEGATIVE.finditer(read)]
    good: list[str] = []
    for match in _POSITIVE.finditer(read):
        (bad if _TURNED.search(read[max(0, match.start() - 24) : match.start()]) else good).append(match[0].lower())
    shouted = read.count("!!") > 0 or (len(read) > 20 and read.isupper())
    balance = len(good) - len(bad) - (1 if shouted and bad else 0)
    score = round(max(-1.0, min(1.0, balance / 3)), 2)
    tone: Tone = "negative" if score < 0 else "positive" if score > 0 else "neutral"
    return Sentiment(tone, score, tuple(dict.fromkeys(bad + good))[:6])
