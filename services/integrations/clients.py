"""The clients of this process, built once from the settings: connections and circuit breakers are shared by all its threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from app.outbound import CircuitBreaker
from app.settings import get_settings
from services.integrations.mail import MailClient
from services.integrations.openwisp import OpenWispClient, OwnPaths
from services.integrations.portabilling import PortaBilling, RestPortaBilling, SoapPortaBilling
from services.integrations.sms import SmsClient
from services.integrations.wave import WaveClient


@dataclass(frozen=True)
class Outside:
    """Everything outside that a use case may ask."""

    wave: WaveClient
    portabilling: PortaBilling
    sms: SmsClient | None
    mail: MailClient | None
    openwisp: OpenWispClient | None


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
    )


def close() -> None:
    """Give the connections back, so that the next use starts with the settings of that moment."""
    if outside.cache_info().currsize:
        held = outside()
        held.wave.close()
        held.portabilling.close()
        if held.sms is not None:
            held.sms.close()
        if held.openwisp is not None:
            held.openwisp.close()
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
