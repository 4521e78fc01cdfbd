"""Counting tries to log in: guessing becomes slow, and nobody can lock another person out.

An address from which a person logged in within the last 30 days has an allowance of its own. All others share one for each account, so
that guesses from a thousand addresses are as slow as from one, and use up only what strangers have. Tries are counted by the e-mail as
typed, whether there is such an account or not.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from app import origin, redis
from app.keys import keyed_mac
from app.limits import Limit, count
from services.accounts.passwords import storable

_BY_ADDRESS = (Limit("log-in-address", "60 per minute", is_tight=True), Limit("log-in-address-hour", "600 per hour", is_tight=True))
_KNOWN = (Limit("log-in-known", "10 per minute", is_tight=True), Limit("log-in-known-hour", "60 per hour", is_tight=True))
_STRANGE = Limit("log-in-stranger", "5 per minute", is_tight=True)
_STRANGERS = Limit("log-in-strangers", "30 per hour", is_tight=True)
# Who tries codes has the password already.
_CODES = (Limit("log-in-code", "6 per minute", is_tight=True), Limit("log-in-code-hour", "30 per hour", is_tight=True))
_RESETS = (Limit("reset-account", "3 per hour", is_tight=True), Limit("reset-address", "20 per hour", is_tight=True))
_OWN_PASSWORD = Limit("own-password", "10 per minute", is_tight=True)
_REMEMBERED = timedelta(days=30)
# So many wrong passwords within an hour are told to the person, once.
_FAILURES_TOLD, _FAILURES_WITHIN = 5, timedelta(hours=1)


def count_log_in(email: str) -> None:
    """Raises TooMany with the seconds to wait, or Unavailable without Redis."""
    place, who = _place(), _who(email)
    if place:
        for limit in _BY_ADDRESS:
            count(limit, place)
    if _is_known(who, place):
        for limit in _KNOWN:
            count(limit, who, place)
    else:
        count(_STRANGE, who, place)
        count(_STRANGERS, who)


def count_code(email: str) -> None:
    """Before a second factor is checked. Raises TooMany or Unavailable."""
    for limit in _CODES:
        count(limit, _who(email))


def count_reset(email: str) -> None:
    """Before a mail with a reset link is asked for. Raises TooMany or Unavailable."""
    by_account, by_address = _RESETS
    count(by_address, _place())
    count(by_account, _who(email))


def count_own_password(email: str) -> None:
    """Before somebody who is logged in proves who they are. Raises TooMany or Unavailable."""
    count(_OWN_PASSWORD, _who(email))


def remember(email: str) -> bool:
    """A log-in from this address succeeded. Answers whether it was the first from there within 30 days."""
    client, who = redis.client(), _who(email)
    is_new = not client.set(_key(who, _place()), 1, ex=_REMEMBERED, get=True)
    client.delete(_failures(who))
    return is_new


def fail(email: str) -> bool:
    """A wrong password was tried. Answers whether this is the one after which the person is told. False without Redis."""
    key = _failures(_who(email))
    try:
        pipeline = redis.client().pipeline(transaction=True)
        pipeline.set(key, 0, ex=_FAILURES_WITHIN, nx=True)
        pipeline.incr(key)
        return int(pipeline.execute()[1]) == _FAILURES_TOLD
    except redis.Away:
        return False


def first_wrong_code(email: str) -> bool:
    """Whether this wrong code of a second factor is the first within an hour: that one is told. False without Redis."""
    try:
        return bool(redis.client().set(f"log-in-wrong-code:{_who(email)}", 1, ex=_FAILURES_WITHIN, nx=True))
    except redis.Away:
        return False


def _is_known(who: str, place: str) -> bool:
    try:
        return bool(redis.client().exists(_key(who, place)))
    except redis.Away:
        return False


def _key(who: str, place: str) -> str:
    return f"log-in-from:{who}:{place}"


def _failures(who: str) -> str:
    return f"log-in-failures:{who}"


def _who(email: str) -> str:
    """Not the e-mail itself: it stays out of Redis, and its length does not matter."""
    return keyed_mac("log-in-tries", storable(email, longest=254))[:32]


def _place() -> str:
    """The client's address; of an IPv6 address the network, because one customer of a provider has all of it."""
    text = origin.current()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if address.version == 6 else text
