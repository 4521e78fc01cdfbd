"""What a person had open lately, for the search before anything is typed. Kept in Redis for a month: losing it costs a few key presses."""

from __future__ import annotations

from app.redis import Away, client
from services.accounts.permissions import Principal
from services.console.finders.hits import Kind

KEPT = 8
_KEEP_SECONDS = 30 * 86400
_KINDS = frozenset(kind.value for kind in Kind)


def _list_of(actor: Principal) -> str:
    return f"recent:{actor.id}"


def note(actor: Principal, kind: Kind, key: str) -> None:
    """Put it first. Only what it is and its number: how it is called is looked up when it is shown, with the rights of that moment."""
    if actor.kind != "staff":
        return
    thing = f"{kind.value}:{key}"
    try:
        with client().pipeline() as together:
            together.lrem(_list_of(actor), 0, thing)
            together.lpush(_list_of(actor), thing)
            together.ltrim(_list_of(actor), 0, KEPT - 1)
            together.expire(_list_of(actor), _KEEP_SECONDS)
            together.execute()
    except Away:
        return


def things(actor: Principal) -> tuple[tuple[Kind, str], ...]:
    """The latest first; nothing while Redis is away."""
    try:
        kept = client().lrange(_list_of(actor), 0, KEPT - 1)
    except Away:
        return ()
    read = ((one.decode("utf-8", "replace") if isinstance(one, bytes) else one).partition(":") for one in kept)
    return tuple((Kind(kind), key) for kind, _, key in read if kind in _KINDS)
