"""The captive client's way in: decoding and judging the query that the router put on the redirect (opennds.md §3)."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.integrations.opennds.wire import HEX64, ipv4_address, mac_address, pairs, unbase64

MAX_FAS_LENGTH = 16_384
_KEY_BYTES = 32
_IV = re.compile(r"[0-9a-fA-F]{16}")
_ADDRESS_AND_PORT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?")
_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_WEB_ADDRESS = re.compile(r"https?://[\x21-\x7e]{1,2000}")


class ForgedRedirect(Exception):
    """The query is not what the router of this address would have sent. The reason is for logs; it quotes nothing."""


@dataclass(frozen=True)
class Redirect:
    """One device at one router, as the router introduces it. `trusted_mac` is False where the user could have edited it (§3.4)."""

    hid: str
    client_ip: str
    client_mac: str
    gateway_address: str | None
    client_type: str | None
    origin_url: str | None
    version: str | None
    trusted_mac: bool
    # The router's own, with colons; only where the router encrypted it.
    gateway_mac: str | None = None


def decode_with_keys(query: Mapping[str, str], *, level: int, keys: Sequence[str], gateway_name: str) -> tuple[Redirect, str]:
    """Decode under the first of the keys that opens it; answers that key too. Raises ForgedRedirect when none does.

    A router has one key at a time, but while it is being changed nobody knows which.
    """
    for key in keys[:-1]:
        try:
            return decode_redirect(query, level=level, faskey=key, gateway_name=gateway_name), key
        except ForgedRedirect:
            continue
    return decode_redirect(query, level=level, faskey=keys[-1], gateway_name=gateway_name), keys[-1]


def decode_redirect(query: Mapping[str, str], *, level: int, faskey: str, gateway_name: str) -> Redirect:
    """Decode `fas` (and `iv`) at security level 3 or 4. Raises ForgedRedirect for anything not strictly valid, whatever it is."""
    if level not in (3, 4):
        raise ValueError(f"security level {level} is not supported")
    plain = decrypt(query, faskey=faskey) if level == 3 else _decode(query)
    fields = _fields(plain)
    _check_gateway(fields.get("gatewayname"), gateway_name, level)
    hid, client_ip = fields.get("hid", ""), ipv4_address(fields.get("clientip", ""))
    client_mac = mac_address(fields.get("clientmac", ""))
    if not HEX64.fullmatch(hid) or client_ip is None or client_mac is None:
        raise ForgedRedirect("no valid hid, address and MAC")
    return Redirect(
        hid=hid,
        client_ip=client_ip,
        client_mac=client_mac,
        gateway_address=_if_matches(_ADDRESS_AND_PORT, fields.get("gatewayaddress")),
        client_type=_if_matches(_WORD, fields.get("client_type")),
        # The origin is whatever the client asked for: only a plain web address may ever become a link.
        origin_url=_if_matches(_WEB_ADDRESS, unquote(fields.get("originurl", ""))),
        version=_if_matches(_WORD, fields.get("version")),
        trusted_mac=level == 3,
        gateway_mac=_gateway_mac(fields.get("gatewaymac", "")) if level == 3 else None,
    )


def decrypt(query: Mapping[str, str], *, faskey: str) -> str:
    """The plain text of a level-3 query: AES-256-CBC under the faskey, base64 twice (§3.1). Raises ForgedRedirect."""
    iv = query.get("iv", "")
    if not _IV.fullmatch(iv):
        raise ForgedRedirect("iv is not 16 hex characters")
    try:
        inner = unbase64(query.get("fas", ""), longest=MAX_FAS_LENGTH)
        ciphertext = unbase64(inner.decode("ascii"), longest=MAX_FAS_LENGTH)
        key = faskey.encode()[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0")
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv.encode("ascii"))).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = padding.PKCS7(algorithms.AES.block_size).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        # Every way of being wrong gives the same answer, or the padding check would be an oracle.
        raise ForgedRedirect("fas does not decrypt") from None


def _decode(query: Mapping[str, str]) -> str:
    try:
        return unbase64(query.get("fas", ""), longest=MAX_FAS_LENGTH).decode()
    except ValueError:
        raise ForgedRedirect("fas is not base64 of text") from None


def _fields(plain: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs(plain):
        if name in fields and name in _UNIQUE:
            raise ForgedRedirect("a field is given twice")
        fields.setdefault(name, value)
    return {name: value for name, value in fields.items() if value != "(null)"}


_UNIQUE = frozenset({"hid", "clientip", "clientmac", "gatewayname", "originurl", "gatewayaddress", "client_type", "version"})


def _check_gateway(sent: str | None, expected: str, level: int) -> None:
    if sent is None and level == 4:
        # Nothing at level 4 proves anything (§3.4), and the shortest form known of it carries no name.
        return
    if not hmac.compare_digest(unquote(sent or "").encode(), expected.encode()):
        raise ForgedRedirect("made for another gateway")


def _gateway_mac(sent: str) -> str | None:
    """9.3 writes it with colons, 9.10 without (§3.2)."""
    bare = sent.lower().replace(":", "")
    return mac_address(":".join(bare[at : at + 2] for at in range(0, 12, 2))) if len(bare) == 12 else None


def _if_matches(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value and pattern.fullmatch(value) else None
