"""Probes of the services outside. Each is a question that costs nothing there: no message is sent and nothing is made."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.outbound import OutboundError, Refused
from app.settings import Settings
from services.integrations.llm.client import DEFAULT_URLS
from services.integrations.openwisp import DeviceStatus, MonitoringAbsent, OpenWispClient
from services.integrations.push import PushClient
from services.integrations.wave.webhook import sign
from services.operations.health.reading import TIMEOUT_SECONDS, Reading, degraded, down, off, well

# A receipt that no push ever had: Expo answers that it knows nothing of it.
_NO_RECEIPT = "00000000-0000-4000-8000-000000000000"
# The beginning of a service description is enough to know it by.
_ENOUGH_BYTES = 16 * 1024


def wave(settings: Settings) -> Reading:
    """The wallet's balance, with the key that payments use."""
    if not settings.wave_base_url:
        return down("not set up, so nobody can pay", "Set INET_WAVE_BASE_URL, INET_WAVE_API_KEY and INET_WAVE_WEBHOOK_SECRET.")
    headers = {"Authorization": f"Bearer {settings.wave_api_key.get_secret_value()}"}
    if settings.wave_signing_secret:
        at = str(int(time.time()))
        headers["Wave-Signature"] = f"t={at},v1={sign(settings.wave_signing_secret.get_secret_value(), at, b'')}"
    answer = _get(settings.wave_base_url + "/v1/balance", headers)
    if isinstance(answer, str):
        return down(answer, "Check INET_WAVE_BASE_URL and this machine's way to the internet.")
    status, _ = answer
    if status == httpx.codes.UNAUTHORIZED:
        return down("reached, but it refuses the key", "Put the key from Wave's developer page into INET_WAVE_API_KEY.")
    if status == httpx.codes.FORBIDDEN:
        return down("reached, but the key may not be used", "Check at Wave the wallet, the key's APIs and its allowed addresses.")
    if status >= httpx.codes.BAD_REQUEST:
        return down(f"reached, but it answers {status}", "Wait, and ask Wave if it stays so.")
    return well("answers and takes the key")


def portabilling(settings: Settings) -> Reading:
    """The description of its services, for which nobody has to log in."""
    if not settings.portabilling_url:
        return down("not set up, so no voucher can be billed", "Set INET_PORTABILLING_URL, _USER and _PASSWORD.")
    answer = _get(settings.portabilling_url + "/wsdl/AccountAdminService.wsdl", {})
    if isinstance(answer, str):
        return down(answer, "Check INET_PORTABILLING_URL and the network between.")
    status, beginning = answer
    if status >= httpx.codes.BAD_REQUEST or b"definitions" not in beginning:
        said = f"answers {status} without its service description"
        return down(said, "INET_PORTABILLING_URL must be the address below which /wsdl/ lies.")
    return well("answers and describes its services")


_OPENWISP_ADVICE = {
    "NotAuthorised": "Put a token of an OpenWISP user into INET_OPENWISP_TOKEN.",
    "Forbidden": "Give that user the right to view devices and locations, and make it a manager of the organisation.",
    "NotFound": "INET_OPENWISP_BASE_URL must be the address below which /api/v1/ lies; check INET_OPENWISP_DIALECT as well.",
    "MalformedAnswer": "Something else answers at INET_OPENWISP_BASE_URL: a proxy, or another program.",
    "Throttled": "Wait, and ask less often (INET_HEALTH_POLL_SECONDS).",
}


