"""Which metrics and labels a PromQL expression names: read token by token, so that nothing hides in a place one did not think of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s+ | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<span>\[[^\]]*\]) | (?P<number>\d[\w.]*(?:e-?\d+)?)
      | (?P<name>[a-zA-Z_:][\w:]*) | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},@])""",
    re.VERBOSE,
)
_LABELS_FOLLOW = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "Inf", "NaN"})


@dataclass
class Named:
    """What an expression names: labels that selectors use, by metric, and those that results are grouped by."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def named(expression: str) -> Named:
    """Raises ValueError where the expression cannot be read."""
    found, tokens = Named(), list(_tokens(expression))
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        follows = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind != "name" or text in _WORDS:
            at += 1
        elif text in _LABELS_FOLLOW:
            if follows == "(":
                end = tokens.index(("sign", ")"), at)
                found.grouped |= {word for sort, word in tokens[at + 2 : end] if sort == "name"}
                at = end
            at += 1
        elif follows == "(" or follows in _LABELS_FOLLOW:
            at += 1  # a function or an aggregation
        else:
            labels = found.metrics.setdefault(text, set())
            at += 1
            if follows == "{":
                end = tokens.index(("sign", "}"), at)
                labels |= {word for sort, word in tokens[at:end] if sort == "name"}
                at = end + 1
    return found


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"cannot read {expression[at:]!r}")
        at = match.end()
        if match.lastgroup is not None:
            yield match.lastgroup, match[0]
