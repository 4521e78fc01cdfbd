"""Jobs of intake: fetching mail, and reading what was kept."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.integrations.imap import ImapClient
from services.tickets import mail_fetching, mail_intake

_ROUNDS = 5


@job
def fetch_mail() -> None:
    """Look into the mailbox, if there is one; a few rounds at once when much is new."""
    url = get_settings().imap_url
    if url is None:
        return
    client = ImapClient(url.get_secret_value())
    for _ in range(_ROUNDS):
        done = mail_fetching.fetch(transaction, client, clock=utc_now)
        if done is None or not done.left or not done.kept:
            return


@job
def read() -> None:
    """Read the mails that wait; harmless to repeat."""
    mail_intake.read(transaction, clock=utc_now)


@job
def sweep() -> None:
    """Find the mails whose ring was lost, and those that failed."""
    with transaction() as session:
        mail_intake.sweep(session, now=utc_now())
