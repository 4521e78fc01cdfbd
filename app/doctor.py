"""What `inet doctor` looks at: each thing INET needs, in words, with what to do when it is not well."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import redis
import sqlalchemy as sa
from pydantic import SecretStr

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
    yield _openwisp(settings)
    yield _sms(settings)
    yield _mail(settings.email_url)
    yield _mailbox(settings.imap_url)
    if urlsplit(settings.public_url).scheme == "https":
        yield _proxy(os.environ.get("FORWARDED_ALLOW_IPS", ""))


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


_OPENWISP_ADVICE = {
    "NotAuthorised": "Put a token of an OpenWISP user into INET_OPENWISP_TOKEN.",
    "Forbidden": "Give that user the right to view devices and locations, and make it a manager of the organisation.",
    "NotFound": "INET_OPENWISP_BASE_URL must be the address below which /api/v1/ lies; check INET_OPENWISP_DIALECT as well.",
    "MalformedAnswer": "Something else answers at INET_OPENWISP_BASE_URL: a proxy, or another program.",
    "Throttled": "Wait, and ask less often (INET_HEALTH_POLL_SECONDS).",
}


def _openwisp(settings: Settings) -> Finding:
    """OpenWISP is optional: without it Wi-Fi is sold all the same, and nobody watches the access points."""
    from app.outbound import OutboundError
    from services.integrations.openwisp import DeviceStatus, MonitoringAbsent, OpenWispClient

    if not settings.openwisp_base_url:
        return Finding("OpenWISP", True, "not set up: access points are not watched (INET_OPENWISP_BASE_URL, INET_OPENWISP_TOKEN)")
    client = OpenWispClient(
        settings.openwisp_base_url,
        settings.openwisp_token.get_secret_value(),
        dialect=settings.openwisp_dialect,
        timeout_seconds=_TIMEOUT_SECONDS,
        read_attempts=1,
    )
    try:
        devices = client.count()
        client.count(DeviceStatus.OK)
    except MonitoringAbsent:
        said = f"answers and shows {devices} devices, but has no monitoring"
        return Finding("OpenWISP", False, said, "Install openwisp-monitoring there; without it, health stays unknown.")
    except OutboundError as failure:
        advice = _OPENWISP_ADVICE.get(type(failure).__name__, "Check INET_OPENWISP_BASE_URL and the network between.")
        return Finding("OpenWISP", False, failure.detail, advice)
    finally:
        client.close()
    if not devices:
        said = "answers, but shows no device"
        return Finding("OpenWISP", False, said, "Make the token's user a manager of the organisation, unless there is none yet.")
    return Finding("OpenWISP", True, f"answers and shows {devices} devices")


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


_MAIL_TROUBLES = {
    "gaierror": ("its host name is not known", "Correct the host in INET_EMAIL_URL."),
    "ConnectionRefusedError": ("nothing listens at that host and port", "Correct both in INET_EMAIL_URL, or start the mail server."),
    "TimeoutError": ("it does not answer", "Check host and port in INET_EMAIL_URL, and whether a firewall closes the port."),
    "SSLCertVerificationError": ("its certificate is not good for that name", "Put the name of the certificate into INET_EMAIL_URL."),
    "SSLError": ("it does not speak TLS at that port", "Use smtps:// for port 465 and smtp:// (STARTTLS) for port 587."),
    "SMTPNotSupportedError": ("it offers no encryption or no log-in", "Use the port for programs (587 or 465), not that for servers (25)."),
    "SMTPServerDisconnected": ("it hangs up", "Use smtps:// for port 465 and smtp:// for port 587; ask its operator if that is right."),
}


def _mail(url: SecretStr | None) -> Finding:
    """Mail is optional: without it, admins hand over the links to choose a password."""
    from app.outbound import OutboundError, Refused
    from services.integrations.mail import MailClient

    if url is None:
        return Finding("Mail", True, "not set up: admins hand over links by other means, and nobody is told of log-ins")
    try:
        MailClient(url.get_secret_value(), timeout_seconds=_TIMEOUT_SECONDS).check()
    except ValueError as error:
        return Finding("Mail", False, str(error), "Correct INET_EMAIL_URL.")
    except Refused as failure:
        if failure.operation == "log_in":
            said = "reached, but it refuses user or password"
            return Finding("Mail", False, said, "Correct both in INET_EMAIL_URL (special characters as %XX).")
        return Finding("Mail", False, f"reached, but it refuses us: {failure.detail}", "Ask its operator whether this machine may send.")
    except OutboundError as failure:
        said, advice = _MAIL_TROUBLES.get(failure.detail, (f"not usable: {failure.detail}", "Check INET_EMAIL_URL and the mail server."))
        return Finding("Mail", False, said, advice)
    return Finding("Mail", True, "answers" + (" and takes user and password" if urlsplit(url.get_secret_value()).username else ""))


_MAILBOX_TROUBLES = {
    "gaierror": ("its host name is not known", "Correct the host in INET_IMAP_URL."),
    "ConnectionRefusedError": ("nothing listens at that host and port", "Correct both in INET_IMAP_URL, or start the mail server."),
    "TimeoutError": ("it does not answer", "Check host and port in INET_IMAP_URL, and whether a firewall closes the port."),
    "SSLCertVerificationError": ("its certificate is not good for that name", "Put the name of the certificate into INET_IMAP_URL."),
    "SSLError": ("it does not speak TLS at that port", "Use imaps:// for port 993 and imap:// (STARTTLS) for port 143."),
}


def _mailbox(url: SecretStr | None) -> Finding:
    """The mailbox is optional: without it, customers write by the other ways."""
    from app.outbound import OutboundError, Refused
    from services.integrations.imap import ImapClient

    if url is None:
        return Finding("Mailbox", True, "not set up: no mail becomes a ticket (INET_IMAP_URL)")
    try:
        client = ImapClient(url.get_secret_value(), timeout_seconds=_TIMEOUT_SECONDS)
        mails = client.check()
    except ValueError as error:
        return Finding("Mailbox", False, str(error), "Correct INET_IMAP_URL.")
    except Refused as failure:
        if failure.operation == "log_in":
            said = "reached, but it refuses user or password"
            return Finding("Mailbox", False, said, "Correct both in INET_IMAP_URL (special characters as %XX).")
        return Finding("Mailbox", False, "reached, but there is no such folder", "Name a folder of the mailbox in INET_IMAP_URL.")
    except OutboundError as failure:
        unknown = (f"not usable: {failure.detail}", "Check INET_IMAP_URL and the mail server.")
        said, advice = _MAILBOX_TROUBLES.get(failure.detail, unknown)
        return Finding("Mailbox", False, said, advice)
    if not client.address:
        said = f"answers and holds {mails} mails, but it is not known at which address people write to it"
        return Finding("Mailbox", True, said, "Add ?address=help@example.gm to INET_IMAP_URL.")
    return Finding("Mailbox", True, f"answers and holds {mails} mails")


def _proxy(trusted: str) -> Finding:
    """TLS ends in a proxy: who asks is only known where its word is taken (uvicorn's FORWARDED_ALLOW_IPS)."""
    if trusted.strip() == "*":
        said = "FORWARDED_ALLOW_IPS trusts everybody, so anybody can claim any address"
        return Finding("Proxy", False, said, "Name the proxy's own address instead of *.")
    if not trusted.strip():
        said = "only a proxy on this machine is believed; behind another, every customer seems to come from its one address"
        return Finding("Proxy", False, said, "Set FORWARDED_ALLOW_IPS to the proxy's address (127.0.0.1 if it runs here).")
    return Finding("Proxy", True, f"X-Forwarded-For is believed from {trusted.strip()}")


def _get(url: str, headers: dict[str, str]) -> httpx.Response | str:
    """The answer, or in words why there is none."""
    try:
        return httpx.get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        return f"{urlsplit(url).hostname} cannot be reached: {type(error).__name__}"
