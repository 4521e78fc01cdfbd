"""Naming a colleague in a note: `@` with their name or the part of their address before the @."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal

# Not within a word: an address in the text mentions nobody.
_AT = re.compile(r"(?<![\w.@+-])@(?=\w)")
_MOST = 20


@dataclass(frozen=True)
class Mentionable:
    """`handle` is what is written behind the @."""

    id: int
    name: str
    handle: str


def mentionable(session: Session, *, actor: Principal) -> tuple[Mentionable, ...]:
    """Everybody of the staff who can be named, by name. Raises Forbidden."""
    actor.require(Permission.TICKETS_EDIT)
    return tuple(Mentionable(one.id or 0, one.name, _handle(one)) for one in _active(session))


def find(session: Session, text: str) -> tuple[Staff, ...]:
    """Whom the text names, each once, in its order. A first name that two people share names neither."""
    starts = [match.end() for match in _AT.finditer(text)]
    if not starts:
        return ()
    names = _names(_active(session))
    longest_first = sorted(names, key=len, reverse=True)
    found: dict[int, Staff] = {}
    for start in starts:
        rest = text[start : start + 200].casefold()
        name = next((one for one in longest_first if _begins(rest, one)), None)
        if name is not None:
            found.setdefault(names[name].id or 0, names[name])
    return tuple(found.values())[:_MOST]


def _begins(rest: str, name: str) -> bool:
    after = rest[len(name) : len(name) + 2]
    # "@awa.ceesay" is not "@awa", but "@awa." at the end of a sentence is.
    return rest.startswith(name) and not re.match(r"[\w@]|[.+-]\w", after)


def _names(staff: Iterable[Staff]) -> Mapping[str, Staff]:
    people = list(staff)
    first = Counter(_first(one) for one in people)
    by_name = {_first(one): one for one in people if first[_first(one)] == 1}
    whole = Counter(one.name.casefold() for one in people)
    by_name |= {one.name.casefold(): one for one in people if whole[one.name.casefold()] == 1}
    handles = Counter(_handle(one).casefold() for one in people)
    return by_name | {_handle(one).casefold(): one for one in people if handles[_handle(one).casefold()] == 1}


def _first(one: Staff) -> str:
    return one.name.split()[0].casefold() if one.name.split() else _handle(one).casefold()


def _handle(one: Staff) -> str:
    return one.email.partition("@")[0]


def _active(session: Session) -> list[Staff]:
    return list(session.exec(select(Staff).where(col(Staff.is_active)).order_by(col(Staff.name), col(Staff.id))).all())
