"""What the sandbox needs to know to start. The shared secrets have the same names as the product's own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEMO_WAVE_KEY = "sandbox-wave-key"
DEMO_WAVE_WEBHOOK_SECRET = "sandbox-wave-webhook-secret"  # noqa: S105 - published demo value, refused in production
DEMO_PORTABILLING_USER = "inet"
DEMO_PORTABILLING_PASSWORD = "sandbox-portabilling"  # noqa: S105 - published demo value, refused in production
DEMO_SMS_KEY = "sandbox"
DEMO_EXPO_TOKEN = "sandbox-expo-token"  # noqa: S105 - published demo value
DEMO_MAIL_USER = "help@inet.demo"
DEMO_MAIL_PASSWORD = "sandbox-mail"  # noqa: S105 - published demo value
DEMO_OPENWISP_USER = "admin"
DEMO_OPENWISP_PASSWORD = "sandbox-openwisp"  # noqa: S105 - published demo value, refused in production
# 40 hex digits, as OpenWISP makes them.
DEMO_OPENWISP_TOKEN = "5afe" * 10


class SandboxConfig(BaseSettings):
    """Settings of one sandbox process.

    Given by name, else from the environment or `.env`: the secrets and the portal's address under the product's names
    (`INET_PUBLIC_URL`, `INET_WAVE_API_KEY`, ...), the rest under `INET_SANDBOX_...`.
    """

    model_config = SettingsConfigDict(env_prefix="INET_SANDBOX_", env_file=".env", extra="ignore", populate_by_name=True, frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    data_dir: Path = Path(".inet/sandbox")
    portal_url: str = Field(default="http://127.0.0.1:8080", validation_alias="INET_PUBLIC_URL")

    wave_api_key: str = Field(default=DEMO_WAVE_KEY, validation_alias="INET_WAVE_API_KEY")
    # Several secrets, comma-separated, make several v1 values, as Wave does while a secret is being rotated.
    wave_webhook_secret: str = Field(default=DEMO_WAVE_WEBHOOK_SECRET, validation_alias="INET_WAVE_WEBHOOK_SECRET")
    # Empty: this key has no request signing. Set: it is mandatory, as at Wave.
    wave_signing_secret: str = Field(default="", validation_alias="INET_WAVE_SIGNING_SECRET")
    webhook_backoff_seconds: float = Field(default=1.0, gt=0)
    webhook_max_attempts: int = Field(default=10, ge=1, le=20)

    portabilling_user: str = Field(default=DEMO_PORTABILLING_USER, validation_alias="INET_PORTABILLING_USER")
    portabilling_password: str = Field(default=DEMO_PORTABILLING_PASSWORD, validation_alias="INET_PORTABILLING_PASSWORD")
    portabilling_token: str = Field(default="", validation_alias="INET_PORTABILLING_TOKEN")

    openwisp_user: str = DEMO_OPENWISP_USER
    openwisp_password: str = DEMO_OPENWISP_PASSWORD
    openwisp_token: str = Field(default=DEMO_OPENWISP_TOKEN, validation_alias="INET_OPENWISP_TOKEN")
    # `inet`: the sandbox starts in gateway mode, with the two addresses of the project's own specification beside OpenWISP's.
    openwisp_dialect: Literal["openwisp", "inet"] = Field(default="openwisp", validation_alias="INET_OPENWISP_DIALECT")

    sms_key: str = DEMO_SMS_KEY
    # Where delivery reports go; empty: nowhere.
    sms_report_url: str = ""
    expo_access_token: str = Field(default=DEMO_EXPO_TOKEN, validation_alias="INET_EXPO_ACCESS_TOKEN")

    # The mail server; a port of 0 is not listened on.
    imap_port: int = Field(default=0, ge=0, le=65535)
    smtp_port: int = Field(default=0, ge=0, le=65535)
    mail_user: str = DEMO_MAIL_USER
    mail_password: str = DEMO_MAIL_PASSWORD

    router_count: int = Field(default=4, ge=0, le=200)
    poll_interval_seconds: float = Field(default=2.0, gt=0, le=3600)
    seed: int = 2026

    @field_validator("portal_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")
