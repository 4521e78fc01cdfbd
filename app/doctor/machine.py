"""What only a person at this machine can mend: the proxy, folders, secrets, the public address."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx

from app.settings import Settings
from services.operations.health.own import judge_room, room_in
from services.operations.health.reading import TIMEOUT_SECONDS, Reading, down, off, well

_FEWEST_CHARACTERS = 12


def trusted_proxy() -> Reading:
    return proxy(os.environ.get("FORWARDED_ALLOW_IPS", ""))


def proxy(trusted: str) -> Reading:
    """TLS ends in a proxy: who asks is only known where its word is taken (uvicorn's FORWARDED_ALLOW_IPS)."""
    if trusted.strip() == "*":
        said = "FORWARDED_ALLOW_IPS trusts everybody, so anybody can claim any address"
        return down(said, "Name the proxy's own address instead of *.")
    if not trusted.strip():
        said = "only a proxy on this machine is believed; behind another, every customer seems to come from its one address"
        return down(said, "Set FORWARDED_ALLOW_IPS to the proxy's address (127.0.0.1 if it runs here).")
    return well(f"X-Forwarded-For is believed from {trusted.strip()}")


def logs(settings: Settings) -> Reading:
    if settings.log_dir is None:
        return off("on standard error alone (INET_LOG_DIR), so `inet logs` finds nothing here")
    return _writable(settings.log_dir, "INET_LOG_DIR")


def metrics(settings: Settings) -> Reading:
    """The processes of one machine leave their figures for each other in files."""
    folder = settings.metrics_dir or settings.data_dir / "metrics"
    reading = _writable(folder, "INET_METRICS_DIR")
    if reading.ok and settings.env == "production" and not settings.metrics_token.get_secret_value():
        return well(f"{reading.said}; /metrics asks for no token", "Set INET_METRICS_TOKEN, unless the proxy does not hand /metrics on.")
    return reading


def _writable(folder: Path, setting: str) -> Reading:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = f"{folder} cannot be written: {os.strerror(error.errno or 0)}"
        return down(said, f"Give INET's user the right to write there, or set {setting}.")
    return judge_room(str(folder), *room_in(folder))


def secrets(settings: Settings) -> Reading:
    """Long enough they are, or nothing had started; whether somebody typed them in a hurry is another matter."""
    named = {
        "INET_SECRET_KEY": settings.secret_key.get_secret_value(),
        "INET_BACKUP_KEY": settings.backup_key.get_secret_value(),
        "INET_METRICS_TOKEN": settings.metrics_token.get_secret_value(),
    }
    weak = [name for name, value in named.items() if value and len(set(value)) < _FEWEST_CHARACTERS]
    if weak:
        said = f"{' and '.join(weak)} {'is' if len(weak) == 1 else 'are'} easy to guess"
        return down(said, 'Make it anew: python -c "import secrets; print(secrets.token_urlsafe(48))"; then `inet secrets rotate`.')
    values = [value for value in named.values() if value]
    if len(set(values)) < len(values):
        return down("one value stands for two of them", "Make each its own: who learns one must not have the other.")
    if _others_may_read(Path(".env")):
        return down("every account of this machine may read .env", "Run `chmod 600 .env`.")
    if settings.env == "production" and not settings.backup_key.get_secret_value():
        said = "INET_BACKUP_KEY is not set, so back-ups cannot be sealed"
        return down(said, "Set it to a long random text, and keep a copy away from this machine.")
    return well("long and mixed enough")


def _others_may_read(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & 0o004)
    except OSError:
        return False


def public_address(settings: Settings) -> Reading:
    """Customers reach us there."""
    try:
        answer = httpx.get(
            settings.public_url + "/healthz/live", timeout=TIMEOUT_SECONDS, trust_env=False, verify=ssl.create_default_context()
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = f"{settings.public_url} cannot be reached from here: {type(error).__name__}"
        return down(said, "Start `inet serve`; check INET_PUBLIC_URL, its DNS entry, the proxy and the firewall.")
    if not _is_ours(answer):
        said = f"{settings.public_url} is answered by something else ({answer.status_code})"
        return down(said, "Check INET_PUBLIC_URL and to where the proxy hands requests on.")
    return well(f"{settings.public_url} answers")


def _is_ours(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.OK and "x-correlation-id" in answer.headers


def sandbox(settings: Settings) -> Reading:
    """In production nothing may lead to the imitation of the outside world: its money is not real."""
    found = sorted({name for name, url in _outside(settings) if _is_sandbox(url)})
    if found:
        return down(f"{' and '.join(found)} lead{'s' if len(found) == 1 else ''} to the sandbox", "Set the provider's real address.")
    return well("nothing leads to it")


def _outside(settings: Settings) -> Iterator[tuple[str, SplitResult]]:
    named = {
        "INET_WAVE_BASE_URL": settings.wave_base_url,
        "INET_PORTABILLING_URL": settings.portabilling_url,
        "INET_OPENWISP_BASE_URL": settings.openwisp_base_url,
        "INET_SMS_URL": settings.sms_url.get_secret_value() if settings.sms_url else "",
        "INET_EXPO_PUSH_URL": settings.expo_push_url,
    }
    for name, url in named.items():
        if url:
            yield name, urlsplit(url)


def _is_sandbox(url: SplitResult) -> bool:
    """Only what runs in our own network is asked: a provider would wonder at a question that it does not know."""
    host = url.hostname or ""
    try:
        if not ip_address(socket.gethostbyname(host)).is_private:
            return False
    except (OSError, ValueError):
        return False
    where = f"{url.scheme}://{f'[{host}]' if ':' in host else host}" + (f":{url.port}" if url.port else "")
    try:
        answer = httpx.get(f"{where}/_control/state", timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.status_code == httpx.codes.OK
