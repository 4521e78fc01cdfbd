"""Three ledgers compared: Wave's and PortaBilling's (the sandbox's state), and ours (PostgreSQL, read as plain SQL).

Nothing of the product's code is used here: what it believes of itself is what is under test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from tests.drill.world import World

Kind = Literal["lost", "doubled", "stuck"]
# Work is late, not stuck, while a sweep that rang in vain may still ring again.
_LATE = timedelta(seconds=30)
# From the end of what was bought until the router has put the phone out: a sweep, and a poll or two.
_PUT_OUT_WITHIN = timedelta(seconds=60)
_SERVED = ("access_granted", "served")
_MUST_MOVE = ("created", "paid", "voucher_issued", "charged", "refunding")
_NEVER_PAID = ("checkout_open", "expired", "failed")

_PAYMENTS = """
SELECT p.*, right(coalesce(c.legacy_e164, c.phone_e164), 6)::int AS number, c.phone_e164, g.slug,
    (SELECT count(*) FROM voucher v WHERE v.payment_id = p.id) AS vouchers,
    (SELECT count(*) FROM entitlement e WHERE e.payment_id = p.id) AS entitlements,
    (SELECT bool_and(e.state IN ('ready', 'running')) FROM entitlement e WHERE e.payment_id = p.id) AS has_time,
    -- When the whole of what was bought was used; never before it ran for as long as was sold.
    (SELECT max(e.ends_at) FROM entitlement e WHERE e.payment_id = p.id AND e.ends_at <= now()
        AND e.ends_at >= e.started_at + e.seconds_total * interval '1 second') AS time_over_at,
    (SELECT coalesce(sum(amount_bututs), 0) FROM payment_event e WHERE e.payment_id = p.id) AS ledger_bututs,
    (SELECT array_agg(gr.state) FROM access_grant gr JOIN entitlement e ON e.id = gr.entitlement_id
        WHERE e.payment_id = p.id) AS grants
FROM payment p JOIN customer c ON c.id = p.customer_id LEFT JOIN gateway g ON g.id = p.gateway_id ORDER BY p.id
"""
# Whose account each voucher has in PortaBilling, and for whom it was made where another took its place.
_VOUCHERS = """
SELECT v.porta_account_id, v.origin, v.state, v.porta_issued_at, p.reference, r.reference AS replaced
FROM voucher v LEFT JOIN payment p ON p.id = v.payment_id LEFT JOIN payment r ON r.id = v.replaced_payment_id
"""
_REFUNDS = "SELECT r.state, c.wave_session_id, c.is_winner FROM refund r JOIN checkout c ON c.id = r.checkout_id"
_LATE_WORK = {
    "payment": "SELECT reference AS what, status AS state FROM payment WHERE next_attempt_at < :late",
    "voucher": "SELECT porta_account_id AS what, state FROM voucher WHERE porta_next_attempt_at < :late",
    "batch": "SELECT name AS what, state FROM voucher_batch WHERE next_attempt_at < :late",
    "refund": "SELECT payment_id::text AS what, state FROM refund WHERE next_attempt_at < :late",
    "text": "SELECT dedupe_key AS what, state FROM notification WHERE next_attempt_at < :late",
    "grant": "SELECT id::text AS what, state FROM access_grant WHERE state IN ('queued', 'offered') AND give_up_at < :late",
    "webhook": "SELECT provider_event_id AS what, type AS state FROM webhook_event WHERE processed_at IS NULL AND received_at < :late",
}
# What must have come to rest before the ledgers are compared. Checkouts that nobody paid go on being asked about for half
# an hour, and a grant whose acknowledgement was lost is offered for a minute.
_UNDER_WAY = """
SELECT (SELECT count(*) FROM payment WHERE status IN ('created', 'paid', 'voucher_issued', 'charged', 'refunding')
        OR next_attempt_at < now() - interval '10 seconds')
    + (SELECT count(*) FROM voucher WHERE porta_next_attempt_at IS NOT NULL)
    + (SELECT count(*) FROM refund WHERE state = 'requested')
    + (SELECT count(*) FROM voucher_batch WHERE next_attempt_at IS NOT NULL)
    + (SELECT count(*) FROM reconciliation_run WHERE state IN ('queued', 'running'))
    + (SELECT count(*) FROM webhook_event WHERE processed_at IS NULL)
    + (SELECT count(*) FROM notification WHERE state IN ('queued', 'sending') AND next_attempt_at < now())
    + (SELECT count(*) FROM access_grant WHERE state = 'queued') AS count
