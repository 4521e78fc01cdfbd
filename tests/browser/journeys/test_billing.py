"""What a Billing Officer does most."""

from __future__ import annotations

from itertools import count

import pytest
from playwright.sync_api import expect

from tests.browser.journeys.buying import is_in_state, is_lost_at_wave, pays
from tests.browser.journeys.walk import Walk, walked
from tests.browser.world import World, wait_for

_SIZE = 24
_turns = count(1)


@walked("print-batch")
def test_a_batch_is_ordered_and_printed(walk: Walk) -> None:
    walk.sits_down("billing", to_decide=True).step(1).goes_to("Batches").presses("Order a batch")
    walk.step(2).staff.chooses("Package", "1 hour")
    walk.fills("Name", f"Kiosk at the ferry {next(_turns)}").fills("How many", str(_SIZE)).fills("Seller", "Fatou Njie").picture()
    walk.presses("Order it")
    walk.step(3).sees_state("Ready").sees(f"{_SIZE} of {_SIZE}").picture()
    walk.step(4).presses("Print")
    with walk.page.expect_download() as told:
        walk.presses("Print", within=walk.staff.dialog)
    assert told.value.suggested_filename.endswith(".pdf")
    walk.ends()


@walked("refund")
def test_a_refund_is_asked_for_by_one_person_and_approved_by_another(walk: Walk, world: World) -> None:
    purchase = pays(world)
    walk.sits_down("care", to_decide=True).step(1)
    walk.staff.opens(f"/payments/{purchase.reference}")
    walk.presses("Give the money back")
    walk.step(2).fills("Reason", "The Wi-Fi at the stall was down all day").picture()
    walk.presses("Ask for it").sees("Waits for approval")
    walk.sits_down("billing", to_decide=True).step(3).goes_to("Refunds").sees(purchase.reference).picture()
    asked = walk.main.locator(".item").filter(has_text=purchase.reference)
    walk.step(4).presses("Give it back …", within=asked)
    walk.step(5).picture().presses("Give it back", within=walk.staff.dialog)
    is_in_state(world, purchase, "refunded")
    expect(walk.staff.row(purchase.reference)).to_contain_text("Refunded")
    walk.ends()


@pytest.fixture
def lost(world: World) -> str:
    """A payment of yesterday of which Wave's own list shows nothing."""
    purchase = pays(world)
    is_lost_at_wave(world, purchase)
    return purchase.reference


@walked("reconcile")
def test_a_days_reconciliation_is_closed(walk: Walk, world: World, lost: str) -> None:
    done = "SELECT count(*) FROM reconciliation_run WHERE state = 'done'"
    before = world.ask_database(done)
    walk.sits_down("billing", to_decide=True).step(1).goes_to("Reconciliation").presses("Compare days")
    walk.presses("Compare", within=walk.staff.dialog)
    wait_for(lambda: world.ask_database(done) != before, "the comparison", seconds=60)
    walk.step(2).picks("Kind", "Paid here only").sees(lost).picture()
    walk.step(3)
    walk.staff.follows(walk.staff.row(lost).get_by_role("link").first)
    walk.sees("Proposed").picture()
    walk.step(4).presses("Reject").fills("Why", "Seen at Wave's own desk")
    walk.presses("Reject", within=walk.staff.dialog).sees_state("Rejected")
    walk.step(5).main.get_by_role("link", name="Reconciliation").click()
    walk.presses("Report")
    with walk.page.expect_download() as told:
        walk.presses("PDF", within=walk.staff.dialog)
    assert told.value.suggested_filename.endswith(".pdf")
    walk.ends()
