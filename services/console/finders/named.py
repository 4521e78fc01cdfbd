"""Things that have a name: access points, places, gateways, staff. There are thousands, so part of a name is enough, or nearly one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from services.accounts.finding import any_of
from services.console.finders.asked import Asked, swaps
from services.console.finders.hits import Rank

# Below, a name and what was typed are no more alike than by chance; the second is for a part of a name.
_ALIKE, _ALIKE_IN_PART = 0.35, 0.55
_LITERAL, _ESCAPED = re.compile(r"([\\%_])"), r"\\\1"
_THRESHOLDS = sa.text(
    f"SELECT set_config('pg_trgm.similarity_threshold', '{_ALIKE}', true),"
    f" set_config('pg_trgm.word_similarity_threshold', '{_ALIKE_IN_PART}', true),"
    # Each of the many ways has an index; together the planner takes them for most of the table. The next kind's begin sets it back.
    " set_config('enable_seqscan', 'off', true)"
)
_LEAST_FOR_PARTS, _LEAST_FOR_SLIPS, _MOST_SWAPPED = 3, 4, 14


@dataclass(frozen=True)
class Alike:
    """`condition` finds by the indexes of trigrams; `rank` is a Rank's number; `order` puts the likest first within one rank."""

    condition: sa.ColumnElement[bool]
    rank: sa.ColumnElement[int]
    order: tuple[sa.ColumnElement[Any], ...]


def alike(session: Session, asked: Asked, name: Any, *, also: Sequence[Any] = ()) -> Alike:
    """Rows whose `name`, or one of the columns `also`, is, begins with or has what was asked; or whose `name` is nearly so."""
    text = asked.text
    order = (sa.func.word_similarity(text, name).desc(), name)
    if asked.nearly:
        return Alike(_nearly(session, text, name), sa.literal(int(Rank.SIMILAR)), order)
    columns = (name, *also)
    exact = sa.or_(*(sa.func.lower(column) == text.lower() for column in columns))
    begun = sa.or_(*(column.istartswith(text, autoescape=True) for column in columns))
    has = sa.or_(*(column.icontains(text, autoescape=True) for column in columns)) if len(text) >= _LEAST_FOR_PARTS else begun
    return Alike(has, sa.case((exact, int(Rank.EXACT)), (begun, int(Rank.PREFIX)), else_=int(Rank.PART)), order)


def _nearly(session: Session, text: str, name: Any) -> sa.ColumnElement[bool]:
    # A number that merely has some of the same digits is another one.
    if len(text) < _LEAST_FOR_SLIPS or not any(one.isalpha() for one in text):
        return sa.false()
    session.execute(_THRESHOLDS)
    near = [name.op("%", is_comparison=True)(text), name.op("%>", is_comparison=True)(text)]
    if len(text) <= _MOST_SWAPPED:
        patterns = [f"%{_LITERAL.sub(_ESCAPED, one)}%" for one in swaps(text)]
        near.append(name.op("ILIKE", is_comparison=True)(any_of(patterns)))
    return sa.or_(*near)
