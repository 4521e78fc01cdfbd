"""The three hashes of the openNDS protocol (opennds.md §2): lower-case hex SHA-256 over plain concatenation."""

import hashlib
import re
import string

_UNRESERVED = frozenset((string.ascii_letters + string.digits + "-_.~").encode())


def hid_of(token: str) -> str:
    """The hid that the redirect carried for the client whose router token this is; this is how an end report is matched (§4.5)."""
    return _sha256(token)


def rhid(hid: str, faskey: str) -> str:
    """What the router accepts as "admit this client". A secret: whoever has it admits himself without limits (§3.4)."""
    return _sha256(hid + faskey)


def gateway_hash(gateway_name: str) -> str:
    """The only router identifier in authmon's calls. `gateway_name` is the decoded name, a trailing space included."""
    # openNDS writes the escapes in lower case, unlike urllib, and hashes the escaped text.
    encoded = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02x}" for byte in gateway_name.encode())
    return _sha256(encoded)


_HID = re.compile(r"[0-9a-f]{64}")


def is_hid(text: str) -> bool:
    """Whether a text has the form of a client's hid: 64 lower-case hexadecimal digits."""
    return _HID.fullmatch(text) is not None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
