"""The field's terms as the product uses them, each with one meaning."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    name: str
    meaning: str


TERMS: tuple[Term, ...] = (
    Term("Access point", "The box on the mast that makes the Wi-Fi. OpenWISP looks after it and tells us how it fares."),
    Term("Access session", "Airtime that runs: a device, let in by a gateway, until time or data are used up. Short: session."),
    Term("Airtime", "The time that a package gives. It runs while a session runs, and stands while an outage lasts."),
    Term("Audit", "The list of who did what to which record. Each line seals the one before, so a changed line shows."),
    Term("Batch", "Many vouchers of one package that were made together, mostly to be printed."),
    Term("Breach", "A deadline of a ticket that has passed."),
    Term("Bututs", "100 bututs are one dalasi (D). The product counts money in bututs, so that nothing is lost in rounding."),
    Term("Calendar", "The working hours and holidays in which the clock of a ticket runs."),
    Term("Captive portal", "The page that a phone shows by itself when it joins the Wi-Fi and is not yet let in."),
    Term("Charge", "The entry in PortaBilling that says: this was paid. One for each payment, never two."),
    Term("Checkout", "A session at Wave in which one customer pays one sum."),
    Term("Compensation", "Time that is given back because an outage took it."),
    Term("Customer", "A person who buys Wi-Fi, known by the phone number."),
    Term("Deadline", "Until when a ticket has to be answered (first response) or solved (resolution)."),
    Term("Device", "A phone or laptop. Its MAC may change at every join; the product knows it by a token that it was given."),
    Term("Entitlement", "What was bought and is not yet used up: the right to so much time and data."),
    Term("Finding", "Something that does not agree between Wave, PortaBilling and our books."),
    Term("First response", "The first answer of a person to the customer."),
    Term("Gateway", "The router at a hotspot that holds phones back or lets them in. It runs openNDS and calls us every few seconds."),
    Term("Grant", "One try to have one gateway let one device in. It is done when the gateway has confirmed it."),
    Term("Incident", "An outage: access points of one place that are down together, from the first to the last minute."),
    Term("Journal and ledger", "The double entry behind all sums. A row is never changed, only answered by another one."),
    Term("Macro", "A prepared answer or note, with fields that fill themselves, and with changes to the ticket if wanted."),
    Term("Needs a person", "A payment that cannot go on by itself. Its page says why and what to do."),
    Term("On hold", "A ticket that waits for something that is neither staff nor customer, such as a part. The clock stands."),
    Term("OpenWISP", "The program that looks after the access points."),
    Term("openNDS", "The program on the router that holds phones back until they have paid."),
    Term("Package", "What is sold: a price, and for it time, data and speed. A change makes a new version; what was sold stays as it was."),
    Term("Payment", "One purchase, from the press on “Pay” to “online” or to the money given back."),
    Term("Poll", "The call that a gateway makes every few seconds to ask whom to let in. A gateway that does not call is silent."),
    Term("PortaBilling", "The billing system: it issues vouchers and holds what was charged."),
    Term("Receipt code", "Eight letters and digits that name a payment. The customer gets it by SMS."),
    Term("Reconciliation", "The comparison of Wave, PortaBilling and our books, every night."),
    Term("Refund", "Money that goes back through Wave. What was bought ends with it."),
    Term("Role", "What a person may do in the console. One role each; the table of roles decides on every page."),
    Term("Sandbox", "A made-up Wave, PortaBilling, OpenWISP and a few routers, to try the product out without money."),
    Term("Second factor", "A code of an app beside the password."),
    Term("Second person", "Somebody other than who asked, who has to agree before money goes out or many records change."),
    Term("Served", "Paid and online: the router has confirmed it. Nothing is left to do."),
    Term("Silent", "A gateway that has not called for a while."),
    Term("Site", "A place with Wi-Fi: its access points and gateways."),
    Term("SLA", "The promise how quickly a ticket is answered and solved, by how urgent it is and what it is about."),
    Term("Stock", "Vouchers that are kept ready, so that who pays is online even while PortaBilling does not answer."),
    Term("Suspense", "Where money stands in the ledger of which nobody knows yet whose it is. Each sum has a reason and an age."),
    Term("Ticket", "Something that somebody needs help with, from the first word to the answer that settled it."),
    Term("Triage", "Sorting a new ticket: what it is about and how urgent. A machine proposes, with its reason; a person may correct it."),
    Term("Visit", "A technician's way to a place for a ticket: on the way, there, done."),
    Term("Voucher", "A code that gives one customer one package's airtime, once."),
    Term("Wave", "The mobile money with which customers pay."),
)
