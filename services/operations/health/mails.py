"""Probes of the server that sends mails and of the mailbox that is read: both are logged in to, nothing is sent and nothing marked."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr

from app.outbound import OutboundError, Refused
from services.integrations.imap import ImapClient
from services.integrations.mail import MailClient
from services.operations.health.reading import TIMEOUT_SECONDS, Reading, down, off, well

_MAIL_TROUBLES = {
    "gaierror": ("its host name is not known", "Correct the host in INET_EMAIL_URL."),
    "ConnectionRefusedError": ("nothing listens at that host and port", "Correct both in INET_EMAIL_URL, or start the mail server."),
    "TimeoutError": ("it does not answer", "Check host and port in INET_EMAIL_URL, and whether a firewall closes the port."),
    "SSLCertVerificationError": ("its certificate is not good for that name", "Put the name of the certificate into INET_EMAIL_URL."),
    "SSLError": ("it does not speak TLS at that port", "Use smtps:// for port 465 and smtp:// (STARTTLS) for port 587."),
    "SMTPNotSupportedError": ("it offers no encryption or no log-in", "Use the port for programs (587 or 465), not that for servers (25)."),
    "SMTPServerDisconnected": ("it hangs up", "Use smtps:// for port 465 and smtp:// for port 587; ask its operator if that is right."),
}
_MAILBOX_TROUBLES = {
    "gaierror": ("its host name is not known", "Correct the host in INET_IMAP_URL."),
    "ConnectionRefusedError": ("nothing listens at that host and port", "Correct both in INET_IMAP_URL, or start the mail server."),
    "TimeoutError": ("it does not answer", "Check host and port in INET_IMAP_URL, and whether a firewall closes the port."),
    "SSLCertVerificationError": ("its certificate is not good for that name", "Put the name of the certificate into INET_IMAP_URL."),
    "SSLError": ("it does not speak TLS at that port", "Use imaps:// for port 993 and imap:// (STARTTLS) for port 143."),
}


def mail(url: SecretStr | None) -> Reading:
    """Mail is optional: without it, admins hand over the links to choose a password."""
    if url is None:
        return off("not set up: admins hand over links by other means, and nobody is told of log-ins")
    try:
        MailClient(url.get_secret_value(), timeout_seconds=TIMEOUT_SECONDS).check()
    except ValueError as error:
        return down(str(error), "Correct INET_EMAIL_URL.")
    except Refused as failure:
        if failure.operation == "log_in":
            said = "reached, but it refuses user or password"
            return down(said, "Correct both in INET_EMAIL_URL (special characters as %XX).")
        return down(f"reached, but it refuses us: {failure.detail}", "Ask its operator whether this machine may send.")
    except OutboundError as failure:
        said, advice = _MAIL_TROUBLES.get(failure.detail, (f"not usable: {failure.detail}", "Check INET_EMAIL_URL and the mail server."))
        return down(said, advice)
    return well("answers" + (" and takes user and password" if urlsplit(url.get_secret_value()).username else ""))


def mailbox(url: SecretStr | None) -> Reading:
    """The mailbox is optional: without it, customers write by the other ways."""
    if url is None:
        return off("not set up: no mail becomes a ticket (INET_IMAP_URL)")
    try:
        client = ImapClient(url.get_secret_value(), timeout_seconds=TIMEOUT_SECONDS)
        mails = client.check()
    except ValueError as error:
        return down(str(error), "Correct INET_IMAP_URL.")
    except Refused as failure:
        if failure.operation == "log_in":
            said = "reached, but it refuses user or password"
            return down(said, "Correct both in INET_IMAP_URL (special characters as %XX).")
        return down("reached, but there is no such folder", "Name a folder of the mailbox in INET_IMAP_URL.")
    except OutboundError as failure:
        unknown = (f"not usable: {failure.detail}", "Check INET_IMAP_URL and the mail server.")
        said, advice = _MAILBOX_TROUBLES.get(failure.detail, unknown)
        return down(said, advice)
    if not client.address:
        said = f"answers and holds {mails} mails, but it is not known at which address people write to it"
        return well(said, "Add ?address=help@example.gm to INET_IMAP_URL.")
    return well(f"answers and holds {mails} mails")
