"""Counting what could be guessed or would cost money: keys asked for and tried, codes of enrolment. Closed while Redis is away.

Beside these, PostgreSQL counts for itself: five tries for a key, and the cool-down and the day's keys of a number (login.py). Hundreds
of customers share a hotspot's one address, so an address alone is shut out only of what no crowd of honest people does.
"""

from __future__ import annotations

import ipaddress

from app import origin
from app.keys import keyed_mac
from app.limits import Limit, count

_KEYS_OF_PHONE = Limit("app-keys-of-phone", "20 per hour", is_tight=True)
_KEYS_OF_ADDRESS = Limit("app-keys-of-address", "120 per hour", is_tight=True)
_KEYS_OF_DEVICE = Limit("app-keys-of-device", "10 per hour", is_tight=True)
# Texts to foreign numbers are what swindlers make a server send, from many addresses: counted for all of them together.
_KEYS_ABROAD = Limit("app-keys-abroad", "60 per hour", is_tight=True)
_TRIES_OF_PHONE = Limit("app-key-tries-of-phone", "30 per hour", is_tight=True)
_TRIES_OF_ADDRESS = Limit("app-key-tries-of-address", "300 per hour", is_tight=True)
_CODES_OF_ADDRESS = Limit("app-enrolments-of-address", "30 per 10 minutes", is_tight=True)
_HOME = "+220"


def count_ask(number: str) -> None:
    """Before a key is sent to `number` (E.164). Raises TooMany, or Unavailable without Redis."""
    if place := _place():
        count(_KEYS_OF_ADDRESS, place)
    if not number.startswith(_HOME):
        count(_KEYS_ABROAD)
    count(_KEYS_OF_PHONE, _who(number))


def count_device(device_id: int | None) -> None:
    """The same by the phone that asks, where the shop knows it. Raises TooMany or Unavailable."""
    if device_id is not None:
        count(_KEYS_OF_DEVICE, str(device_id))


def count_key(number: str) -> None:
    """Before a key is checked. Raises TooMany or Unavailable."""
    if place := _place():
        count(_TRIES_OF_ADDRESS, place)
    count(_TRIES_OF_PHONE, _who(number))


def count_code() -> None:
    """Before a code of enrolment is looked up. Raises TooMany or Unavailable."""
    count(_CODES_OF_ADDRESS, _place())


def _who(number: str) -> str:
    """Not the number itself: it stays out of Redis."""
    return keyed_mac("app-key-tries", number)[:32]


def _place() -> str:
    """The client's address; of an IPv6 address the network, because one customer of a provider has all of it. Empty outside a request."""
    text = origin.current()
    return str(ipaddress.ip_network(f"{text}/64", strict=False)) if _is_version_6(text) else text


def _is_version_6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