def openwisp(settings: Settings) -> Reading:
    """How many devices there are. OpenWISP is optional: without it Wi-Fi is sold all the same, and nobody watches the access points."""
    if not settings.openwisp_base_url:
        return off("not set up: access points are not watched (INET_OPENWISP_BASE_URL, INET_OPENWISP_TOKEN)")
    client = OpenWispClient(
        settings.openwisp_base_url,
        settings.openwisp_token.get_secret_value(),
        dialect=settings.openwisp_dialect,
        timeout_seconds=TIMEOUT_SECONDS,
        read_attempts=1,
    )
    try:
        devices = client.count()
        client.count(DeviceStatus.OK)
    except MonitoringAbsent:
        said = f"answers and shows {devices} devices, but has no monitoring"
        return degraded(said, "Install openwisp-monitoring there; without it, health stays unknown.")
    except OutboundError as failure:
        advice = _OPENWISP_ADVICE.get(type(failure).__name__, "Check INET_OPENWISP_BASE_URL and the network between.")
        return down(failure.detail, advice)
    finally:
        client.close()
    if not devices:
        said = "answers, but shows no device"
        return degraded(said, "Make the token's user a manager of the organisation, unless there is none yet.")
    return well(f"answers and shows {devices} devices")


def sms(settings: Settings) -> Reading:
    """Only a connection: the gateway has no question that is free."""
    if settings.sms_url is None:
        return down("not set up, so no message can be sent", "Set INET_SMS_URL to https://username:apikey@host/path.")
    url = urlsplit(settings.sms_url.get_secret_value())
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname or "", port), timeout=TIMEOUT_SECONDS).close()
    except ValueError:
        return down("its address is wrong", "Set INET_SMS_URL to https://username:apikey@host/path.")
    except OSError as error:
        return down(f"{url.hostname} port {port} cannot be reached: {error}", "Check the host in INET_SMS_URL.")
    return well(f"{url.hostname} can be reached")


def push(settings: Settings) -> Reading:
    """The receipt of a push that never was."""
    if not settings.expo_push_url:
        return off("not set up: the apps get no pushes and texts go out instead (INET_EXPO_PUSH_URL)")
    token = settings.expo_access_token
    client = PushClient(settings.expo_push_url, access_token=token.get_secret_value() if token else None, timeout_seconds=TIMEOUT_SECONDS)
    try:
        client.receipts([_NO_RECEIPT])
    except Refused as refusal:
        if refusal.http_status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return down("reached, but it refuses the token", "Put a token from Expo's account settings into INET_EXPO_ACCESS_TOKEN.")
        return degraded(f"reached, but it refuses: {refusal.detail}", "INET_EXPO_PUSH_URL must be the part before /send.")
    except OutboundError as failure:
        return down(failure.detail, "Check INET_EXPO_PUSH_URL and this machine's way to the internet.")
    finally:
        client.close()
    return well("answers")


def ai(settings: Settings) -> Reading:
    """The list of models, which is free with every provider."""
    if settings.ai_provider == "local":
        return off("not set up: our own model alone reads tickets (INET_AI_PROVIDER)")
    base = (settings.ai_url or DEFAULT_URLS[settings.ai_provider]).rstrip("/")
    key = settings.ai_key.get_secret_value()
    if settings.ai_provider == "anthropic":
        answer = _get(f"{base}/v1/models?limit=1", {"x-api-key": key, "anthropic-version": "2023-06-01"})
    else:
        answer = _get(f"{base}/models", {"Authorization": f"Bearer {key}"} if key else {})
    if isinstance(answer, str):
        return down(answer, "Check INET_AI_URL and this machine's way to the internet.")
    status, _ = answer
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return down("reached, but it refuses the key", "Put a key of the provider into INET_AI_KEY.")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        return down(f"reached, but it answers {status}", "Wait, and look at the provider's own page of its state.")
    # Some servers of one's own list no models, and answer questions all the same.
    return well("answers")


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes] | str:
    """Status and the beginning of the body, or in words why there is none."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    client: Any = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
    try:
        with client, client.stream("GET", url, headers=headers) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) >= _ENOUGH_BYTES:
                    break
                if time.monotonic() > deadline:
                    return f"{urlsplit(url).hostname} answers too slowly"
            return answer.status_code, bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{urlsplit(url).hostname} cannot be reached: {type(error).__name__}"
