"""People by phone or name: both forms of a number, its beginning or its last digits, a name's words in any order and mistyped.

Each way is one range of one index, however many customers there are. A mistyped word is put right by the words of all names
(`NameWord`), of which there are thousands where there are a million people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, NameWord
from services.listing import pick

_COUNTRY = "+220"
LEAST_DIGITS, LEAST_LETTERS = 3, 3
# No phone number is longer: what fills a range of numbers up to its end.
_REST = "9" * 15
_LAST = "\U0010ffff"
_WORD = re.compile(r"[^\W_]{2,40}")
# Below, two words are no more alike than by chance.
_ALIKE = 0.3
_NEAREST = 4
_ONLY_BITMAPS = sa.text("SELECT set_config('enable_seqscan', :may, true), set_config('enable_indexscan', :may, true)")
Condition = sa.ColumnElement[bool]


def by_whole_number(session: Session, text: str) -> Customer | None:
    """Whose number this is, in whichever form it was written."""
    try:
        found = find_customer(session, phone=text)
    except BadPhone:
        return None
    return found if found is not None and found.erased_at is None else None


def number_ways(digits: str, *, is_international: bool) -> tuple[tuple[Condition, Any], ...]:
    """How a number with these digits is found, each with what its index sorts by: it begins so, so does its old form, or it ends so."""
    start = f"+{digits.removeprefix('00')}" if is_international else f"{_COUNTRY}{digits.removeprefix('0')}"
    ending = sa.func.reverse(col(Customer.phone_e164))
    turned = digits[::-1]
    return (
        (col(Customer.phone_e164).between(start, start + _REST), col(Customer.phone_e164)),
        (col(Customer.legacy_e164).between(start, start + _REST), col(Customer.legacy_e164)),
        (ending.between(turned, turned + _REST), ending),
    )


def national(digits: str) -> str:
    """Without what leads to the country."""
    return re.sub(r"^(00)?220(?=\d{6})", "", digits)


def is_one_of(numbers: Collection[str]) -> Condition:
    """Any of these national numbers, in either form."""
    whole = [_COUNTRY + number for number in numbers]
    return sa.or_(col(Customer.phone_e164) == any_of(whole), col(Customer.legacy_e164) == any_of(whole))


def any_of(texts: Collection[str]) -> sa.ColumnElement[str]:
    """For a comparison with hundreds at once, at the price of one."""
    return sa.func.any(sa.literal(list(texts), sa.ARRAY(sa.Text)))


def name_begins(text: str) -> Condition:
    """From the text itself to the last that begins so."""
    low, high = (sa.func.lower(sa.literal(one, sa.Text)) for one in (text, text + _LAST))
    name = sa.func.lower(col(Customer.name))
    return sa.and_(col(Customer.name).is_not(None), name.op("~>=~", is_comparison=True)(low), name.op("~<~", is_comparison=True)(high))


# By bytes, as its index is sorted.
BY_NAME = sa.text("lower(customer.name) USING ~<~")


def words_of(text: str) -> tuple[str, ...]:
    """Those that say something: a single letter is in most names."""
    return tuple(dict.fromkeys(_WORD.findall(text.lower())))


def name_has(words: Sequence[Sequence[str]], *, begun: bool) -> Condition:
    """Of each of `words` one spelling is in the name: as a whole word or, if `begun`, as the beginning of one."""
    mark = ":*" if begun else ""
    asked = " & ".join("(" + " | ".join(f"'{one}'{mark}" for one in spellings) + ")" for spellings in words)
    # Written out, as its index has it.
    return sa.and_(
        col(Customer.name).is_not(None),
        sa.literal_column("to_tsvector('simple', customer.name)").op("@@")(sa.func.to_tsquery("simple", asked)),
    )


def by_words(session: Session, query: sa.Select[Any]) -> Sequence[Any]:
    """Ask by the index of words alone: the planner takes any beginning of a word for common, and would read all rows for the first few."""
    session.execute(_ONLY_BITMAPS, {"may": "off"})
    found = session.execute(query).scalars().all()
    session.execute(_ONLY_BITMAPS, {"may": "on"})
    return found


def put_right(session: Session, words: Sequence[str], slips: Callable[[str], Sequence[str]]) -> list[tuple[str, ...]] | None:
    """For each word the spellings that may be meant, the likeliest first: itself where some name has it. None if one is like no name."""
    meant = []
    for word in words:
        known = pick(NameWord.word).where(col(NameWord.word).between(word, word + "zzzz")).limit(1)
        near = (word,) if session.execute(known).first() else _near(session, word, slips(word))
        if not near:
            return None
        meant.append(near)
    return meant


def _near(session: Session, word: str, slips: Sequence[str]) -> tuple[str, ...]:
    order = {slip: at for at, slip in enumerate(slips)}
    close = session.execute(pick(NameWord.word).where(col(NameWord.word) == any_of(slips))).scalars().all() if slips else []
    near = sorted(close, key=lambda one: order[one])[:_NEAREST]
    if len(near) < _NEAREST:
        session.execute(sa.text(f"SET LOCAL pg_trgm.similarity_threshold = {_ALIKE}"))
        alike = sa.func.similarity(col(NameWord.word), word)
        wanted = pick(NameWord.word).where(col(NameWord.word).op("%")(word)).order_by(alike.desc(), col(NameWord.word)).limit(_NEAREST)
        near += [one for one in session.execute(wanted).scalars() if one not in near]
    return tuple(near[:_NEAREST])
