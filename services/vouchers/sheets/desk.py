"""Opening codes for paper: one sheet of a batch, one voucher once more, or a list of codes. Who did it, and of which, is kept.

The transaction in which codes are opened writes the audit; what is drawn of them is drawn after it, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import Begin
from app.errors import Conflict, InvalidInput
from app.settings import get_settings
from services import csv_export
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.models import Site
from services.packages import service as packages
from services.packages.models import PackageVersion
from services.vouchers import codes
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.desk import TARGET
from services.vouchers.batches.gate import locked_batch
from services.vouchers.errors import BatchNotReady, VoucherNotFound
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.queries import number_in_batch
from services.vouchers.sheets import drawing, wording
from services.vouchers.sheets.fonts import unprintable
from services.vouchers.sheets.layouts import PAPERS, Layout
from services.vouchers.sheets.wording import Card

MOST_ON_A_SHEET = 1_000
"""How many vouchers one PDF holds: a larger batch is printed in parts."""
_PRINTABLE = (VoucherState.PENDING, VoucherState.ACTIVE)
_CSV_CHUNK = 2_000
_CSV_HEAD = ("Number", "Code", "Package", "Price (D)", "Use from", "Use before", "Batch", "Seller", "Site")


class NothingToPrint(Conflict):
    code, title = "nothing_to_print", "Nothing to print"
    message = "None of these vouchers can be used any more, so there is nothing to print."


@dataclass(frozen=True)
class Printing:
    """Cards with opened codes, ready to be drawn. `left_out` counts those of the range that cannot be used any more."""

    cards: tuple[Card, ...]
    layout: Layout
    file_name: str
    title: str
    left_out: int = 0

    def pdf(self) -> bytes:
        """Takes seconds for many; no database and no network are needed for it."""
        return drawing.sheet(self.cards, PAPERS[self.layout], title=self.title)


def parts_of(size: int) -> list[tuple[int, int]]:
    """The ranges, by the vouchers' numbers in the batch, in which it is printed."""
    return [(first, min(first + MOST_ON_A_SHEET - 1, size)) for first in range(1, size + 1, MOST_ON_A_SHEET)]


def unprintable_of(*texts: str | None) -> str:
    """The characters of these texts that the sheets' font does not have, for a warning before something is printed."""
    return unprintable("".join(text or "" for text in texts))


def open_range(session: Session, *, actor: Principal, batch_id: int, layout: Layout, first: int, last: int, now: datetime) -> Printing:
    """Open the codes of a batch's vouchers number `first` to `last`, for one sheet.

    Raises Forbidden, FreshProofNeeded, BatchNotFound, BatchNotReady, NothingToPrint, or InvalidInput at `first` or `last`.
    """
    batch = _openable(session, actor, batch_id, now=now)
    check_range(first, last, size=batch.size, most=MOST_ON_A_SHEET)
    found = _numbered(session, batch_id, first, last)
    usable = [(number, voucher) for number, voucher in found if _is_usable(voucher, now)]
    if not usable:
        raise NothingToPrint
    _note(session, actor, "batch.print", batch_id, first, last, len(usable), now=now, layout=layout)
    terms, seller = packages.terms_of(session, batch.package_version_id), _seller(session, batch)
    cards = tuple(_card(voucher, terms, f"Batch {batch_id}, No. {number:,}", seller, now=now) for number, voucher in usable)
    return Printing(cards, layout, f"inet-batch-{batch_id}-{first}-{last}.pdf", f"INET vouchers: {batch.name}", len(found) - len(usable))


def open_one(session: Session, *, actor: Principal, voucher_id: int, layout: Layout, now: datetime) -> Printing:
    """Open one voucher's code to print it (again). Raises Forbidden, FreshProofNeeded, VoucherNotFound, BatchNotReady or NothingToPrint."""
    _require(actor, now=now)
    voucher = session.get(Voucher, voucher_id)
    if voucher is None:
        raise VoucherNotFound("There is no voucher under that number.")
    batch = _openable(session, actor, voucher.batch_id, now=now) if voucher.batch_id is not None else None
    if not _is_usable(voucher, now):
        raise NothingToPrint("This voucher cannot be used any more, so it is not printed.")
    audit.record(session, actor, "voucher.print", target=("voucher", voucher_id), now=now, after={"layout": layout})
    number = f"Batch {batch.id}, No. {number_in_batch(session, voucher):,}" if batch else f"No. {voucher_id:,}"
    terms = packages.terms_of(session, voucher.package_version_id)
    card = _card(voucher, terms, number, _seller(session, batch) if batch else "", now=now)
    return Printing((card,), layout, f"inet-voucher-{voucher_id}.pdf", f"INET voucher No. {voucher_id}")


