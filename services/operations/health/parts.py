"""Every part that is probed, in the order in which people should read them, with what it means when it is not well."""

from __future__ import annotations

from services.operations.health import mails, outside, own, work
from services.operations.health.certificate import certificate
from services.operations.health.reading import Importance, Part

PROBES = "probes"
"""Not a part of its own: that the others are looked at. A round writes a sample of this name to claim its minute."""
POSTGRESQL, REDIS, TABLES, WORKERS, SCHEDULER = "postgresql", "redis", "tables", "workers", "scheduler"

_E, _I, _O = Importance.ESSENTIAL, Importance.IMPORTANT, Importance.OPTIONAL

PARTS = (
    Part(
        POSTGRESQL,
        "PostgreSQL",
        _E,
        own.postgresql,
        "Nothing is sold, nobody new gets in, and the console is closed. Phones that are online stay online until their time is over.",
        "Start it, or let the standby take over; processes connect again by themselves.",
        means_degraded="Nothing yet. When no connection is left, purchases and pages fail now and then.",
    ),
    Part(
        TABLES,
        "Tables",
        _E,
        own.tables,
        "This release and the database do not fit together: purchases and pages may fail.",
        "Run `inet migrate` with the newest release.",
        is_public=False,
        is_asked=False,
    ),
    Part(
        WORKERS,
        "Workers",
        _E,
        work.workers,
        "Customers can pay, and get nothing for it until a worker is back: no voucher, no access, no message. Nothing is lost.",
        "Start workers; what waits is finished by itself.",
        means_degraded="Selling and access go on; what waits in that queue (tickets to be read, batches, reports) comes later.",
        is_asked=False,
        has_alarm=False,
    ),
    Part(
        SCHEDULER,
        "Scheduler",
        _I,
        work.scheduler,
        "What was interrupted is not taken up again: lost answers of Wave, sessions that are over, deadlines of tickets.",
        "Start a scheduler; what is due is done at once.",
        is_asked=False,
        has_alarm=False,
    ),
    Part(
        "queues",
        "Queues",
        _I,
        work.queues,
        "Vouchers, access and messages come later than people are used to.",
        "Start more workers, or find on the jobs page what holds them up.",
        is_public=False,
        is_asked=False,
        has_alarm=False,
    ),
    Part(
        REDIS,
        "Redis",
        _I,
        own.redis_server,
        "Staff cannot log in and pages do not refresh by themselves; work is taken up by the sweeps, so all is slower. Selling goes on.",
        "Start Redis or Valkey. It may come back empty: staff then log in again, and nothing else is lost.",
    ),
    Part(
        "wave",
        "Wave",
        _I,
        lambda ground: outside.wave(ground.settings),
        "Nobody can pay. Vouchers, and who is online, are fine; payments that were begun are finished when it is back.",
        "Look at Wave's own page of its state; see whether the key was changed.",
    ),
    Part(
        "portabilling",
        "PortaBilling",
        _I,
        lambda ground: outside.portabilling(ground.settings),
        "Customers who pay get a voucher of the stock and are online as ever, until the stock is used up; it is billed later.",
        "Ask who runs PortaBilling. Watch the stock of vouchers meanwhile.",
    ),
    Part(
        "sms",
        "SMS gateway",
        _I,
        lambda ground: outside.sms(ground.settings),
        "Customers cannot log in to the app with a new phone, and receipts and news come late. Buying at a hotspot needs no text.",
        "Look at the gateway's page of its state, its credit and this machine's way to the internet.",
    ),
    Part(
        "openwisp",
        "OpenWISP",
        _O,
        lambda ground: outside.openwisp(ground.settings),
        "Outages of access points are not noticed here. Selling and access go on.",
        "See whether its server and the way to it are up.",
        # Has alarms of its own, which say what to do (services/network/checks.py).
        has_alarm=False,
    ),
    Part(
        "push",
        "Expo push",
        _O,
        lambda ground: outside.push(ground.settings),
        "The apps get no pushes; what matters goes out as a text.",
        "Look at Expo's page of its state.",
    ),
    Part(
        "mail",
        "Mail",
        _O,
        lambda ground: mails.mail(ground.settings.email_url),
        "No mail goes out: answers to tickets that came by mail wait, and staff choose no new password by themselves.",
        "Ask who runs the mail server; what waits is sent by itself.",
    ),
    Part(
        "mailbox",
        "Mailbox",
        _O,
        lambda ground: mails.mailbox(ground.settings.imap_url),
        "Mails of customers become tickets only when it is back; none is lost.",
        "Ask who runs the mail server.",
    ),
    Part(
        "ai",
        "AI provider",
        _O,
        lambda ground: outside.ai(ground.settings),
        "Our own model alone reads tickets; it leaves a few more of them to people.",
        "Look at the provider's page of its state and at the key.",
    ),
    Part(
        "certificate",
        "Certificate",
        _I,
        certificate,
        "Phones refuse to open the portal, so nobody can pay; routers may refuse to ask for access as well.",
        "Renew it and let the proxy read it again; see why it was not renewed by itself.",
        means_degraded="Nothing yet. When it ends, phones refuse to open the portal and nobody can pay.",
        is_public=False,
        is_asked=False,
    ),
    Part(
        "files",
        "Files",
        _I,
        lambda ground: own.files(ground.settings),
        "Photos and attachments are refused; without any room, PostgreSQL and the logs on the same disk stop as well.",
        "Make room, or give INET the right to write there.",
        is_public=False,
        is_asked=False,
        # DISK_LOW tells of it.
        has_alarm=False,
    ),
    Part(
        "clock",
        "Clock",
        _I,
        own.clock,
        "Signatures, one-time codes and offers to routers are refused as too old or not yet good.",
        "Let every machine keep its time by NTP.",
        is_public=False,
        is_asked=False,
    ),
    Part(
        "backups",
        "Back-ups",
        _I,
        work.backups,
        "Nothing now. If a disk died today, more would be lost than was agreed on.",
        "See the back-ups page.",
        is_public=False,
        is_asked=False,
        # BACKUP_OLD tells of it.
        has_alarm=False,
    ),
)
BY_NAME = {part.name: part for part in PARTS}
