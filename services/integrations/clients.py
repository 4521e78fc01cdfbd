"""The clients of this process, built once from the settings: connections and circuit breakers are shared by all its threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import structlog

from app.outbound import CircuitBreaker
from app.settings import get_settings
from services.integrations.mail import MailClient
from services.integrations.openwisp import OpenWispClient, OwnPaths
from services.integrations.portabilling import PortaBilling, RestPortaBilling, SoapPortaBilling
from services.integrations.push import PushClient
from services.integrations.sms import SmsClient
from services.integrations.sms_template import TemplateGateway
from services.integrations.wave import WaveClient

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outside:
    """Everything outside that a use case may ask."""

    wave: WaveClient
    portabilling: PortaBilling
    sms: SmsClient | None
    mail: MailClient | None
    openwisp: OpenWispClient | None
    sms_second: TemplateGateway | None = None
    push: PushClient | None = None


@lru_cache(maxsize=1)
def outside() -> Outside:
    settings = get_settings()
    signing = settings.wave_signing_secret
    return Outside(
        wave=WaveClient(
            settings.wave_base_url,
            settings.wave_api_key.get_secret_value(),
            timeout_seconds=settings.wave_timeout_seconds,
            signing_secret=signing.get_secret_value() if signing else None,
            breaker=CircuitBreaker("wave"),
        ),
        portabilling=_portabilling(),
        sms=SmsClient(settings.sms_url.get_secret_value()) if settings.sms_url else None,
        mail=MailClient(settings.email_url.get_secret_value()) if settings.email_url else None,
        openwisp=_openwisp(),
        sms_second=_sms_second(),
        push=_push(),
    )


def close() -> None:
    """Give the connections back, so that the next use starts with the settings of that moment."""
    if outside.cache_info().currsize:
        held = outside()
        held.wave.close()
        held.portabilling.close()
        if held.sms is not None:
            held.sms.close()
        for optional in (held.openwisp, held.sms_second, held.push):
            if optional is not None:
                optional.close()
    outside.cache_clear()


def _portabilling() -> PortaBilling:
    settings = get_settings()
    dialect = SoapPortaBilling if settings.portabilling_dialect == "soap" else RestPortaBilling
    token = settings.portabilling_token
    return dialect(
        settings.portabilling_url,
        user=settings.portabilling_user,
        password=settings.portabilling_password.get_secret_value(),
        token=token.get_secret_value() if token else None,
        timeout_seconds=settings.portabilling_timeout_seconds,
        cache_dir=settings.data_dir / "wsdl",
        breaker=CircuitBreaker("portabilling"),
    )


def _sms_second() -> TemplateGateway | None:
    shape = get_settings().sms_second
    try:
        return TemplateGateway.from_json(shape.get_secret_value()) if shape else None
    except ValueError as wrong:
        # A second way for texts is no reason to take no payments.
        log.warning("sms_second.wrong", detail=str(wrong))
        return None


def _push() -> PushClient | None:
    settings = get_settings()
    if not settings.expo_push_url:
        return None
    token = settings.expo_access_token
    return PushClient(settings.expo_push_url, access_token=token.get_secret_value() if token else None)


def _openwisp() -> OpenWispClient | None:
    settings = get_settings()
    if not settings.openwisp_base_url:
        return None
    return OpenWispClient(
        settings.openwisp_base_url,
        settings.openwisp_token.get_secret_value(),
        dialect=settings.openwisp_dialect,
        own_paths=OwnPaths(settings.openwisp_devices_path, settings.openwisp_monitoring_path),
        timeout_seconds=settings.openwisp_timeout_seconds,
        breaker=CircuitBreaker("openwisp"),
    )
