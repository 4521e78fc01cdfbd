"""A tiny openNDS router, written from protocols/opennds.md alone: it shares no line with the product.

Its calls are byte-shaped as authmon's: POST by PHP at level 3, GET by wget at level 4 (§4.1), a new connection for each.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

IV = "0123456789abcdef"
# §4.3: what may stand in a decoded entry. A root shell on the router runs it.
ENTRY = re.compile(
    r"(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
    r" [1-9][0-9]{0,8} (?:0|[1-9][0-9]{0,9}) (?:0|[1-9][0-9]{0,9}) (?:0|[1-9][0-9]{0,9}) (?:0|[1-9][0-9]{0,9})"
    r"(?: [A-Za-z0-9+/=._-]{1,96})?"
)
WIRE = re.compile(r"\*(?: [A-Za-z0-9%._~-]+){0,4}")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def gateway_hash(name: str) -> str:
    kept = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    return sha("".join(chr(byte) if byte in kept else f"%{byte:02x}" for byte in name.encode()))


@dataclass
class Station:
    """A phone on the router's client list. Its token is the router's secret; every new entry on the list has a new one."""

    mac: str
    ip: str = "10.204.0.50"
    token: str = ""
    is_online: bool = False
    minutes: int = 0
    custom: str = ""

    def __post_init__(self) -> None:
        self.token = self.token or secrets.token_hex(4)

    @property
    def hid(self) -> str:
        return sha(self.token)

    def comes_back(self) -> Station:
        """The same phone, captive again: a new entry with a new token."""
        return Station(self.mac, self.ip)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Router:
    """One router with its level, its identity, and the phones on its list."""

    base_url: str
    slug: str
    name: str
    faskey: str
    level: int
    version: str = "10.3.1"
    stations: list[Station] = field(default_factory=list)
    introduced: set[str] = field(default_factory=set)

    # --- the customer's way in (§3)

    def join(self, mac: str = "02:00:00:bb:00:50", *, token: str = "") -> Station:
        station = Station(mac, token=token)
        self.stations = [other for other in self.stations if other.mac != mac or other.is_online] + [station]
        return station

    def plain_text(self, station: Station, **changes: str | None) -> str:
        self.introduced.add(station.hid)
        fields: dict[str, str | None] = {
            "hid": station.hid,
            "clientip": station.ip,
            "clientmac": station.mac,
            "client_type": "cpd_can",
            "cpi_query": "(null)",
            "gatewayname": "".join(c if c.isalnum() or c in "-_.~" else f"%{ord(c):02x}" for c in self.name),
            "gatewayurl": "http%3a%2f%2fstatus.client",
            "version": self.version,
            "gatewayaddress": "10.204.0.1:2050",
            "gatewaymac": "020000aa0001",
            "authdir": "opennds_auth" if self.level == 3 else None,
            "originurl": "http%3a%2f%2f10.203.9.9%2fgenerate_204%3fx%3d1%26y%3da%20b%2cc%3dd",
            "clientif": "br-lan",
            "themespec": "(null)",
        }
        fields |= changes
        return "".join(f"{name}={value}, " for name, value in fields.items() if value is not None) + "(null)(null)(null)(null)"

    def redirect(self, station: Station, **changes: str | None) -> str:
        """Path and query that the captive phone is sent to."""
        return self.redirect_for(self.plain_text(station, **changes))

    def redirect_for(self, plain: str, *, key: str | None = None, iv: str = IV) -> str:
        if self.level == 4:
            return f"/fas/{self.slug}?fas={b64(plain)}"
        padder = padding.PKCS7(128).padder()
        padded = padder.update(plain.encode()) + padder.finalize()
        secret = (key or self.faskey).encode()[:32].ljust(32, b"\0")
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv.encode())).encryptor()
        inner = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
        return f"/fas/{self.slug}?fas={b64(inner)}&iv={iv}"

    # --- authmon and the library (§4)

    @property
    def agent(self) -> str:
        named = f"openNDS(authmon;NDS:{self.version};)"
        return named if self.level == 3 else f'"{named}"'

    def call(
        self,
        verb: str,
        text: str = "none",
        *,
        payload: str | None = None,
        gatewayhash: str | None = None,
        agent: str | None = None,
        level: int | None = None,
        slug: str | None = None,
    ) -> Answer:
        """One call. `payload` replaces the base64 of `text`; at level 4 it is sent just as it is."""
        sent = b64(text) if payload is None else payload
        fields = f"auth_get={verb}&gatewayhash={gatewayhash or gateway_hash(self.name)}&payload="
        path, headers = f"/fas/{slug or self.slug}", {"User-Agent": self.agent if agent is None else agent, "Connection": "close"}
        if (level or self.level) == 4:
            return self._send("GET", f"{path}?{fields}{sent}", b"", headers)
        headers["Content-type"] = "application/x-www-form-urlencoded"
        return self._send("POST", path, (fields + quote(sent, safe="")).encode(), headers)

    def _send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        url = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=4)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def view(self) -> list[list[str]]:
        """Ask what waits: each entry as its words, checked against the grammar as a router that runs it as root would wish."""
        answer = self.call("view")
        assert answer.status == 200
        return self.read(answer.text)

    @staticmethod
    def read(body: str) -> list[list[str]]:
        assert WIRE.fullmatch(body), body
        assert len(body) <= 1000
        entries = []
        for encoded in body.split(" ")[1:]:
            line = unquote(encoded)
            assert quote(line, safe="") == encoded, encoded
            assert len(line) <= 255
            assert ENTRY.fullmatch(line), line
            entries.append(line.split(" "))
        return entries

    def rhid(self, station: Station) -> str:
        return sha(station.hid + self.faskey)

    def open(self, entries: list[list[str]]) -> list[str]:
        """`ndsctl auth` for each entry: answers the names that it let in. One that is online already fails (§4.4)."""
        opened = []
        for words in entries:
            for station in self.stations:
                if not station.is_online and words[0] in (self.rhid(station), station.mac):
                    station.is_online, station.minutes, station.custom = True, int(words[1]), words[6]
                    opened.append(words[0])
        return opened

    def acknowledge(self, names: list[str]) -> Answer:
        return self.call("view", " ".join(["*", *names]))

    def poll(self) -> list[str]:
        """One turn of authmon's loop. Answers whom it let in."""
        opened = self.open(self.view())
        assert self.acknowledge(opened).text == "ack"
        return opened

    def report(self, station: Station, method: str = "timeout_deauth", *, down: int = 6042, up: int = 0, **more: str) -> str:
        """The text of an end report; the phone is captive again."""
        station.is_online = False
        fields = {
            "method": method,
            "clientmac": station.mac,
            "bytes_incoming": str(down),
            "bytes_outgoing": str(up),
            "session_start": "1795360776",
            "session_end": "1795360838",
            "token": station.token,
            "custom": quote(station.custom or "bmE=", safe=""),
        }
        return ", ".join(f"{name}={value}" for name, value in (fields | more).items())

    def restart(self) -> Answer:
        """Everybody behind it is captive again; authmon starts with `clear`."""
        for station in self.stations:
            station.is_online, station.token = False, secrets.token_hex(4)
        return self.call("clear")
