"""authmon's side of the wire: what it sends, and how it reads what it gets (protocols/opennds.md §4)."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote, unquote

import httpx

from app.sandbox.routers.crypto import gateway_hash, url_encode
from app.sandbox.routers.models import Grant, Router, Terms

KEPT_CHARACTERS = 1024
DEFAULT_MINUTES = 24 * 60
MAX_INT = 2**31 - 1
DEFAULT_CUSTOM = "bmE="
# What a server may say: see §4.3. The router itself checks nothing.
ALLOWED_RAW = re.compile(r"[A-Za-z0-9+/=:._ %*-]*")
ALLOWED_ENTRY = re.compile(r"[A-Za-z0-9+/=:._ -]+")
MAX_ENTRIES = 4
MAX_LIST_CHARACTERS = 1000
TIMEOUT_SECONDS = {3: 60.0, 4: 4.0}


@dataclass(frozen=True)
class Entry:
    """One decoded `ndsctl auth` line: whom (rhid, MAC or IP) and for what."""

    who: str
    terms: Terms


@dataclass(frozen=True)
class ViewAnswer:
    """What authmon understood of an answer, and what was wrong with it by the rules that the server must keep."""

    entries: list[Entry]
    violation: str | None


def read_view_answer(text: str, entries_per_view: int | None) -> ViewAnswer:
    """Imitate authmon: only a list that starts with `*`, only its first 1024 characters, only so many entries; no check at all."""
    if not text.startswith("*"):
        return ViewAnswer([], None)
    listed = text[1:].removesuffix("\n")
    pieces = listed[1 : 1 + KEPT_CHARACTERS].split()
    entries = [_read_entry(unquote(piece)) for piece in pieces[:entries_per_view]]
    return ViewAnswer([entry for entry in entries if entry is not None], _violation(listed))


def _read_entry(line: str) -> Entry | None:
    words = line.split()
    if not words:
        return None
    numbers = [_as_shell_number(word) for word in words[1:6]]
    minutes, up, down, up_quota, down_quota = numbers + [0] * (5 - len(numbers))
    custom = words[6] if len(words) > 6 else DEFAULT_CUSTOM
    return Entry(words[0], Terms(minutes or DEFAULT_MINUTES, up, down, up_quota, down_quota, custom))


def _as_shell_number(word: str) -> int:
    # As atoi: the digits in front, never more than an int of the daemon holds.
    found = re.match(r"[0-9]+", word)
    return min(int(found[0]), MAX_INT) if found else 0


def _violation(listed: str) -> str | None:
    entries = [unquote(piece) for piece in listed.split(" ") if piece]
    clean = ALLOWED_RAW.fullmatch(listed) and all(ALLOWED_ENTRY.fullmatch(entry) for entry in entries)
    if not clean:
        return "bytes"
    if len(entries) > MAX_ENTRIES or len(listed) > MAX_LIST_CHARACTERS + 1:
        return "size"
    return None


def build_call(portal_url: str, router: Router, auth_get: str, payload: str) -> httpx.Request:
    """A router call, shaped as PHP (level 3) or wget (level 4) shapes it: these headers and no others."""
    url = f"{portal_url}/fas/{router.slug}"
    encoded = b64encode(payload.encode()).decode()
    query = f"auth_get={auth_get}&gatewayhash={gateway_hash(router.gateway_name)}&payload="
    if router.level == 4:
        return httpx.Request("GET", f"{url}?{query}{encoded}", headers=_level_4_headers(router))
    body = (query + quote(encoded, safe="")).encode()
    headers = {
        "Connection": "close",
        "User-Agent": _level_3_agent(router, auth_get),
        "Content-type": "application/x-www-form-urlencoded",
    }
    return httpx.Request("POST", url, headers=headers, content=body)


def _level_4_headers(router: Router) -> dict[str, str]:
    agent = f"openNDS(authmon;NDS:{router.version};)"
    # 10.2 to 10.3.1 pass the name to wget with its quotes still on.
    quoted = router.version_numbers < (11, 0)
    return {
        "User-Agent": f'"{agent}"' if quoted else agent,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def _level_3_agent(router: Router, auth_get: str) -> str:
    from_library = auth_get in ("deauthed", "custom") and router.version_numbers < (10, 2)
    return f"openNDS({'libopennds' if from_library else 'authmon'};NDS:{router.version};)"


def deauthed_report(router: Router, grant: Grant, token: str, now: float) -> str:
    """The payload of a deauthed report (§4.5), with this version's habits."""
    # 9.10 counts no upload once an upload rate is set.
    uploaded = 0 if router.version_numbers == (9, 10) and grant.upload_kbps else grant.bytes_outgoing
    values = {
        "method": grant.method or "",
        "clientmac": grant.mac,
        "bytes_incoming": str(grant.bytes_incoming),
        "bytes_outgoing": str(uploaded),
        "session_start": str(int(grant.started_at)),
        "session_end": str(int(now)),
        "token": token,
        "custom": url_encode(grant.custom),
    }
    if router.version_numbers >= (11, 0):
        values = {name: f'"{value}"' if name in ("method", "custom") else value for name, value in values.items()}
        values["timestamp"] = str(int(now))
    return ", ".join(f"{name}={value}" for name, value in values.items())


def quota_method(router: Router, direction: str) -> str:
    """The deauthed method of a spent quota (`down` or `up`)."""
    if router.version_numbers < (10, 2):
        return f"{direction}quota_deauth"
    return f"{'download' if direction == 'down' else 'upload'}_quota_deauth"
