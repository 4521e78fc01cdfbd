"""What each role may do: the table by which every route, page and action is decided, in words."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import page_header
from pages.shell import console_page
from services.accounts.models import Role
from services.accounts.permissions import API_SCOPES, ROLE_PERMISSIONS, Permission

PATH = "/console/roles"
P = Permission
WORDS: dict[Permission, str] = {
    P.DASHBOARD_READ: "See what needs a person today (and the day's sales, with the right to see payments)",
    P.PACKAGES_READ: "See the price list",
    P.PACKAGES_EDIT: "Change the price list",
    P.PAYMENTS_READ: "See payments and their story",
    P.PAYMENTS_RETRY: "Let a stopped payment try again",
    P.PAYMENTS_REFUND: "Ask for a refund, within the limits of the role",
    P.REFUNDS_APPROVE: "Approve or decline what another person asked to be given back",
    P.REFUND_RULES_EDIT: "Change how much each role may give back",
    P.MONEY_READ: "See the money desk: sums, the ledger, refunds, reconciliation and its reports",
    P.RECONCILIATION_EDIT: "Start a reconciliation, accept, reject and assign what it found",
    P.VOUCHERS_READ: "See vouchers, without their codes",
    P.VOUCHERS_ISSUE: "Make vouchers by hand",
    P.VOUCHERS_BLOCK: "Block vouchers and lift the block",
    P.VOUCHERS_REVEAL: "Show the code of a voucher",
    P.VOUCHERS_BATCH: "Make batches of vouchers, print them, block and expire them in bulk",
    P.SESSIONS_READ: "See who is online",
    P.SESSIONS_END: "End somebody's access, take a device off a purchase",
    P.SESSIONS_EXTEND: "Give a customer more time",
    P.GATEWAYS_READ: "See the routers",
    P.GATEWAYS_EDIT: "Register routers, change them, see their keys",
    P.NETWORK_READ: "See access points, sites, incidents and up-time",
    P.NETWORK_EDIT: "Say where access points belong, change and merge sites, have OpenWISP asked now",
    P.INCIDENTS_EDIT: "Call an outage a false alarm, write what was learnt of it",
    P.COMPENSATION_READ: "See what outages gave back, and by which rule",
    P.COMPENSATION_EDIT: "Change the rule of what outages give back",
    P.CUSTOMERS_READ: "Find customers by phone",
    P.TICKETS_READ: "See tickets (Field Technicians: those given to them)",
    P.TICKETS_EDIT: "Work on tickets that one may see, close them, open them again",
    P.TICKETS_ASSIGN: "Give tickets to people and teams",
    P.TICKETS_REPLY: "Reply to customers",
    P.REPORTS_READ: "See the help desk's reports",
    P.STAFF_READ: "See staff, where they are logged in, and this table",
    P.STAFF_EDIT: "Invite, change and disable staff (Root and System Admin accounts: Root only)",
    P.TOKENS_READ: "See the API tokens of outside services",
    P.TOKENS_EDIT: "Make and revoke API tokens",
    P.SELF_EDIT: "Change the own password and second factor, end own sessions",
    P.NOTIFICATIONS_READ: "See messages to people and what became of them",
    P.NOTIFICATIONS_EDIT: "Send a message once more, or take it off the list",
    P.DESK_EDIT: "Change how the help desk works: words, teams, deadlines",
    P.HEALTH_READ: "See the health of the system",
    P.JOBS_READ: "See jobs, how they fared, queues and workers",
    P.JOBS_EDIT: "Run a job now, pause one, try a failed one again",
    P.ERRORS_READ: "See errors of the product, in groups",
    P.ERRORS_EDIT: "Assign errors, resolve them and open them again",
    P.BACKUPS_READ: "See back-ups and whether they are proven",
    P.BACKUPS_EDIT: "Have a back-up made",
    P.PERSONAL_DATA_READ: "Export what is held of a customer, see how long it is kept",
    P.PERSONAL_DATA_ERASE: "Erase a customer's personal data, change how long it is kept",
    P.AUDIT_READ: "Read and export the audit",
    P.ACCESS_READ: "Ask whether a device has access",
    P.ACCESS_GRANT: "Let a device in without a purchase",
}


@console_page(PATH, title="Roles", permission=Permission.STAFF_READ, icon="rule", group="Administration", in_navigation=True)
async def roles_page() -> None:
    lead = "What is not ticked is refused, on every page, action and address. The marked ones may also be given to an API token."
    with page_header("Roles", lead=lead):
        pass
    with (
        ui.element("section").classes("panel flush scrolled").props('tabindex=0 aria-label="Permissions by role"'),
        ui.element("table").classes("matrix").mark("roles"),
    ):
        with ui.element("thead"), ui.element("tr"):
            _cell("Permission", head=True)
            for role in Role:
                _cell(role.label, head=True)
        with ui.element("tbody"):
            for permission in Permission:
                _row(permission)


def _row(permission: Permission) -> None:
    with ui.element("tr"):
        with ui.element("th").props("scope=row"):
            ui.label(WORDS[permission])
            ui.label(f"{permission.value}{' · API' if permission in API_SCOPES else ''}").classes("mono soft small")
        for role in Role:
            may = permission in ROLE_PERMISSIONS[role]
            with ui.element("td"):
                ui.label("✓" if may else "–").classes("strong" if may else "faint").props(f'aria-label="{"yes" if may else "no"}"')


def _cell(text: str, *, head: bool) -> None:
    with ui.element("th" if head else "td").props("scope=col" if head else ""):
        ui.label(text)
