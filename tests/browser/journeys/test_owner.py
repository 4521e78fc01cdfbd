"""What the owner does most."""

from __future__ import annotations

from itertools import count

from playwright.sync_api import expect

from tests.browser.journeys.buying import buys, is_refused, pays
from tests.browser.journeys.walk import Walk, walked
from tests.browser.world import World, new_number

_turns = count(1)
_NAMES = ("Isatou Jallow", "Lamin Touray", "Fatoumatta Bah", "Ebrima Sowe")


@walked("days-money")
def test_the_days_money_is_read_and_a_failure_looked_into(walk: Walk, world: World) -> None:
    pays(world, "day-1")
    failed = buys(world, "week-1")
    world.sandbox.pay(failed.reference, "fail")
    is_refused(world, failed)
    walk.sits_down("root").step(1).goes_to("Today").picture()
    walk.step(2).goes_to("Money").sees("By package").picture()
    walk.step(3).goes_to("Payments").picks("State", "At Wave").sees(failed.reference).picture()
    walk.step(4).opens_row(failed.reference).sees("insufficient funds")
    walk.ends()


@walked("manage-staff")
def test_a_person_is_taken_on_and_let_go(walk: Walk) -> None:
    turn = next(_turns)
    name = _NAMES[turn % len(_NAMES)]
    walk.sits_down("root").step(1).goes_to("Staff").presses("Invite somebody")
    walk.step(2).fills("E-mail", f"new{new_number()[-4:]}@inet.demo").fills("Name", name).picture().presses("Invite")
    expect(walk.staff.dialog).to_have_count(0)
    walk.sees(name, "Invited")
    walk.step(3).opens_row(name).sees("Nowhere").picture()
    walk.step(4).presses("Disable")
    walk.fills("Reason", "Left the company").presses("Disable", within=walk.staff.dialog).sees("Disabled")
    walk.ends()
