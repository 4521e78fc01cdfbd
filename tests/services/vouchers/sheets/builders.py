"""Batches and cards for what is tested about paper."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from services.packages.service import Offer
from services.vouchers import codes
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.sheets.wording import Card, link_of, window
from tests.conftest import NOON

PUBLIC_URL = "https://portal.example.gm"


def a_batch(
    session: Session,
    *,
    offer: Offer,
    size: int,
    now: datetime = NOON,
    state: BatchState = BatchState.READY,
    seller: str | None = None,
    site_id: int | None = None,
    name: str = "For the market",
) -> tuple[VoucherBatch, list[str]]:
    """A batch with its vouchers; answers their codes, in the order of their numbers."""
    batch = VoucherBatch(
        name=name,
        package_version_id=offer.version_id,
        size=size,
        made=size,
        state=state,
        seller=seller,
        site_id=site_id,
        use_from=now,
        use_before=now + timedelta(days=30),
        made_by="staff:root@inet.test",
        created_at=now,
        ready_at=now if state is BatchState.READY else None,
    )
    session.add(batch)
    session.flush()
    shown = []
    for number in range(size):
        code = codes.new_code()
        shown.append(codes.show_code(code))
        session.add(
            Voucher(
                code_mac=codes.code_mac(code),
                code_sealed=codes.seal_code(code),
                tail_mac=codes.tail_mac(code),
                package_version_id=offer.version_id,
                origin=VoucherOrigin.BATCH,
                batch_id=batch.id,
                state=VoucherState.ACTIVE,
                issued_by=batch.made_by,
                created_at=now,
                use_from=batch.use_from,
                use_before=batch.use_before,
                porta_account_id=f"inet-b{batch.id}-{number:010}",
            )
        )
        session.flush()
    return batch, shown


def a_card(*, number: int = 1, package: str = "1 day", seller: str = "", terms: str = "1 day · 2 GB", code: str | None = None) -> Card:
    code = code or codes.show_code(codes.new_code())
    said = window(NOON + timedelta(days=9), NOON + timedelta(days=40, minutes=30), now=NOON)
    return Card(package, "D 50", terms, code, link_of(PUBLIC_URL, code), said, f"Batch 12, No. {number:,}", seller)
