"""The redirect a captive phone gets from its router (protocols/opennds.md §3)."""

from __future__ import annotations

from app.sandbox.routers.crypto import encode_query, encrypt_query, new_iv, url_encode
from app.sandbox.routers.models import Phone, Router

DETECTION_URL = "http://connectivitycheck.gstatic.com/generate_204"


def query_text(router: Router, phone: Phone) -> str:
    """The plain text of the query, byte for byte as the daemon of this level and version writes it."""
    pieces = [f"hid={phone.hid}", f"clientip={phone.clientip}", f"clientmac={phone.mac}", "client_type=cpd_can"]
    if router.version_numbers >= (10, 2):
        pieces.append("cpi_query=(null)")
    pieces += [
        f"gatewayname={url_encode(router.gateway_name)}",
        "gatewayurl=http%3a%2f%2fstatus.client",
        f"version={router.version}",
        f"gatewayaddress={router.gateway_address}",
        f"gatewaymac={router.gateway_mac.replace(':', '')}",
    ]
    if router.level != 4:
        pieces.append("authdir=opennds_auth")
    pieces += [f"originurl={url_encode(DETECTION_URL)}", "clientif=br-lan", "themespec=(null)", "(null)(null)(null)(null)"]
    return ", ".join(pieces)


def redirect_url(portal_url: str, router: Router, phone: Phone) -> str:
    """Where the router sends this phone: the FAS with its query, or the daemon's malformed address for one already online."""
    fas_url = f"{portal_url}/fas/{router.slug}"
    if phone.online:
        return f"{fas_url}&status=authenticated"
    plain = query_text(router, phone)
    if router.level == 4:
        return f"{fas_url}?fas={encode_query(plain)}"
    iv = new_iv()
    return f"{fas_url}?fas={encrypt_query(plain, router.faskey, iv)}&iv={iv}"
