"""What to put into a router so that it belongs to us (protocols/opennds.md §9, §10): OpenWrt's uci file and Debian's flat file."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Literal, get_args
from urllib.parse import urlsplit

from services.access.errors import BadGateway
from services.access.gateway_keys import wanted_key
from services.access.models import Gateway

RouterSystem = Literal["openwrt", "debian"]
SYSTEMS: tuple[RouterSystem, ...] = get_args(RouterSystem)
FILES: dict[RouterSystem, str] = {"openwrt": "/etc/config/opennds", "debian": "/etc/opennds/opennds.conf"}
RESTARTS: dict[RouterSystem, str] = {"openwrt": "/etc/init.d/opennds restart", "debian": "systemctl restart opennds"}
# 9.10 has no other interval, and its parser stops at the option that sets one.
DEBIAN_POLL_SECONDS = 10
_PAYMENT_HOSTS = ("pay.wave.com", "api.wave.com")
_END_REPORTS = "/usr/lib/opennds/binauth_log.sh"


@dataclass(frozen=True)
class PortalAddress:
    """Where a router finds the portal. `ipv4` is None when the name does not resolve here: then a person has to fill it in."""

    host: str
    port: int
    ipv4: str | None


def portal_address(public_url: str) -> PortalAddress:
    """Looks the portal's name up, so it may take seconds: never call it with a transaction open."""
    url = urlsplit(public_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    return PortalAddress(host, port, _ipv4_of(host))


def _ipv4_of(host: str) -> str | None:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except (OSError, UnicodeError):
        return None


def router_snippet(gateway: Gateway, *, portal: PortalAddress, system: RouterSystem = "openwrt") -> str:
    """The configuration with the router's key in clear; while the key is being changed, the new one.

    Raises BadGateway for level 4 on Debian, whose openNDS 9.10 does not know it.
    """
    return _WRITERS[system](gateway, portal)


def _openwrt(gateway: Gateway, portal: PortalAddress) -> str:
    options = [
        ("enabled", "1"),
        *_common(gateway, portal),
        ("nat_traversal_poll_interval", str(gateway.poll_seconds)),
        ("login_option_enabled", "0"),
        ("allow_preemptive_authentication", "1"),
    ]
    lines = [_option(f"option {name} '{value}'", value) for name, value in options]
    lines += [f"list walledgarden_fqdn_list '{host}'" for host in _PAYMENT_HOSTS]
    lines.append("list walledgarden_port_list '443'")
    return "\n".join(["config opennds", *(f"    {line}" for line in lines)]) + "\n"


def _debian(gateway: Gateway, portal: PortalAddress) -> str:
    if gateway.level != 3:
        raise BadGateway("openNDS 9.10 on Debian knows level 3 and not 4; register the router anew at level 3.", field="format")
    options = [
        ("GatewayInterface", "br-lan"),
        *_common(gateway, portal),
        ("login_option_enabled", "0"),
        ("allow_preemptive_authentication", "1"),
        # Without it 9.10 never tells that a session ended (opennds.md §4.5).
        ("binauth", _END_REPORTS),
        ("walledgarden_fqdn_list", " ".join(_PAYMENT_HOSTS)),
        ("walledgarden_port_list", "443"),
    ]
    return "\n".join(_option(f"{name} {value}", value) for name, value in options) + "\n"


def _common(gateway: Gateway, portal: PortalAddress) -> list[tuple[str, str]]:
    return [
        ("fas_secure_enabled", str(gateway.level)),
        ("gatewayname", gateway.gateway_name),
        ("enable_serial_number_suffix", "0"),
        ("fasport", str(portal.port)),
        ("faspath", f"/fas/{gateway.slug}"),
        ("fasremotefqdn", portal.host),
        ("fasremoteip", portal.ipv4 or f"<the IPv4 address of {portal.host}>"),
        ("faskey", wanted_key(gateway)),
    ]


def _option(line: str, value: str) -> str:
    # What a person has to fill in first must not stop the router's parser.
    return f"# {line}" if value.startswith("<") else line


_WRITERS: dict[RouterSystem, Callable[[Gateway, PortalAddress], str]] = {"openwrt": _openwrt, "debian": _debian}
