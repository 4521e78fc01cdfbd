"""What each role comes to the console for. What it may do is not said here: that is read from the table of permissions."""

from __future__ import annotations

from dataclasses import dataclass

from services.accounts.models import Role


@dataclass(frozen=True)
class RoleGuide:
    """`day` is a working day in a few lines; `rules` is what people of the role ask about most."""

    role: Role
    icon: str
    summary: str
    day: tuple[str, ...]
    rules: tuple[str, ...]

    @property
    def slug(self) -> str:
        return self.role.value.replace("_", "-")


GUIDES: tuple[RoleGuide, ...] = (
    RoleGuide(
        Role.ROOT,
        "verified_user",
        "The owner. Sees and may do everything, sets the limits of the others, and is needed where two must agree.",
        (
            "In the morning look at [Today](/console): what was sold, and what needs a person.",
            "Read [Money](/console/money) for the sums, and what stands open with its age.",
            "Once a week read the [reports](/console/reports) of the help desk and the [up-time](/console/uptime) of the network.",
            "When people come or go, change [Staff](/console/staff) the same day.",
        ),
        (
            "Root uses a second factor. Keep the recovery codes where you find them without your phone.",
            "What Root does stands in the [audit](/console/audit) like everybody's; nobody can take a line out of it.",
            "Two people may be Root, so that one is never locked out alone.",
        ),
    ),
    RoleGuide(
        Role.SYSTEM_ADMIN,
        "settings_suggest",
        "Keeps the product running: gateways, access points, jobs, errors, back-ups, and the accounts of staff.",
        (
            "Look at [System health](/console/health): one word for everything, and below what each part means for customers.",
            "Look at [Errors](/console/errors) and [Jobs](/console/jobs): what is new, and what failed.",
            "Follow [Incidents](/console/incidents) while an outage goes on, and write down afterwards what it was.",
            "Register new routers under [Gateways](/console/gateways) and say under [Sites](/console/sites) where they stand.",
        ),
        (
            "You see payments and customers, but not the money desk, and you give no money back.",
            "Accounts of Root and of other System Admins are changed by Root only.",
            "Before an upgrade look whether the newest of the [back-ups](/console/backups) is proven.",
        ),
    ),
    RoleGuide(
        Role.CUSTOMER_CARE,
        "support_agent",
        "Helps customers: answers tickets, puts people online who paid, and asks for refunds.",
        (
            "Open [Tickets](/console/tickets) and work from the top: what is due first stands first.",
            "When somebody calls, find them under [Customers](/console/customers) by phone number and read their story.",
            "Note what they say as a ticket (“New ticket”), so that the next person knows it too.",
            "Before you go, look whether a ticket of yours is due before you are back, and give it to a colleague.",
        ),
        (
            "“Retry now” and “Ask Wave now” never charge anybody twice. Press them without fear.",
            "You may give money back up to a limit; above it a Billing Officer has to agree.",
            "The clock of a ticket stands only while it waits for the customer or is on hold. It says why beside the deadline.",
        ),
    ),
    RoleGuide(
        Role.FIELD_TECHNICIAN,
        "handyman",
        "Goes to the places: masts, routers, lines. Works with the phone, in the app INET-Tech or here.",
        (
            "Switch yourself on duty at the top of [Tickets](/console/tickets), so that work comes to you.",
            "Take the tickets from the top. Each names the place, what is known of it, and what others found before.",
            "Note what you see at once. The help desk reads it while you are still there.",
            "Resolve it when it works, or let it wait and say for what.",
        ),
        (
            "You see only tickets that were given to you or to your team.",
            "With no network use the app: it keeps what you write and sends it later, each thing once.",
            "Payments are none of your pages. If a customer asks, let them call Customer Care.",
        ),
    ),
    RoleGuide(
        Role.BILLING_OFFICER,
        "account_balance_wallet",
        "Accounts for every dalasi: payments, refunds, vouchers, and what does not agree.",
        (
            "In the morning open [Reconciliation](/console/reconciliation): what does not agree waits there since the night.",
            "Open [Refunds](/console/refunds): what waits for a second person is yours to decide.",
            "Look at [Money](/console/money): stock, open sums and their age.",
            "Order and print [Batches](/console/batches) for the shops that sell vouchers on paper.",
        ),
        (
            "Nobody approves their own refund, whatever the sum.",
            "What Wave refuses to give back stands at the top of [Refunds](/console/refunds). Send it again; if it refuses for good, pay "
            "it in cash or by a transfer, and say so there with the receipt's number. Who asked for it cannot say so.",
            "A step that moves money asks once more who you are when the last time was over ten minutes ago.",
            "The [ledger](/console/ledger) is never changed. A mistake is put right by a second entry that says why.",
        ),
    ),
)
BY_SLUG = {guide.slug: guide for guide in GUIDES}
BY_ROLE = {guide.role: guide for guide in GUIDES}
