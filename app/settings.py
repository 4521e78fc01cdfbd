"""One `Settings`, read from the environment (or `.env`), checked before anything starts. Names: shared/contract.md, "Settings"."""

from __future__ import annotations

import re
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Face = Literal["console", "portal", "mobile", "api"]
ALL_FACES: tuple[Face, ...] = ("console", "portal", "mobile", "api")

DEMO_PASSWORD = "inet-demo-2026"  # noqa: S105 - published in the contract, refused in production
SANDBOX_SECRETS = {"sandbox-wave-key", "sandbox-wave-webhook-secret", "sandbox-portabilling"}
MIN_SECRET_LENGTH = 32
PASSWORD_MEMORY_KIB = 65536
_TILES = re.compile(r"https?://(?:\{s\}\.)?[A-Za-z0-9.-]+(?::\d{1,5})?/[^\s'\"<>;]*")


class SettingsError(Exception):
    """A setting is wrong or missing; the message says in one line which one and what it should look like."""


class Settings(BaseSettings):
    """Everything a process takes from its environment. Secrets are `SecretStr`, so a repr or a log line never shows them."""

    model_config = SettingsConfigDict(env_prefix="INET_", env_file=".env", extra="ignore")

    env: Literal["demo", "production"] = "demo"
    database_url: str = ""
    redis_url: str = ""
    public_url: str = "http://127.0.0.1:8080"
    secret_key: SecretStr = SecretStr("")
    # Keys that were the secret key before, comma-separated: what they sealed still opens (`inet secrets rotate`).
    secret_key_previous: SecretStr = SecretStr("")
    # Names of the keys that sign access tokens: the first signs, the others still open while their tokens live.
    token_key_ids: str = "k1"  # noqa: S105 - names, not keys
    data_dir: Path = Path(".inet")
    # Argon2id's memory for one password. Production takes no less than this; our own tests log in hundreds of times and set less.
    password_memory_kib: int = Field(PASSWORD_MEMORY_KIB, ge=64)
    roles: str = ",".join(ALL_FACES)

    wave_base_url: str = ""
    wave_api_key: SecretStr = SecretStr("")
    wave_webhook_secret: SecretStr = SecretStr("")
    wave_signing_secret: SecretStr | None = None

    portabilling_url: str = ""
    portabilling_user: str = ""
    portabilling_password: SecretStr = SecretStr("")
    portabilling_token: SecretStr | None = None
    portabilling_dialect: Literal["soap", "rest"] = "soap"
    portabilling_customer: int = 1
    portabilling_product: int = 1

    openwisp_base_url: str = ""
    openwisp_token: SecretStr = SecretStr("")
    # `openwisp` is the real software's API, `inet` the two paths of a gateway before it (protocols/openwisp.md §1).
    openwisp_dialect: Literal["openwisp", "inet"] = "openwisp"
    # Where that gateway has its two lists.
    openwisp_devices_path: str = Field(default="/api/v1/network-devices", pattern=r"^/\S*$")
    openwisp_monitoring_path: str = Field(default="/api/v1/device-monitoring", pattern=r"^/\S*$")
    openwisp_timeout_seconds: float = Field(default=30.0, gt=0, le=120)
    # OpenWISP's own checks run every few minutes; asking more often than this tells nothing sooner.
    health_poll_seconds: int = Field(default=60, ge=5, le=3600)

    sms_url: SecretStr | None = None
    sms_legacy_until: str = "2026-11-30"
    # The last part of the address that delivery reports go to; empty: one that is derived from INET_SECRET_KEY (`inet doctor` shows it).
    sms_report_secret: SecretStr | None = None
    # A second way for texts, as JSON (docs/notifications.md): address, fields, and what an answer must look like.
    sms_second: SecretStr | None = None
    # How many texts may go out in an hour, in segments; those that cannot wait are not counted out. 0: as many as there are.
    sms_per_hour: int = Field(default=0, ge=0)
    # When news (not receipts, not answers) let people sleep, in Banjul's time; empty: never.
    quiet_hours: str = "22:00-07:00"

    # Expo's push service, such as https://exp.host/--/api/v2/push; empty: no pushes.
    expo_push_url: str = ""
    expo_access_token: SecretStr | None = None

    email_url: SecretStr | None = None
    # The mailbox that customers write to (docs/intake.md); empty: no mail is read.
    imap_url: SecretStr | None = None

    # Who reads tickets beside the local model: nobody (`local`), Anthropic, or any OpenAI-compatible address (docs/triage.md).
    ai_provider: Literal["local", "anthropic", "openai"] = "local"
    ai_url: str = ""
    ai_key: SecretStr = SecretStr("")
    ai_model: str = Field(default="", max_length=200)
    ai_timeout_seconds: float = Field(default=8.0, gt=0, le=60)

    # Tiles for the console's map, such as https://tile.example.org/{z}/{x}/{y}.png; empty: a simple map of our own, which needs no server.
    map_tile_url: str = ""
    map_tile_attribution: str = Field(default="", max_length=200)

    # A staff session that nobody uses ends after this long; programs that hold refresh tokens may be idle longer.
    idle_minutes: int = Field(default=30, ge=5, le=720)
    api_idle_minutes: int = Field(default=120, ge=15, le=720)

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # Where each process also keeps its log as files, which turn over and are forgotten; empty: standard error alone.
    log_dir: Path | None = None
    log_keep_days: int = Field(default=30, ge=1, le=3650)

    # What this build calls itself in logs, metrics and errors; empty: the version of the package.
    release: str = Field(default="", max_length=80)
    # Where the processes of one machine keep their figures for each other; empty: below the data directory.
    metrics_dir: Path | None = None
    # A worker and a scheduler show their figures there; 0: not at all (a web process of the same machine shows them).
    metrics_port: int = Field(default=0, ge=0, le=65535)
    # Who asks for /metrics must bring it as a bearer token; empty: whoever reaches the address (the proxy does not hand it on).
    metrics_token: SecretStr = SecretStr("")
    # Errors also go to Sentry, spans to an OpenTelemetry collector such as http://collector:4318; empty: neither.
    sentry_dsn: SecretStr = SecretStr("")
    otlp_url: str = ""

    # Behind a pooler in transaction mode: nothing may be kept on a connection between transactions.
    database_is_pooled: bool = False
    # PostgreSQL itself, beside the pooler: for migrations and back-ups. Empty: INET_DATABASE_URL.
    database_direct_url: str = ""

    # Where back-ups go, how often, how many stay; the key seals them. An empty directory: below the data directory.
    backup_dir: Path | None = None
    backup_key: SecretStr = SecretStr("")
    backup_hours: int = Field(default=24, ge=0, le=168)
    backup_keep: int = Field(default=14, ge=1, le=1000)

    # Bounds of the machinery; the defaults are what production runs with.
    wave_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    portabilling_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    # How long a customer who paid waits for PortaBilling where a voucher of the stock could be given instead.
    portabilling_patience_seconds: float = Field(default=2.0, gt=0, le=60)
    # After a call that PortaBilling did not answer, this long must pass before "not there" means that it was never made.
    portabilling_forgets_seconds: float = Field(default=60.0, ge=1, le=3600)
    # Rows younger than this are left for the next reconciliation.
    reconciliation_young_seconds: float = Field(default=300.0, ge=0, le=86_400)
    lease_seconds: float = Field(default=20.0, gt=0, le=600)
    # A create whose answer was lost is looked for this long before a second session is opened (protocols/wave.md §4.1).
    wave_create_grace_seconds: float = Field(default=10.0, ge=0, le=600)
    grant_window_seconds: float = Field(default=120.0, ge=60, le=180)

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """`.env.example` leaves what is not wanted empty: an empty address is none, and an empty folder not the current one."""
        return None if value == "" and info.field_name and cls.model_fields[info.field_name].default is None else value

    @field_validator("public_url", "wave_base_url", "portabilling_url", "openwisp_base_url", "ai_url", "expo_push_url", "otlp_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("map_tile_url")
    @classmethod
    def _is_tile_template(cls, value: str) -> str:
        if value and not (_TILES.fullmatch(value) and all(part in value for part in ("{z}", "{x}", "{y}"))):
            raise ValueError("must look like https://tile.example.org/{z}/{x}/{y}.png (a {s} may stand for a part of the host's name)")
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _is_span(cls, value: str) -> str:
        if value and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError("must look like 22:00-07:00, or be empty")
        return value

    @field_validator("roles")
    @classmethod
    def _known_faces(cls, value: str) -> str:
        unknown = [face for face in _split(value) if face not in ALL_FACES]
        if unknown:
            raise ValueError(f"knows {', '.join(ALL_FACES)}, not {', '.join(unknown)}")
        return value

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(face for face in ALL_FACES if face in _split(self.roles))

    @property
    def night(self) -> tuple[time, time] | None:
        """The quiet hours, None when there are none."""
        begin, _, end = self.quiet_hours.partition("-")
        return (time.fromisoformat(begin), time.fromisoformat(end)) if end else None

    @property
    def map_tile_origin(self) -> str:
        """From where browsers may fetch tiles, as a content security policy names it; empty without a tile server."""
        parts = urlsplit(self.map_tile_url)
        return f"{parts.scheme}://{parts.netloc.replace('{s}', '*')}" if self.map_tile_url else ""

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The current key first, then those before it."""
        return (self.secret_key.get_secret_value(), *_split(self.secret_key_previous.get_secret_value()))

    @property
    def wave_webhook_secrets(self) -> tuple[str, ...]:
        """Several secrets, comma-separated, are accepted while one is being rotated (protocols/wave.md §5)."""
        return _split(self.wave_webhook_secret.get_secret_value())

    def check(self) -> None:
        """Refuse to start on what is missing or unsafe. Raises SettingsError with one line for the first problem."""
        if not self.database_url.startswith("postgresql+psycopg://"):
            raise SettingsError("INET_DATABASE_URL must look like postgresql+psycopg://user:password@host:5432/inet")
        if not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingsError("INET_REDIS_URL must look like redis://host:6379/0 (or rediss://, unix://)")
        if len(self.secret_key.get_secret_value()) < MIN_SECRET_LENGTH:
            raise SettingsError(f"INET_SECRET_KEY must be a random text of at least {MIN_SECRET_LENGTH} characters")
        if any(len(key) < MIN_SECRET_LENGTH for key in self.secret_keys[1:]):
            raise SettingsError("INET_SECRET_KEY_PREVIOUS must be earlier values of INET_SECRET_KEY, separated by commas")
        if self.database_direct_url and not self.database_direct_url.startswith("postgresql+psycopg://"):
            raise SettingsError("INET_DATABASE_DIRECT_URL must look like postgresql+psycopg://user:password@host:5432/inet")
        if self.database_is_pooled and not self.database_direct_url:
            raise SettingsError("INET_DATABASE_DIRECT_URL must lead to PostgreSQL itself, because INET_DATABASE_IS_POOLED is set")
        if 0 < len(self.backup_key.get_secret_value()) < MIN_SECRET_LENGTH:
            raise SettingsError(f"INET_BACKUP_KEY must be a random text of at least {MIN_SECRET_LENGTH} characters")
        if self.email_url and not self.email_url.get_secret_value().startswith(("smtp://", "smtps://")):
            raise SettingsError("INET_EMAIL_URL must look like smtp://user:password@host:587/?from=inet@example.gm (or smtps://)")
        if self.imap_url and not self.imap_url.get_secret_value().startswith(("imap://", "imaps://")):
            raise SettingsError("INET_IMAP_URL must look like imaps://user:password@host:993/INBOX (or imap:// with STARTTLS)")
        self._check_ai()
        if self.env == "production":
            self._check_production()

    def _check_ai(self) -> None:
        if self.ai_provider == "local":
            return
        if not self.ai_model:
            raise SettingsError(f"INET_AI_MODEL must name the model to ask, because INET_AI_PROVIDER is {self.ai_provider}")
        if self.ai_url and urlsplit(self.ai_url).scheme not in ("http", "https"):
            raise SettingsError("INET_AI_URL must look like https://host (Anthropic) or https://host/v1 (OpenAI-compatible)")
        if not self.ai_key.get_secret_value() and not (self.ai_provider == "openai" and self.ai_url):
            raise SettingsError("INET_AI_KEY is missing; only an OpenAI-compatible address of your own (INET_AI_URL) may need none")

    def _check_production(self) -> None:
        if urlsplit(self.public_url).scheme != "https":
            raise SettingsError("INET_PUBLIC_URL must start with https:// in production")
        if self.password_memory_kib < PASSWORD_MEMORY_KIB:
            raise SettingsError(f"INET_PASSWORD_MEMORY_KIB must be at least {PASSWORD_MEMORY_KIB} in production")
        for name, value in (
            ("INET_WAVE_API_KEY", self.wave_api_key),
            ("INET_WAVE_WEBHOOK_SECRET", self.wave_webhook_secret),
            ("INET_PORTABILLING_PASSWORD", self.portabilling_token or self.portabilling_password),
        ):
            secret = value.get_secret_value()
            if not secret or secret in SANDBOX_SECRETS or secret == DEMO_PASSWORD:
                raise SettingsError(f"{name} is missing or a demo value; production needs the real one")
        for name, url in (("INET_WAVE_BASE_URL", self.wave_base_url), ("INET_PORTABILLING_URL", self.portabilling_url)):
            if urlsplit(url).scheme != "https":
                raise SettingsError(f"{name} must be an https:// address in production")


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings, read once. Raises SettingsError with one line that names the setting."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "INET_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name} is wrong: {first['msg']}") from None
