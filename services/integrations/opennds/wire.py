"""The small grammar that redirects, polls and grants share: addresses, base64 as routers send it, `name=value, ` lists."""

import base64
import binascii
import re
from ipaddress import AddressValueError, IPv4Address

HEX64 = re.compile(r"[0-9a-f]{64}")
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def unbase64(text: str, *, longest: int) -> bytes:
    """Decode base64 that passed through a URL unescaped: spaces were `+`, padding may be gone. Raises ValueError."""
    repaired = text.strip("\r\n").replace(" ", "+")
    if len(repaired) > longest or not _BASE64.fullmatch(repaired):
        raise ValueError("not base64")
    bare = repaired.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def pairs(text: str) -> list[tuple[str, str]]:
    """Split `name=value, name=value`; pieces without `=` (openNDS leaves `(null)` there) are dropped (§3.2)."""
    found = (piece.partition("=") for piece in text.split(", "))
    return [(name.strip(), value) for name, equals, value in found if equals]


def mac_address(text: str) -> str | None:
    """A MAC in lower case with colons, or None."""
    lowered = text.lower()
    return lowered if text.isascii() and MAC.fullmatch(lowered) else None


def ipv4_address(text: str) -> str | None:
    """An IPv4 literal, or None."""
    try:
        return str(IPv4Address(text)) if text.isascii() else None
    except AddressValueError:
        return None