"""


@dataclass(frozen=True)
class Finding:
    """One disagreement. `number` is the customer's, None when nobody's purchase can be named."""

    kind: Kind
    number: int | None
    what: str


def is_stocked(world: World) -> bool:
    """Whether vouchers were made ahead and PortaBilling holds them all: only then is there something to bind when it fails."""
    (row,) = world.rows("SELECT count(*) AS made, count(porta_issued_at) AS issued FROM voucher WHERE origin = 'stock'")
    return 0 < int(row["made"]) == int(row["issued"])


def under_way(world: World) -> int:
    """How many things are still being worked on, money that Wave took and we have not heard of included."""
    waiting = int(world.rows(_UNDER_WAY)[0]["count"])
    paid = {row["reference"] for row in world.rows("SELECT reference FROM payment WHERE paid_at IS NOT NULL")}
    wave = world.state()["wave"]
    unheard = sum(1 for session in wave["sessions"] if session["payment_status"] == "succeeded" and session["client_reference"] not in paid)
    pending = sum(1 for webhook in wave["webhooks"] if webhook["state"] == "pending")
    return waiting + unheard + pending + _owed_refunds(wave)


def _owed_refunds(wave: dict[str, Any]) -> int:
    succeeded = Counter(session["client_reference"] for session in wave["sessions"] if session["payment_status"] == "succeeded")
    return max(0, sum(succeeded.values()) - len(succeeded) - len(wave["refunds"]))


class Comparison:
    """Wave, PortaBilling, routers and our rows, indexed by the purchase's reference."""

    def __init__(self, world: World) -> None:
        state = world.state()
        self._now = datetime.now(UTC)
        self.payments = world.rows(_PAYMENTS)
        self._late = {name: world.rows(query, late=self._now - _LATE) for name, query in _LATE_WORK.items()}
        self._our_refunds = {row["wave_session_id"]: row for row in world.rows(_REFUNDS)}
        self._succeeded: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for session in state["wave"]["sessions"]:
            if session["payment_status"] == "succeeded":
                self._succeeded[session["client_reference"]].append(session)
        self._refunds = {row["session_id"]: row for row in state["wave"]["refunds"]}
        self._vouchers = {row["porta_account_id"]: row for row in world.rows(_VOUCHERS)}
        self._porta_accounts, self._porta_charges = state["portabilling"]["accounts"], state["portabilling"]["charges"]
        self._accounts = _by_reference(self._porta_accounts, "id", self._sold_as)
        self._charges = _by_reference([row for row in self._porta_charges if self._is_sale(row)], "account_id", self._sold_as)
        self._routers = state["routers"]
        self._sms = state["sms"]

    def findings(self) -> Iterator[Finding]:
        for payment in self.payments:
            if self._succeeded.get(payment["reference"]):
                yield from self._paid(payment)
            else:
                yield from self._unpaid(payment)
            yield from self._at_rest(payment)
        yield from self._strangers()
        yield from self._stock()
        yield from self._late_work()
        yield from self._one_purchase_each()
        yield from self._routers_agree()
        yield from self._texts()

    def _paid(self, payment: Any) -> Iterator[Finding]:
        """Money came: one voucher, one account, one charge, one entitlement; every further success went back."""
        number, reference, amount = payment["number"], payment["reference"], payment["amount_bututs"]
        yield from self._second_successes(payment)
        if payment["status"] in ("attention", "refunded"):
            return
        accounts, charges = self._accounts[reference.lower()], self._charges[reference.lower()]
        counts = {
            "voucher rows": payment["vouchers"],
            "PortaBilling accounts": len(accounts),
            "PortaBilling charges": len(charges),
            "entitlements": payment["entitlements"],
        }
        for name, count in counts.items():
            if count != 1:
                yield Finding("doubled" if count else "lost", number, f"{reference} ({payment['status']}): {count} {name}")
        for charge in charges:
            if charge["kind"] == "manual_charge" and charge["visible_comment"] != f"INET {reference}":
                yield Finding("doubled", number, f"{reference}: charged as {charge['visible_comment']!r}")
        charged = sum(Decimal(charge["amount"]) for charge in charges)
        if charges and charged * 100 != amount:
            yield Finding("doubled" if charged * 100 > amount else "lost", number, f"{reference}: charged {charged}, paid {amount} bututs")
        if any(account["blocked"] != "Y" for account in accounts):
            yield Finding("stuck", number, f"{reference}: its account is not blocked against reuse")
        if payment["ledger_bututs"] != amount:
            yield Finding("lost", number, f"{reference}: ledger holds {payment['ledger_bututs']}, paid {amount} bututs")
        if payment["status"] not in _SERVED and payment["status"] not in _MUST_MOVE:
            yield Finding("lost", number, f"{reference}: paid at Wave, here {payment['status']}")

    def _second_successes(self, payment: Any) -> Iterator[Finding]:
        sessions = self._succeeded[payment["reference"]]
        refunded = [session["id"] for session in sessions if session["id"] in self._refunds]
        kept = len(sessions) - len(refunded)
        wanted = 0 if payment["status"] == "refunded" else 1
        if kept != wanted:
            kind: Kind = "lost" if kept > wanted else "doubled"
            yield Finding(kind, payment["number"], f"{payment['reference']}: {len(sessions)} successes, {len(refunded)} refunds")
        for session_id in refunded:
            ours = self._our_refunds.get(session_id)
            if ours is None or ours["state"] != "refunded" or (ours["is_winner"] and payment["status"] != "refunded"):
                yield Finding("doubled", payment["number"], f"{payment['reference']}: a refund at Wave that our rows do not explain")

    def _unpaid(self, payment: Any) -> Iterator[Finding]:
        reference = payment["reference"]
        have = {
            "voucher": payment["vouchers"],
            "account": len(self._accounts[reference.lower()]),
            "charge": len(self._charges[reference.lower()]),
            "entitlement": payment["entitlements"],
            "ledger sum": payment["ledger_bututs"],
        }
        for name, count in have.items():
            if count:
                yield Finding("doubled", payment["number"], f"{reference}: not paid at Wave, but has a {name}")
        if payment["status"] not in (*_NEVER_PAID, "created", "attention"):
            yield Finding("doubled", payment["number"], f"{reference}: not paid at Wave, here {payment['status']}")

    def _at_rest(self, payment: Any) -> Iterator[Finding]:
        if payment["status"] in _MUST_MOVE:
            yield Finding("stuck", payment["number"], f"{payment['reference']}: still {payment['status']}")
        if payment["status"] == "attention" and not payment["reason"]:
            yield Finding("stuck", payment["number"], f"{payment['reference']}: wants attention and does not say why")

    def _strangers(self) -> Iterator[Finding]:
        """Accounts, charges and money at Wave that belong to no purchase of ours."""
        ours = {payment["reference"].lower() for payment in self.payments}
        for name, found in (("account", self._accounts), ("charge", self._charges)):
            for reference in found.keys() - ours:
                yield Finding("doubled", None, f"PortaBilling has an {name} without a purchase: {reference}")
        for reference in self._succeeded.keys() - {payment["reference"] for payment in self.payments}:
            yield Finding("lost", None, f"Wave was paid for a purchase that we do not have: {reference}")

    def _stock(self) -> Iterator[Finding]:
        """What was made ahead: held by us as PortaBilling holds it, charged only for its sale. What was replaced can be used by nobody."""
        manual = Counter(charge["account_id"] for charge in self._porta_charges if charge["kind"] == "manual_charge")
        accounts = {account["id"]: account for account in self._porta_accounts}
        for account_id, count in manual.items():
            voucher = self._vouchers.get(account_id)
            if voucher is None or voucher["origin"] != "stock" or voucher["reference"] is None:
                yield Finding("doubled", None, f"{account_id} was charged {count} times by hand and was not sold from the stock")
        for account_id, account in accounts.items():
            voucher = self._vouchers.get(account_id)
            if voucher is not None and voucher["replaced"] is not None and account["blocked"] != "Y":
                yield Finding("stuck", None, f"{account_id} was replaced and is not blocked")
            if account_id.startswith("inet-s-") and voucher is None:
                yield Finding("doubled", None, f"PortaBilling has an account of a stock that we do not have: {account_id}")
        for account_id, voucher in self._vouchers.items():
            if voucher["porta_issued_at"] is not None and account_id not in accounts:
                yield Finding("lost", None, f"{account_id} ({voucher['origin']}, {voucher['state']}) is not in PortaBilling")

    def _sold_as(self, account_id: str) -> str | None:
        """The purchase's reference, in small letters; None for an account that is no purchase: of the stock, or replaced by one of it."""
        voucher = self._vouchers.get(account_id)
        if voucher is not None and (voucher["replaced"] is not None or voucher["origin"] in ("batch", "hand", "credit")):
            return None
        if voucher is not None and voucher["reference"] is not None:
            return str(voucher["reference"]).lower()
        # The second word, whatever we say of it: an account that we do not know is somebody's all the same.
        words = account_id.split("-")
        return None if account_id.startswith("inet-s-") else (words[1] if len(words) > 1 else account_id)

    def _is_sale(self, charge: dict[str, Any]) -> bool:
        """An account's opening balance is its charge, but in the stock, where the sale is a charge by hand under its reference."""
        voucher = self._vouchers.get(charge["account_id"])
        if voucher is None or voucher["origin"] != "stock":
            return True
        return charge["kind"] == "manual_charge"

    def _late_work(self) -> Iterator[Finding]:
        numbers = {payment["reference"]: payment["number"] for payment in self.payments}
        for name, rows in self._late.items():
            for row in rows:
                yield Finding("stuck", numbers.get(row["what"]), f"{name} {row['what']} ({row['state']}) is due and nobody moves it")

    def _one_purchase_each(self) -> Iterator[Finding]:
        """However often a phone repeated its order, one purchase came of it, beside those that Wave refused to open."""
        opened = Counter(payment["number"] for payment in self.payments if payment["create_calls"] and payment["status"] != "failed")
        for number, count in opened.items():
            if count > 1:
                yield Finding("doubled", number, f"customer {number} has {count} purchases of one order")

    def _routers_agree(self) -> Iterator[Finding]:
        """Who was let in has paid; who paid at a hotspot and was served is online."""
        clients = {(router["slug"], client["mac"]): client for router in self._routers for client in router["clients"]}
        for router in self._routers:
            for violation in router["violations"]:
                yield Finding("stuck", None, f"router {router['slug']} was sent what it must not be sent: {violation['reason']}")
            for mac, count in Counter(grant["mac"] for grant in router["grants"]).items():
                if count > 1:
                    yield Finding("doubled", None, f"a phone at {router['slug']} was let in {count} times: {mac}")
        paid_here = set()
        for payment in self.payments:
            if payment["slug"] is None or not payment["entitlements"]:
                continue
            place = (payment["slug"], payment["client_mac"])
            paid_here.add(place)
            is_online = place in clients and clients[place]["state"] == "online"
            over_at = payment["time_over_at"]
            if is_online and over_at is not None and self._now - over_at > _PUT_OUT_WITHIN:
                yield Finding("stuck", payment["number"], f"{payment['reference']}: its time is over since {over_at}, its phone is online")
            if not is_online and over_at is None and payment["status"] in _SERVED and not _may_be_offline(payment):
                yield Finding("lost", payment["number"], f"{payment['reference']}: {payment['status']}, but its phone is not online")
        for place, client in clients.items():
            if client["state"] == "online" and place not in paid_here:
                yield Finding("doubled", None, f"a phone at {place[0]} is online and nobody paid")

    def _texts(self) -> Iterator[Finding]:
        """Receipts go out at most once; one whose answer was lost is not sent again."""
        for (_, text), count in Counter((sms["to"], sms["message"]) for sms in self._sms).items():
            if count > 1:
                yield Finding("doubled", None, f"the same text was sent {count} times: {text[:40]}")


def _may_be_offline(payment: Any) -> bool:
    """The router was not heard: the grant is given up or still on offer, and the time that was bought stands."""
    states = set(payment["grants"] or ())
    return bool(payment["has_time"]) and "acked" not in states


def _by_reference(rows: list[dict[str, Any]], field: str, sold_as: Callable[[str], str | None]) -> defaultdict[str, list[dict[str, Any]]]:
    """By the purchase's reference; what is no purchase is left out."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        reference = sold_as(row[field])
        if reference is not None:
            found[reference].append(row)
    return found
