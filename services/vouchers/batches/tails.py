"""The MAC of a code's last group, for vouchers that were made before there was one."""

from __future__ import annotations

from sqlmodel import col, select

from app.db import Begin
from app.keys import BadSeal
from services.vouchers import codes
from services.vouchers.models import Voucher

_CHUNK = 500


def fill(begin: Begin, *, chunk: int = _CHUNK) -> int:
    """Fill in what is missing, chunk by chunk; answers how many. A code that no key opens is left as it is."""
    after = filled = 0
    while True:
        with begin() as session:
            found = session.exec(
                select(Voucher)
                .where(col(Voucher.tail_mac).is_(None), col(Voucher.id) > after)
                .order_by(col(Voucher.id))
                .limit(chunk)
                .with_for_update(skip_locked=True)
            ).all()
            for voucher in found:
                try:
                    voucher.tail_mac = codes.tail_mac(codes.unseal_code(voucher.code_sealed))
                    filled += 1
                except BadSeal:
                    continue
        if not found:
            return filled
        after = found[-1].id or after
