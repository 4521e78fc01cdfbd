"""The certificate that the public address shows: when it ends, nobody can pay any more, and nothing else tells of it before."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, urlsplit

from services.operations.health.reading import TIMEOUT_SECONDS, Ground, Reading, degraded, down, off, well

_SOON, _NOW = timedelta(days=21), timedelta(days=3)


def certificate(ground: Ground) -> Reading:
    """As a browser sees it. `off` where there is none, or where this machine cannot reach the public address, which need not be wrong."""
    url = urlsplit(ground.settings.public_url)
    if url.scheme != "https":
        return off(f"{ground.settings.public_url} has none")
    try:
        lasts = _ends(url) - ground.now
    except ssl.SSLCertVerificationError as error:
        return down(f"it is not good: {error.verify_message}", "Look at the certificate and the proxy that shows it (docs/deployment.md).")
    except OSError as error:
        return off(f"{url.hostname} port {url.port or 443} cannot be reached from here: {type(error).__name__}")
    if lasts < _NOW:
        return down(f"it ends in {max(lasts.days, 0)} days", "Renew it now; see why it was not renewed by itself.")
    if lasts < _SOON:
        return degraded(f"it ends in {lasts.days} days", "See why it is not renewed by itself.")
    return well(f"it lasts {lasts.days} days")


def _ends(url: SplitResult) -> datetime:
    host, port = url.hostname or "", url.port or 443
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        ends = (secured.getpeercert() or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)
