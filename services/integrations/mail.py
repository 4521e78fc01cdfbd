"""Mail over SMTP (RFC 5321), always encrypted: STARTTLS for smtp://, TLS from the start for smtps://.

There is no idempotency key: after OutcomeUnknown the mail may be on its way. Nothing here is ever repeated.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from app.outbound import CircuitBreaker, OutboundError, OutcomeUnknown, Refused, Unavailable, observe

SERVICE = "mail"
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHAPE = "the mail address must look like smtp://user:password@host:587/?from=inet@example.gm"


class MailClient:
    """Sends single mails of plain text. Synchronous and thread-safe: each mail has a connection of its own."""

    def __init__(self, url: str, *, timeout_seconds: float = 10.0, breaker: CircuitBreaker | None = None) -> None:
        """Raises ValueError, without quoting the address, when a part is missing or it is not encrypted.

        `?tls=no` is for a relay on this very machine only.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:  # its own words would quote a piece of the address
            raise ValueError(_SHAPE) from None
        query = parse_qs(parts.query)
        sender = query.get("from", [""])[0]
        if parts.scheme not in _PORTS or not parts.hostname or "@" not in sender or bool(parts.username) != bool(parts.password):
            raise ValueError(_SHAPE)
        self._is_plain = query.get("tls") == ["no"]
        if self._is_plain and (parts.scheme == "smtps" or parts.hostname not in _LOOPBACK):
            raise ValueError("mail without TLS goes only to a relay on this machine")
        self._host, self._port, self._sender = parts.hostname, port, sender
        self._is_tls_from_the_start = parts.scheme == "smtps"
        self._login = (unquote(parts.username), unquote(parts.password)) if parts.username and parts.password else None
        self._timeout = timeout_seconds
        self.breaker = breaker or CircuitBreaker(SERVICE)

    def send(self, *, to: str, subject: str, text: str, headers: Mapping[str, str] | None = None) -> str:
        """Answers the Message-ID, which `headers` may choose, beside other fields such as Reply-To.

        Raises Refused (it will never go), Unavailable (not sent; later may work) or OutcomeUnknown.
        """
        message = self._message(to, subject, text, headers or {})
        with observe(SERVICE, "send") as seen, self.breaker.guard("send"):
            with self._connection() as smtp:
                try:
                    smtp.send_message(message)
                except smtplib.SMTPResponseException as error:
                    raise _answered(error.smtp_code) from None
                except smtplib.SMTPRecipientsRefused as error:
                    raise _answered(max((code for code, _ in error.recipients.values()), default=550)) from None
                except (smtplib.SMTPException, OSError) as error:
                    raise OutcomeUnknown(SERVICE, "send", type(error).__name__) from None
            seen.detail = "accepted"
        return str(message["Message-ID"])

    def check(self) -> None:
        """Connect, encrypt and log in as for a mail, but send none. Raises Refused or Unavailable, whose `detail` names the trouble."""
        with self._connection() as smtp:
            try:
                code, _ = smtp.noop()
            except (smtplib.SMTPException, OSError) as error:
                raise Unavailable(SERVICE, "check", type(error).__name__) from None
        if code >= 400:
            raise _answered(code)

    def _message(self, to: str, subject: str, text: str, headers: Mapping[str, str]) -> EmailMessage:
        """Raises Refused for a recipient, a subject or a field that would begin another header line."""
        message = EmailMessage()
        try:
            message["From"], message["To"], message["Subject"] = self._sender, to, subject
            for name, value in headers.items():
                message[name] = value
        except ValueError:
            raise Refused(SERVICE, "send", "bad_header") from None
        message["Date"] = formatdate()
        if "Message-ID" not in message:
            message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2].rstrip(">"))
        if "Auto-Submitted" not in message:  # a person's own words say that they are not (RFC 3834)
            message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted and logged in. Raises Unavailable or Refused."""
        try:
            smtp = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise Refused(SERVICE, "log_in", f"smtp_{error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(SERVICE, "connect", type(error).__name__) from None
        try:
            yield smtp
        finally:
            # Whatever was sent is sent; a server that does not say goodbye changes nothing.
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        smtp: smtplib.SMTP
        if self._is_tls_from_the_start:
            smtp = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=context)
        else:
            smtp = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            if not self._is_tls_from_the_start and not self._is_plain:
                smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
            if self._login:
                smtp.login(*self._login)
        except BaseException:
            smtp.close()
            raise
        return smtp


def _answered(code: int) -> OutboundError:
    """4xx means later, 5xx means never (RFC 5321 §4.2.1)."""
    return Refused(SERVICE, "send", f"smtp_{code}") if code >= 500 else Unavailable(SERVICE, "send", f"smtp_{code}")
