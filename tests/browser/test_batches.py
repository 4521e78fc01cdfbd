"""A batch from its order to a phone that is online: ordered, watched, printed, cut out, scanned."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pypdfium2
import zxingcpp
from playwright.sync_api import expect

from tests.browser.browsers import DESKTOP, Browsers
from tests.browser.console import Staff
from tests.browser.portal import Customer
from tests.browser.world import World, wait_for

_SIZE = 50
_REGISTERED = "SELECT 1 FROM voucher_batch WHERE registered = size"


def squares_in(pdf: Path) -> list[str]:
    """What the squares on all pages of the sheet say."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [found.text for page in document for found in zxingcpp.read_barcodes(page.render(scale=2.5).to_pil())]
    finally:
        document.close()


def test_a_batch_is_ordered_printed_scanned_and_lets_a_phone_in(world: World, browsers: Browsers, tmp_path: Path) -> None:
    # Codes are opened for who has just logged in; one who was kept from an earlier test would be asked once more.
    staff = Staff(world, browsers.open(screen=DESKTOP, is_touch=False, may_keep_cookies=True)).logs_in("root").is_in()
    staff.opens("/batches").presses("Order a batch")
    staff.chooses("Package", "1 hour")
    staff.dialog.get_by_label("Name").fill("For Tobaski")
    staff.dialog.get_by_label("How many").fill(str(_SIZE))
    staff.dialog.get_by_label("Seller").fill("Fatou Njie")
    staff.dialog.get_by_role("button", name="Order it").click()
    staff.sees("For Tobaski").sees_state("Ready").sees(f"{_SIZE} of {_SIZE}", "Sold value")

    staff.presses("Print")
    with staff.page.expect_download() as told:
        staff.dialog.get_by_role("button", name="Print").click()
    sheet = tmp_path / told.value.suggested_filename
    told.value.save_as(sheet)
    links = squares_in(sheet)
    assert len(set(links)) == _SIZE
    assert {link.rpartition("/")[0] for link in links} == {f"{world.url}/portal/v"}

    # A camera opens the link in the phone's browser, which does not come from the router's redirect.
    link = links[-1]
    customer = Customer(world, browsers.open(), world.join())
    customer.page.goto(link)
    code = urlsplit(link).path.rpartition("/")[2]
    expect(customer.page.get_by_label("Voucher code")).to_have_value(code)
    customer.page.get_by_role("button", name="Use this voucher").click()
    customer.sees("Your voucher is accepted")
    customer.arrives().page.get_by_role("link", name="Have a voucher?").click()
    customer.page.get_by_label("Voucher code").fill(code)
    customer.page.get_by_role("button", name="Go online").click()
    customer.is_online()

    staff.opens("/batches")
    expect(staff.row("For Tobaski")).to_contain_text("1 (2 %)")
    # PortaBilling has been told of all of them by then, or is within moments.
    wait_for(lambda: world.ask_database(_REGISTERED), "the whole batch in PortaBilling", seconds=60)
