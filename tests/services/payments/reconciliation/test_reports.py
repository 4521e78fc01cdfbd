"""The report of a day and of a month: its sums, its CSV, and a PDF that can be read."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pypdfium2
import pytest
from sqlmodel import Session

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.payments.clearing.models import LedgerAccount
from services.payments.reconciliation import clear, gather, report_pdf, reports
from tests.conftest import NOON
from tests.factories import staff
from tests.services.payments.clearing.sales import paid
from tests.services.payments.reconciliation.selling import officer
from tests.services.payments.reconciliation.test_runs import wave_row

DAY = NOON.date()


def _a_day(session: Session) -> reports.Report:
    for _ in range(2):
        payment = paid(session)
        row = wave_row(payment.wave_transaction_id or "", 2500, 25, NOON, client_reference=payment.reference)
        gather.keep_movements(session, DAY, [row], seen_at=NOON)
    clear.name_payments(session, clear.Span(DAY, DAY))
    clear.post_settled(session, clear.Span(DAY, DAY), now=NOON)
    return reports.report(session, actor=officer(), first=DAY, last=DAY, now=NOON + timedelta(hours=3))


def test_the_sums_of_a_day_agree_with_each_other(session: Session) -> None:
    shown = _a_day(session)
    assert (shown.wave.gross, shown.wave.fees, shown.wave.net) == (5000, 50, 4950)
    assert shown.taken.bututs == shown.wave.gross
    assert sum(part.taken.bututs for part in shown.packages) == 5000
    assert shown.balances[LedgerAccount.WAVE_WALLET] == shown.wave.net
    assert shown.balances.get(LedgerAccount.WAVE_RECEIVABLE, 0) == 0


def test_the_csv_is_one_row_a_number(session: Session) -> None:
    rows = list(csv.reader(io.StringIO("".join(reports.csv_lines(_a_day(session))).removeprefix("\ufeff"))))
    assert rows[0] == ["Part", "Name", "Count", "Bututs", "Dalasi"]
    assert ["Wave", "Net", "", "4950", "49.5"] in rows
    assert all(len(row) == 5 for row in rows)


def test_the_pdf_can_be_read_back(session: Session) -> None:
    document = pypdfium2.PdfDocument(report_pdf.as_pdf(_a_day(session)))
    text = "".join(page.get_textpage().get_text_range() for page in document)
    for words in ("Money report, 22.11.2026", "D 49.50", "Unearned access", "Nothing: the three sides agree."):
        assert words in text
    assert document[0].render(scale=1).to_pil().getcolors(1 << 24) is not None


def test_a_month_has_its_own_days_and_no_more() -> None:
    assert reports.month_of(date(2028, 2, 10)) == (date(2028, 2, 1), date(2028, 2, 29))
    assert reports.month_of(date(2026, 12, 31)) == (date(2026, 12, 1), date(2026, 12, 31))


@pytest.mark.parametrize("days", [-1, reports.MAX_DAYS])
def test_days_out_of_order_and_too_many_are_refused(session: Session, days: int) -> None:
    with pytest.raises(InvalidInput):
        reports.report(session, actor=officer(), first=DAY, last=DAY + timedelta(days), now=NOON)
    with pytest.raises(Forbidden):
        reports.report(session, actor=staff(Role.CUSTOMER_CARE), first=DAY, last=DAY, now=NOON)
