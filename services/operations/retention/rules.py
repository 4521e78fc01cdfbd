"""The table of rules: everything that grows and is not the books, how long it is kept, and why as long as that."""

from __future__ import annotations

from services.operations.retention import files, own
from services.operations.retention.shape import Elsewhere, How, Rule, Step

_TEN_YEARS = 3650
_YEAR_AND_A_MONTH = 400
# Payments of which something is still to be done.
_UNDONE = "'created', 'checkout_open', 'paid', 'voucher_issued', 'charged', 'refunding', 'attention'"

_PROMISED = (
    Rule(
        "answers",
        "Answers of writes with an Idempotency-Key, sealed",
        "A repeat within a day gets the same answer; that is what the API promises.",
        *(1, 1, 1),
        How.DELETED,
        (Step("idempotent_answer", "created_at", "created_at <= :before"),),
        is_personal=True,
    ),
    Rule(
        "keys",
        "Keys that were sent by SMS, hashed, with the number",
        "A key opens for ten minutes. Two days are needed to count how many a number asked for.",
        *(2, 2, 7),
        How.DELETED,
        (Step("phone_key", "created_at", "created_at < :before"),),
        is_personal=True,
    ),
    Rule(
        "enrolments",
        "Codes by which technicians' phones were enrolled",
        "A code opens for ten minutes; who enrolled which phone stands in the audit.",
        *(90, 7, _TEN_YEARS),
        How.DELETED,
        (Step("enrolment", "expires_at", "expires_at < :before"),),
    ),
    Rule(
        "tokens",
        "API tokens that expired or were revoked",
        "Kept for a year so that an old line of a log can still be told apart; what was done with them stands in the audit.",
        *(_YEAR_AND_A_MONTH, 90, _TEN_YEARS),
        How.DELETED,
        (
            Step("api_token", "expires_at", "expires_at < :before"),
            Step("api_token", "revoked_at", "revoked_at < :before"),
        ),
    ),
    Rule(
        "push-tokens",
        "Addresses for pushes that are dead or were taken back",
        "Nothing is sent there any more. A hash stays, by which the same one is known again.",
        *(30, 7, _YEAR_AND_A_MONTH),
        How.STRIPPED,
        (Step("push_token", "dropped_at", "dropped_at < :before AND token_sealed <> ''", "token_sealed = ''"),),
        is_personal=True,
    ),
)

_MONEY = (
    Rule(
        "webhook-bodies",
        "Words of Wave's webhooks, with the payer's number",
        "For disputes; the payment itself stands in the books. The id stays, so that a webhook that comes again is still known.",
        *(90, 30, _TEN_YEARS),
        How.STRIPPED,
        (
            Step(
                "webhook_event",
                "received_at",
                "received_at < :before AND body <> '{}'::jsonb AND processed_at IS NOT NULL",
                "body = '{}'::jsonb",
            ),
        ),
        is_personal=True,
    ),
    Rule(
        "payers",
        "Payers' numbers in Wave's daily lists",
        "To find whose money it is that no purchase knows. The sums stay.",
        *(_YEAR_AND_A_MONTH, 90, _TEN_YEARS),
        How.STRIPPED,
        (
            Step(
                "wave_movement",
                "day",
                "day < CAST(:before AS date) AND counterparty_mobile IS NOT NULL",
                "counterparty_mobile = NULL",
            ),
        ),
        is_personal=True,
    ),
    Rule(
        "outside-calls",
        "Our calls to Wave and PortaBilling for a payment: which, when, how they ended",
        "For looking into what went wrong. What came of them stands in the payment's events; of payments that are not done all stay.",
        *(180, 30, _TEN_YEARS),
        How.DELETED,
        (
            Step(
                "outbound_call",
                "started_at",
                # Not EXISTS, which the planner may turn into a join that begins with all payments.
                f"started_at < :before AND (SELECT p.status FROM payment p WHERE p.id = outbound_call.payment_id) NOT IN ({_UNDONE})",  # noqa: S608 - of constants
            ),
        ),
    ),
)

