"""What `inet doctor` looks at: each thing INET needs, in words, with what to do when it is not well."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import redis
import sqlalchemy as sa

from app.db import make_engine
from app.settings import Settings, SettingsError, get_settings

_TIMEOUT_SECONDS = 4.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `said` is what was found; `advice` what to do, empty when all is well. Neither carries a secret."""

    subject: str
    ok: bool
    said: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything in turn. A wrong setting ends the examination, since nothing else could be trusted."""
    try:
        settings = get_settings()
        settings.check()
    except SettingsError as error:
        yield Finding("Settings", False, str(error), "Set it in the environment or in .env, then run `inet doctor` again.")
        return
    yield Finding("Settings", True, f"complete for {settings.env}")
    database = _database(settings)
    yield database
    if database.ok:
        yield _tables()
    yield _redis(settings)
    yield _wave(settings)
    yield _portabilling(settings)
    yield _sms(settings)


def _database(settings: Settings) -> Finding:
    engine = make_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            version = connection.execute(sa.text("SHOW server_version")).scalar_one()
            if connection.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one():
                return Finding("PostgreSQL", False, f"{version}, but read-only", "Point INET_DATABASE_URL at the primary server.")
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        advice = "Start PostgreSQL, or correct INET_DATABASE_URL (host, port, user, password, database)."
        return Finding("PostgreSQL", False, f"no answer: {reason}", advice)
    finally:
        engine.dispose()
    return Finding("PostgreSQL", True, f"answers, version {version}")


def _tables() -> Finding:
    from app.migrate import check

    differences = check()
    if differences:
        return Finding("Tables", False, f"{len(differences)} differences from this release", "Run `inet migrate`.")
    return Finding("Tables", True, "as this release needs them")


def _redis(settings: Settings) -> Finding:
    try:
        with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return Finding("Redis", False, f"no answer: {error}", "Start Redis or Valkey, or correct INET_REDIS_URL.")
    return Finding("Redis", True, "answers")


def _wave(settings: Settings) -> Finding:
    if not settings.wave_base_url:
        return Finding(
            "Wave", False, "not set up, so nobody can pay", "Set INET_WAVE_BASE_URL, INET_WAVE_API_KEY and INET_WAVE_WEBHOOK_SECRET."
        )
    answer = _get(settings.wave_base_url + "/v1/balance", {"Authorization": f"Bearer {settings.wave_api_key.get_secret_value()}"})
    if isinstance(answer, str):
        return Finding("Wave", False, answer, "Check INET_WAVE_BASE_URL and this machine's way to the internet.")
    if answer.status_code == 401:
        return Finding("Wave", False, "reached, but it refuses the key", "Put the key from Wave's developer page into INET_WAVE_API_KEY.")
    if answer.status_code == 403:
        return Finding(
            "Wave", False, "reached, but the key may not be used", "Check at Wave the wallet, the key's APIs and its allowed addresses."
        )
    if answer.is_error:
        return Finding("Wave", False, f"reached, but it answers {answer.status_code}", "Wait, and ask Wave if it stays so.")
    return Finding("Wave", True, "answers and takes the key")


def _portabilling(settings: Settings) -> Finding:
    if not settings.portabilling_url:
        return Finding("PortaBilling", False, "not set up, so no voucher can be billed", "Set INET_PORTABILLING_URL, _USER and _PASSWORD.")
    answer = _get(settings.portabilling_url + "/wsdl/AccountAdminService.wsdl", {})
    if isinstance(answer, str):
        return Finding("PortaBilling", False, answer, "Check INET_PORTABILLING_URL and the network between.")
    if answer.is_error or b"definitions" not in answer.content:
        said = f"answers {answer.status_code} without its service description"
        return Finding("PortaBilling", False, said, "INET_PORTABILLING_URL must be the address below which /wsdl/ lies.")
    return Finding("PortaBilling", True, "answers and describes its services")


def _sms(settings: Settings) -> Finding:
    if settings.sms_url is None:
        return Finding("SMS", False, "not set up, so no message can be sent", "Set INET_SMS_URL to https://username:apikey@host/path.")
    url = urlsplit(settings.sms_url.get_secret_value())
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname or "", port), timeout=_TIMEOUT_SECONDS).close()
    except OSError as error:
        return Finding("SMS", False, f"{url.hostname} port {port} cannot be reached: {error}", "Check the host in INET_SMS_URL.")
    return Finding("SMS", True, f"{url.hostname} can be reached")


def _get(url: str, headers: dict[str, str]) -> httpx.Response | str:
    """The answer, or in words why there is none."""
    try:
        return httpx.get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        return f"{urlsplit(url).hostname} cannot be reached: {type(error).__name__}"