def open_list(begin: Begin, *, actor: Principal, batch_id: int, first: int, last: int, now: datetime) -> tuple[str, Iterator[str]]:
    """The file's name, and the lines of a CSV with the codes of that range; only a part of it is held at a time.

    Refuses as `open_range` does, before the first line, but takes a whole batch.
    """
    with begin() as session:
        batch = _openable(session, actor, batch_id, now=now)
        check_range(first, last, size=batch.size, most=batch.size)
        usable = sum(_is_usable_state(session, batch_id, first, last, now))
        if not usable:
            raise NothingToPrint
        _note(session, actor, "batch.csv", batch_id, first, last, usable, now=now, layout="csv")
        version = session.get_one(PackageVersion, batch.package_version_id)
        site = session.get(Site, batch.site_id) if batch.site_id else None
        common = (version.name, f"{version.amount_bututs // 100}.{version.amount_bututs % 100:02}")
        tail = (batch.name, batch.seller, site.name if site else None)
    return f"inet-batch-{batch_id}-{first}-{last}.csv", _csv_lines(begin, batch_id, first, last, common, tail, now=now)


def check_range(first: int, last: int, *, size: int, most: int) -> None:
    """Raises InvalidInput at the field that is wrong."""
    if not 1 <= first <= size:
        raise InvalidInput(f"The first number is between 1 and {size:,}.", field="first")
    if not first <= last <= size:
        raise InvalidInput(f"The last number is between {first:,} and {size:,}.", field="last")
    if last - first >= most:
        raise InvalidInput(
            f"One file holds {most:,} vouchers at most: print up to No. {first + most - 1:,}, then the next part.", field="last"
        )


def _require(actor: Principal, *, now: datetime) -> None:
    actor.require(Permission.VOUCHERS_BATCH)
    actor.require_proof(now=now)


def _openable(session: Session, actor: Principal, batch_id: int, *, now: datetime) -> VoucherBatch:
    _require(actor, now=now)
    batch = locked_batch(session, batch_id)
    if batch.state is not BatchState.READY:
        raise BatchNotReady
    return batch


def _note(
    session: Session, actor: Principal, action: str, batch_id: int, first: int, last: int, count: int, *, now: datetime, layout: str
) -> None:
    after = {"layout": str(layout), "first": first, "last": last, "count": count}
    audit.record(session, actor, action, target=(TARGET, batch_id), now=now, after=after)


def _numbered(session: Session, batch_id: int, first: int, last: int) -> Sequence[tuple[int, Voucher]]:
    found = session.exec(
        select(Voucher).where(Voucher.batch_id == batch_id).order_by(col(Voucher.id)).offset(first - 1).limit(last - first + 1)
    ).all()
    return list(enumerate(found, start=first))


def _is_usable(voucher: Voucher, now: datetime) -> bool:
    return voucher.state in _PRINTABLE and voucher.use_before > now


def _is_usable_state(session: Session, batch_id: int, first: int, last: int, now: datetime) -> Iterator[bool]:
    query = (
        sa.select(col(Voucher.state), col(Voucher.use_before))
        .where(col(Voucher.batch_id) == batch_id)
        .order_by(col(Voucher.id))
        .offset(first - 1)
        .limit(last - first + 1)
    )
    return (state in _PRINTABLE and use_before > now for state, use_before in session.execute(query))


def _seller(session: Session, batch: VoucherBatch) -> str:
    site = session.get(Site, batch.site_id) if batch.site_id else None
    return " · ".join(filter(None, (f"Sold by {batch.seller}" if batch.seller else "", site.name if site else "")))


def _card(voucher: Voucher, terms: packages.PackageTerms, number: str, seller: str, *, now: datetime) -> Card:
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    return Card(
        package=terms.name,
        price=wording.price(terms.amount_bututs),
        terms=wording.terms_in_words(terms, seconds=voucher.seconds, quota_bytes=voucher.bytes),
        code=code,
        link=wording.link_of(get_settings().public_url, code),
        window=wording.window(voucher.use_from, voucher.use_before, now=now),
        number=number,
        seller=seller,
    )


def _csv_lines(
    begin: Begin, batch_id: int, first: int, last: int, common: tuple[str, str], tail: tuple[str | None, ...], *, now: datetime
) -> Iterator[str]:
    yield csv_export.BOM + csv_export.line(_CSV_HEAD)
    for number in range(first, last + 1, _CSV_CHUNK):
        with begin() as session:
            found = _numbered(session, batch_id, number, min(number + _CSV_CHUNK - 1, last))
            lines = [_csv_line(own, voucher, common, tail) for own, voucher in found if _is_usable(voucher, now)]
        yield "".join(lines)


def _csv_line(number: int, voucher: Voucher, common: tuple[str, str], tail: tuple[str | None, ...]) -> str:
    begins = f"{voucher.use_from:%Y-%m-%d %H:%M}" if voucher.use_from else None
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    return csv_export.line((number, code, *common, begins, f"{voucher.use_before:%Y-%m-%d %H:%M}", *tail))