_ONLINE = (
    Rule(
        "devices-online",
        "Which device it was: MAC and router's client of purchases, sessions, attempts to let in, and places of devices",
        "Who was online where is kept for a year and a month, for complaints and for the authorities; minutes and money stay.",
        *(_YEAR_AND_A_MONTH, 90, _TEN_YEARS),
        How.STRIPPED,
        (
            Step("access_session", "started_at", "started_at < :before AND mac IS NOT NULL AND state = 'ended'", "mac = NULL"),
            Step(
                "access_grant",
                "created_at",
                "created_at < :before AND (mac IS NOT NULL OR hid <> '-') AND state IN ('ended', 'void')",
                "mac = NULL, hid = '-'",
            ),
            Step(
                "device_slot",
                "taken_at",
                "taken_at < :before AND mac_hint IS NOT NULL AND (SELECT e.state FROM entitlement e"
                " WHERE e.id = device_slot.entitlement_id) IN ('ended', 'void')",
                "mac_hint = NULL",
            ),
            Step(
                "payment",
                "created_at",
                f"created_at < :before AND (client_mac IS NOT NULL OR client_hid IS NOT NULL) AND status NOT IN ({_UNDONE})",
                "client_mac = NULL, client_hid = NULL, mac_trusted = false",
            ),
            Step("device", "last_seen_at", "last_seen_at < :before AND last_mac IS NOT NULL", "last_mac = NULL"),
        ),
        is_personal=True,
    ),
    Rule(
        "orders-to-routers",
        "Orders to routers to put a client out",
        "An order counts for minutes; that somebody was put out, and why, stands with the session.",
        *(30, 2, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("deauth_order", "give_up_at", "give_up_at < :before"),),
        is_personal=True,
    ),
)

_TOLD = (
    Rule(
        "words-sent",
        "Words, addresses and headers of messages that were sent",
        "What was told, for complaints. That, when and how it was told stays: the log of what was delivered.",
        *(180, 30, _TEN_YEARS),
        How.STRIPPED,
        (
            Step(
                "notification",
                "created_at",
                "created_at < :before AND body_sealed <> '' AND next_attempt_at IS NULL AND state NOT IN ('queued', 'sending')",
                "body_sealed = '', subject_sealed = NULL, headers_sealed = NULL,"
                " address_sealed = CASE WHEN customer_id IS NULL AND staff_id IS NULL THEN '' END",
            ),
        ),
        is_personal=True,
    ),
    Rule(
        "delivery-reports",
        "Reports of providers on single messages",
        "What they said stands with the message.",
        *(90, 14, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("delivery_report", "at", "at < :before"),),
        is_personal=True,
    ),
    Rule(
        "outages-told",
        "Who was told of which outage",
        "So that nobody is told twice; nobody is told of an outage of last year.",
        *(_YEAR_AND_A_MONTH, 90, _TEN_YEARS),
        How.DELETED,
        (Step("incident_notice", "told_at", "told_at < :before"),),
        is_personal=True,
    ),
    Rule(
        "raw-messages",
        "Mails and texts as they came in, sealed, with what is too large for a row in files",
        "To read again what was read wrongly. The words stand in the ticket; that it came stays, so both sides' counts still agree.",
        *(90, 30, _TEN_YEARS),
        How.STRIPPED,
        (
            Step(
                "inbound_message",
                "received_at",
                "received_at < :before AND (raw_sealed IS NOT NULL OR raw_file IS NOT NULL) AND raw_file IS NULL"
                " AND state NOT IN ('stored', 'held')",
                "raw_sealed = NULL, sender_sealed = NULL, subject = ''",
            ),
        ),
        own.forget_large_messages,
        ("inbound_message",),
        is_personal=True,
    ),
    Rule(
        "drafts",
        "What staff began to write and did not send",
        "A draft of last season is no work any more.",
        *(60, 7, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("draft", "saved_at", "saved_at < :before"),),
        is_personal=True,
    ),
    Rule(
        "bulk-steps",
        "What staff did to many rows at once, with their reason and what became of each row",
        "It can be taken back for ten minutes; who did what to each stands in the audit.",
        *(90, 7, _YEAR_AND_A_MONTH),
        How.DELETED,
        (
            Step("bulk_row", "at", "at < :before"),
            Step("bulk_operation", "created_at", "created_at < :before"),
        ),
        is_personal=True,
    ),
)

_APPS = (
    Rule(
        "actions",
        "What phones did offline, with the answers that they got",
        "A repeat is answered and not done again; a phone that was in a drawer for half a year begins anew.",
        *(180, 60, _TEN_YEARS),
        How.DELETED,
        (Step("app_mutation", "received_at", "received_at < :before"),),
        is_personal=True,
    ),
    Rule(
        "positions",
        "Where phones with our apps were last",
        "For sending the nearest technician; where somebody was last month is nobody's business.",
        *(30, 1, 90),
        How.STRIPPED,
        (
            Step(
                "app_device",
                "located_at",
                "located_at < :before",
                "latitude = NULL, longitude = NULL, located_at = NULL",
            ),
        ),
        is_personal=True,
    ),
)

