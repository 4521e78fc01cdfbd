"""The jobs that each role does most, step by step. A browser walks each of them (tests/browser/journeys) and makes its pictures.

In a step, **two stars** stand around the name of a button, a link, a tab or a field, exactly as it is on the screen: the walk fails when
it has not used a thing of that name in that step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.accounts.models import Role

SCREENS = ("desktop", "phone")
SCHEMES = ("light", "dark")
_NAMED = re.compile(r"\*\*(.+?)\*\*")


@dataclass(frozen=True)
class Step:
    """What to do, and what the picture of it shows (empty: it has none)."""

    text: str
    picture: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """What is pressed, chosen or filled in, by its name on the screen."""
        return tuple(_NAMED.findall(self.text))


@dataclass(frozen=True)
class Journey:
    """A job from its first press to its end. `why` says when somebody does it, `ends` how one knows that it is done."""

    id: str
    role: Role
    title: str
    why: str
    steps: tuple[Step, ...]
    ends: str

    def picture(self, number: int, screen: str, scheme: str) -> str:
        """The file that shows step `number` (from 1), without its ending."""
        return f"{self.id}-{number}-{screen}-{scheme}"

    @property
    def pictured(self) -> tuple[int, ...]:
        """The numbers of the steps that have a picture."""
        return tuple(number for number, step in enumerate(self.steps, 1) if step.picture)


_CARE = (
    Journey(
        "paid-not-online",
        Role.CUSTOMER_CARE,
        "Put a customer online who has paid",
        "Somebody calls: the money is gone, and there is no internet.",
        (
            Step("Open **Customers** and type the phone number into **Phone, such as 83 301 2345**. The beginning of it is enough."),
            Step("Open the customer. A red box at the top says “Paid, and not served yet”, and what it waits for.", "A customer who waits"),
            Step("Press **Try again now**. Nothing is charged twice, however often you press."),
            Step("Wait for the box to go. The page follows by itself.", "The same customer a moment later"),
            Step("Open the payment by its sum under “Last payment” to see what was done, step by step.", "The story of the payment"),
        ),
        "The payment says “Served”: the router has confirmed that the phone is online. If it says “Needs a person”, it says what to do.",
    ),
    Journey(
        "answer-with-macro",
        Role.CUSTOMER_CARE,
        "Answer a ticket with a prepared answer",
        "Most questions are asked every day. A macro is an answer that waits for them.",
        (
            Step("Open **Tickets**. What is due first stands first; red means late.", "The list of tickets"),
            Step("Open the ticket. The conversation stands in the middle, and what is known of the customer beside it."),
            Step("Click into **Your answer to the customer** and type / and a few letters of the macro's name."),
            Step(
                "Press the macro's name. Its words are put into the answer with the customer's own facts filled in; read them.",
                "The answer",
            ),
            Step("Press **Send and wait**. The customer gets it where they wrote from, and the deadline stands until they answer."),
        ),
        "The answer stands in the conversation, and the state says “Waits for the customer”.",
    ),
)
_BILLING = (
    Journey(
        "print-batch",
        Role.BILLING_OFFICER,
        "Order and print a batch of vouchers",
        "A shop sells vouchers on paper and wants fifty more.",
        (
            Step("Open **Batches** and press **Order a batch**."),
            Step("Choose the package, give it a **Name**, say **How many** and who the **Seller** is. Press **Order it**.", "The order"),
            Step("Wait until the state says “Ready”. All of them are made, or none.", "The batch when it is ready"),
            Step("Press **Print**, choose the paper, and press **Print** once more. A PDF is kept on your machine."),
        ),
        "The PDF has one voucher a field, each with a square that a phone's camera reads. The page counts how many were used.",
    ),
    Journey(
        "refund",
        Role.BILLING_OFFICER,
        "Give money back, with a second person",
        "A customer paid for something they could not use. One person asks for the refund, another agrees.",
        (
            Step("Customer Care opens the payment and presses **Give the money back**."),
            Step(
                "They read what it does, write a **Reason** and press **Ask for it**. Nothing changes yet.", "What the first person is told"
            ),
            Step(
                "You open **Refunds**. What waits for a second person stands at the top, the oldest first.", "A refund that waits for you"
            ),
            Step("Press **Give it back …** and read once more what it does."),
            Step("Press **Give it back**. It cannot be taken back.", "What the second person confirms"),
        ),
        "The refund's state says “Refunded”: Wave has the money on its way. Both names stand in the history of the payment.",
    ),
    Journey(
        "reconcile",
        Role.BILLING_OFFICER,
        "Close yesterday's reconciliation",
        "Every night Wave, PortaBilling and our own books are compared. What does not agree waits for you in the morning.",
        (
            Step("Open **Reconciliation**. To compare a day once more, press **Compare days**, choose it, and press **Compare**."),
            Step(
                "Under Findings stands what does not agree; nothing there means: all is closed. Choose a **Kind** to see one sort of it.",
                "The findings of a day",
            ),
            Step(
                "Open a finding. The three sides stand beside each other, and above them what is proposed.", "One finding, from three sides"
            ),
            Step(
                "Press **Reject** when it is to stay as it is, write **Why** and press **Reject** once more. To do what is proposed,"
                " press the button of the proposal instead."
            ),
            Step("Back in the list press **Report** and choose **PDF**: the day on paper, with what was decided."),
        ),
        "No finding of the day is open.",
    ),
)
_ADMIN = (
    Journey(
        "add-gateway",
        Role.SYSTEM_ADMIN,
        "Add a gateway",
        "A new hotspot gets a router. The console makes its settings; you paste them.",
        (
            Step("Open **Gateways** and press **Register a router**."),
            Step("Type a name into **Name, such as Serekunda Market north** and press **Register**. The key is made at random."),
            Step("Put what stands under 2 into the router and restart it as the line above says.", "The settings of the new router"),
            Step("Wait under 3 for its first call, then press **To the gateway's page**.", "The router has called"),
        ),
        "The gateway's state says “Polling”. Customers can buy there from now on.",
    ),
    Journey(
        "outage",
        Role.SYSTEM_ADMIN,
        "Handle an outage",
        "Access points are down. The console has noticed by itself and opened an incident.",
        (
            Step(
                "Open **Incidents**. An outage that goes on is open; it names its place and how many customers it hit.", "The open outage"
            ),
            Step("Open the incident: what is down, since when, which reports of customers belong to it, and who was told.", "One incident"),
            Step("Press **Write a note** and write into **Note** what it is and what is done about it. Press **Keep**."),
        ),
        "When the access points are back, the incident ends by itself; lost time is given back by rule and customers are told. "
        "Only when there was no outage at all, press “False alarm”.",
    ),
)
_TECHNICIAN = (
    Journey(
        "visit",
        Role.FIELD_TECHNICIAN,
        "Work a visit off on the phone",
        "You get a ticket with a place to go to. Everything can be done standing at the mast.",
        (
            Step("Open **Tickets**. Only yours are listed.", "Your tickets"),
            Step("Open the ticket and press **Work on it**, so that the help desk sees that you are at it.", "The ticket on the phone"),
            Step("Choose **Internal note**, write what you found into **Only staff read it**, press **Keep the note**."),
            Step("When it works again press **Resolve**, write **What was done** and press **Resolve it**.", "Saying what was done"),
        ),
        "The state says “Resolved”. The customer is told and asked how it was.",
    ),
    Journey(
        "silent-gateway",
        Role.FIELD_TECHNICIAN,
        "Find out what is wrong with a hotspot",
        "Before you drive out: what does the product know of the place?",
        (
            Step("Open **Gateways**. The state says whether a router calls; a silent one is red.", "The routers and when they called last"),
            Step("Open the gateway: its last call, the customers at it, and how it fared.", "One gateway"),
            Step("Open **Access points** and look whether those of the place are online."),
        ),
        "A silent gateway with access points online is mostly the router or its line; everything down is mostly the power.",
    ),
)
_OWNER = (
    Journey(
        "days-money",
        Role.ROOT,
        "Read the day's money and look into a failure",
        "Once a day: what came in, what it is made of, and what went wrong.",
        (
            Step("Open **Today**: what was sold, who is online, and what needs a person.", "The day at a glance"),
            Step("Open **Money**. Sales, refunds and fees of the day, and below what stands open, each with its age.", "The day's sums"),
            Step(
                "Open **Payments** and choose “At Wave” under **State**. Each row is somebody who wanted to buy and has not paid.",
                "Payments that are not paid",
            ),
            Step("Open one. The coloured line says in plain words how it stands, and what Wave said when it refused."),
        ),
        "You know what the day brought, and of each sale that did not come about why: the customer, Wave or we.",
    ),
    Journey(
        "manage-staff",
        Role.ROOT,
        "Take a person on, and let a person go",
        "Somebody begins to work with the console, or stops.",
        (
            Step("Open **Staff** and press **Invite somebody**."),
            Step(
                "Fill in **E-mail** and **Name**, choose the role, and press **Invite**. They choose their own password.", "The invitation"
            ),
            Step("Open the person in the list to see where they are logged in and to change their role.", "One member of the staff"),
            Step("When they leave press **Disable**, write the **Reason**, press **Disable** again. What they did stays in the audit."),
        ),
        "An invited person's state says “Invited” until they have chosen a password; a disabled one is out with their next step.",
    ),
)

JOURNEYS: tuple[Journey, ...] = _CARE + _BILLING + _ADMIN + _TECHNICIAN + _OWNER
BY_ID = {journey.id: journey for journey in JOURNEYS}


def journeys_of(role: Role) -> tuple[Journey, ...]:
    return tuple(journey for journey in JOURNEYS if journey.role is role)


def picture_names() -> frozenset[str]:
    """Every picture that the help shows, without its ending."""
    return frozenset(
        journey.picture(number, screen, scheme)
        for journey in JOURNEYS
        for number in journey.pictured
        for screen in SCREENS
        for scheme in SCHEMES
    )
