"""What a router says to us: authmon's polls and acknowledgements, end-of-session reports, custom messages (opennds.md §4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from services.integrations.opennds.wire import HEX64, ipv4_address, mac_address, pairs, unbase64

CallKind = Literal["clear", "view", "ack", "list", "deauthed", "custom"]

MAX_PAYLOAD_LENGTH = 16_384
_METHOD = re.compile(r"[a-z_]{1,32}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[0-9a-f]{8}")
_CUSTOM = re.compile(r"[A-Za-z0-9+/=._-]{1,128}")
_NO_CUSTOM = frozenset({"none", "na", "bmE=", "bm9uZQ=="})


class BadRouterCall(Exception):
    """The request is not one that openNDS makes. The reason is for logs; it quotes nothing."""


@dataclass(frozen=True)
class DeauthReport:
    """A session's end as the router tells it. Bytes are since the authentication; uploads are a lower bound (§4.5)."""

    method: str
    mac: str
    bytes_downloaded: int
    bytes_uploaded: int
    duration_seconds: int
    token: str | None
    custom: str | None


@dataclass(frozen=True)
class RouterCall:
    """One call. `acked` holds rhids and, for grants by address, MACs or IPs; `text` is the decoded payload."""

    kind: CallKind
    gateway_hash: str
    acked: tuple[str, ...]
    report: DeauthReport | None
    text: str


def parse_router_call(form: Mapping[str, str]) -> RouterCall:
    """Read the parameters of a POST (level 3) or a GET (level 4). Raises BadRouterCall, and nothing else, for any input.

    Polls and acknowledgements share the verb `view`; the payload tells them apart (§4.2).
    """
    verb, sender = form.get("auth_get", ""), form.get("gatewayhash", "")
    if not HEX64.fullmatch(sender):
        raise BadRouterCall("no gateway hash")
    text = _payload(form.get("payload", ""))
    match verb:
        case "clear" | "list" | "custom":
            return RouterCall(verb, sender, (), None, text)
        case "view" if text.startswith("*"):
            return RouterCall("ack", sender, _acked(text[1:]), None, text)
        case "view" if text.strip() in ("none", ""):
            return RouterCall("view", sender, (), None, text)
        case "deauthed":
            text = _unwrapped(text)
            return RouterCall("deauthed", sender, (), _report(text), text)
    raise BadRouterCall("no known call")


def _payload(encoded: str) -> str:
    try:
        return unbase64(encoded, longest=MAX_PAYLOAD_LENGTH).decode()
    except ValueError:
        raise BadRouterCall("payload is not base64 of text") from None


def _unwrapped(text: str) -> str:
    # Some versions encode the report twice (§4.1).
    return text if "method=" in text else _payload(text)


def _acked(text: str) -> tuple[str, ...]:
    # One unreadable word must not cost the others their acknowledgement.
    words = (word.lower() for word in text.split())
    return tuple(dict.fromkeys(word for word in words if HEX64.fullmatch(word) or mac_address(word) or ipv4_address(word)))


def _report(text: str) -> DeauthReport:
    fields = {name: value.strip('"') for name, value in reversed(pairs(text))}
    method, mac = fields.get("method", ""), mac_address(fields.get("clientmac", ""))
    if not _METHOD.fullmatch(method) or mac is None:
        raise BadRouterCall("report without method and MAC")
    started, ended = _number(fields.get("session_start")), _number(fields.get("session_end"))
    token, custom = fields.get("token", ""), unquote(fields.get("custom", ""))
    return DeauthReport(
        method=method,
        mac=mac,
        bytes_downloaded=_number(fields.get("bytes_incoming")),
        bytes_uploaded=_number(fields.get("bytes_outgoing")),
        # Both ends are on the router's clock, which may be wrong: only their distance means something.
        duration_seconds=max(0, ended - started) if started and ended else 0,
        token=token if _TOKEN.fullmatch(token) else None,
        custom=custom if _CUSTOM.fullmatch(custom) and custom not in _NO_CUSTOM else None,
    )


def _number(text: str | None) -> int:
    return int(text) if text and _NUMBER.fullmatch(text) else 0
