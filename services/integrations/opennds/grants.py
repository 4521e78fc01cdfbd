"""What we say to a router: the list of clients to admit (opennds.md §4.3).

A root shell on the router evaluates every entry. So entries are built from numbers, hashes and whitelisted ids alone, and whatever
is about to leave is checked once more against a strict grammar, in `render_view`, whoever built it.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

MAX_ENTRIES = 4
MAX_ANSWER_CHARACTERS = 1000
MAX_LINE = 255
MAX_CUSTOM = 96
MAX_NUMBER = 2**31 - 1
MAX_MINUTES = MAX_NUMBER // 60  # openNDS keeps the session in seconds

_WHO = r"(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_WHO_ONLY = re.compile(_WHO)
_CUSTOM = re.compile(rf"[A-Za-z0-9+/=._-]{{1,{MAX_CUSTOM}}}")
_WHITELIST = re.compile(r"[A-Za-z0-9+/=:._ -]+")
_LINE = re.compile(_WHO + r" [1-9][0-9]{0,7}(?: (?:0|[1-9][0-9]{0,9})){4}" + f"(?: {_CUSTOM.pattern})?")
_GRANT_ID = re.compile(rb"g=([0-9a-f]{1,16})")


class UnsafeGrant(Exception):
    """An entry or an answer that must not reach a router. Always a mistake on our side."""


def grant_entry(
    *,
    rhid_or_mac: str,
    minutes: int,
    upload_kbps: int,
    download_kbps: int,
    upload_kb: int,
    download_kb: int,
    custom: str | None,
) -> str:
    """One percent-encoded entry. Zero rates and quotas mean the router's default; minutes start at 1. Raises UnsafeGrant."""
    if not isinstance(rhid_or_mac, str) or not _WHO_ONLY.fullmatch(rhid_or_mac):
        raise UnsafeGrant("neither a rhid nor a MAC")
    if custom is not None and not (isinstance(custom, str) and _CUSTOM.fullmatch(custom)):
        raise UnsafeGrant("custom text outside the whitelist or too long")
    # 0 minutes would be the router's default session of 24 hours.
    numbers = [_number(minutes, least=1, most=MAX_MINUTES)]
    numbers += [_number(value, least=0, most=MAX_NUMBER) for value in (upload_kbps, download_kbps, upload_kb, download_kb)]
    line = " ".join([rhid_or_mac, *numbers, *([custom] if custom is not None else [])])
    _check_line(line)
    return quote(line, safe="")


def render_view(entries: Sequence[str]) -> bytes:
    """The body of an answer to `view`: `*`, or `* ` and at most four entries in 1,000 characters. Raises UnsafeGrant."""
    if len(entries) > MAX_ENTRIES:
        raise UnsafeGrant("more entries than a router takes at once")
    for entry in entries:
        line = unquote(entry)
        _check_line(line)
        if quote(line, safe="") != entry:
            raise UnsafeGrant("entry is not encoded as routers expect")
    answer = " ".join(["*", *entries])
    if len(answer) > MAX_ANSWER_CHARACTERS:
        # A router cuts the answer and runs the stump of the last entry as if it were whole.
        raise UnsafeGrant("answer is longer than a router reads")
    return answer.encode("ascii")


def custom_for(grant_id: int) -> str:
    """The custom text that brings our grant's id back in the end report."""
    if not 0 <= grant_id < 2**64:
        raise ValueError("grant id out of range")
    return base64.b64encode(f"g={grant_id:x}".encode()).decode()


def grant_id_of(custom: str | None) -> int | None:
    """The grant id in a reported custom text, or None when it is not one of ours."""
    try:
        found = _GRANT_ID.fullmatch(base64.b64decode(custom or "", validate=True))
    except (binascii.Error, ValueError):
        return None
    return int(found[1], 16) if found else None


def _number(value: int, *, least: int, most: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UnsafeGrant("a number is out of range")
    return str(value)


def _check_line(line: str) -> None:
    if len(line) > MAX_LINE or not _WHITELIST.fullmatch(line) or not _LINE.fullmatch(line):
        raise UnsafeGrant("line outside the grammar that routers may see")