_NETWORK = (
    Rule(
        "health-changes",
        "Single changes of access points' health",
        "For a look at how it flickered. Up-time is reckoned of the periods, which stay for 13 months.",
        *(90, 30, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("health_change", "at", "at < :before"),),
    ),
    Rule(
        "health-periods",
        "Periods of access points' health",
        "13 whole months to compare with, beside the running one; then each month's seconds stay, and up-time is what it was.",
        *(396, 396, 396),
        How.ADDED_UP,
        own=own.add_up_periods,
        own_tables=("health_period",),
    ),
    Rule(
        "discoveries",
        "Runs of the discovery of access points",
        "What each changed; the newest that went well stays always.",
        *(90, 7, _YEAR_AND_A_MONTH),
        How.DELETED,
        (
            Step(
                "discovery_run",
                "started_at",
                "started_at < :before AND id <> coalesce((SELECT id FROM discovery_run WHERE outcome = 'done'"
                " ORDER BY started_at DESC, id DESC LIMIT 1), 0)",
            ),
        ),
    ),
    Rule(
        "alarms",
        "Alarms that are over",
        "A year and a month, to see whether it is the season.",
        *(_YEAR_AND_A_MONTH, 30, _TEN_YEARS),
        How.DELETED,
        (Step("network_alarm", "started_at", "started_at < :before AND ended_at < :before"),),
    ),
)

_RUNNING = (
    Rule(
        "health-samples",
        "How each part of the product answered",
        "For the curves of the system-health page.",
        *(30, 7, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("health_sample", "at", "at < :before"),),
    ),
    Rule(
        "job-hours",
        "How often jobs ran in each hour, and how long they took",
        "To see what grows slower by the month.",
        *(90, 14, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("job_hour", "hour", "hour < :before"),),
    ),
    Rule(
        "job-failures",
        "Jobs that failed, with their trace",
        "The work itself is a row elsewhere that its sweep finds.",
        *(30, 7, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("job_failure", "failed_at", "failed_at < :before"),),
    ),
    Rule(
        "processes",
        "Processes that ended",
        "Each start makes a row.",
        *(7, 1, 90),
        How.DELETED,
        (Step("running_process", "beat_at", "beat_at < :before"),),
    ),
    Rule(
        "error-hours",
        "How often an error happened in each hour",
        "For the curve beside it; the sum stands with the error.",
        *(90, 14, _YEAR_AND_A_MONTH),
        How.DELETED,
        (Step("error_hour", "hour", "hour < :before"),),
    ),
    Rule(
        "errors",
        "Errors that were resolved and have not come back",
        "One that comes back is told as such, if it is still known.",
        *(180, 30, _TEN_YEARS),
        How.DELETED,
        (Step("error_group", "last_at", "state = 'resolved' AND last_at < :before"),),
    ),
)

_FILES = (
    Rule(
        "files-of-nobody",
        "Files of attachments and mails that no row speaks of",
        "A transaction that was rolled back, or a crash, left them. A day lets everything that is under way end.",
        *(1, 1, 1),
        How.FILES,
        own=files.drop_orphans,
        own_tables=("attachment", "inbound_message"),
        is_personal=True,
    ),
    Rule(
        "files-of-erased",
        "Files of people who were erased, which a crash left",
        "They go with the erasure; this ends what did not.",
        *(1, 1, 1),
        How.FILES,
        own=own.end_erasures,
        own_tables=("attachment", "inbound_message"),
        is_personal=True,
    ),
    Rule(
        "logs",
        "Log files on this machine",
        "For looking into what went wrong; masked when they are written. INET_LOG_KEEP_DAYS says how long.",
        *(30, 30, 30),
        How.FILES,
        own=files.forget_logs,
    ),
)

RULES: tuple[Rule, ...] = (*_PROMISED, *_MONEY, *_ONLINE, *_TOLD, *_APPS, *_NETWORK, *_RUNNING, *_FILES)
BY_NAME = {rule.name: rule for rule in RULES}

ELSEWHERE: tuple[Elsewhere, ...] = (
    Elsewhere("Staff's sessions and their refresh state", "Redis", "as long as the session may last", "Redis forgets them by itself"),
    Elsewhere("Counts of tries and of requests", "Redis", "as long as their window, a day at most", "Redis forgets them by itself"),
    Elsewhere("Routers' polls", "Redis, then one moment in `gateway`", "the last one", "each replaces the one before"),
    Elsewhere("Who looks at which ticket", "Redis", "a minute", "Redis forgets it by itself"),
    Elsewhere("Pieces of photos", "files", "7 days after the last piece", "`sweep-photos`, which also finishes what arrived whole"),
    Elsewhere("Rows of periodic jobs", "`periodic_job`", "as long as the job is in the schedule", "the scheduler, at its start"),
    Elsewhere("Back-ups", "files", "INET_BACKUP_KEEP of them", "the newest verified one is never taken away"),
)
