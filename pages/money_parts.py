"""What the money dashboard is drawn of. Each number leads to the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from nicegui import ui

from pages.components import words
from pages.components.charts import Series, bar_chart
from pages.components.figures import Bar, Cell, bars, table
from pages.components.parts import Facts, panel, tile
from pages.components.states import empty_state
from pages.components.words import Tone
from pages.ledger_words import AGES, subject_words, target_address
from pages.payments import CHANNELS
from services.payments.clearing.items import Age
from services.payments.clearing.models import TransferReason
from services.payments.models import PaymentStatus, RefundState
from services.payments.money import Part, Summary
from services.vouchers.stock import StockLevel

if TYPE_CHECKING:
    from pages.money import Shown

PAYMENTS, LEDGER, REFUNDS = "/console/payments", "/console/ledger", "/console/refunds"
_REFUND_TONES: dict[RefundState, Tone] = {
    RefundState.ASKED: "wait",
    RefundState.REQUESTED: "wait",
    RefundState.REFUNDED: "good",
    RefundState.FAILED: "bad",
    RefundState.DECLINED: "wait",
    RefundState.PAID_OUT: "good",
}
_REFUND_NAMES = {
    RefundState.ASKED: "Await a second person",
    RefundState.REQUESTED: "On their way",
    RefundState.REFUNDED: "Given back",
    RefundState.FAILED: "Refused by Wave",
    RefundState.DECLINED: "Declined",
    RefundState.PAID_OUT: "Paid out another way",
}
_BACK = (RefundState.REFUNDED, RefundState.PAID_OUT)
_SHOWN_LOOSE = 5


def draw(shown: Shown) -> None:
    """The whole dashboard."""
    sums = shown.sums
    _tiles(shown)
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            _over_time(sums)
            _parts("By package", sums, sums.packages, "package")
            _parts("By site", sums, sums.sites, "site")
            _parts("By channel", sums, sums.channels, "channel")
        with ui.element("div").classes("stack"):
            _loose(shown)
            _stock(shown.stock)
            _failures(sums)
            _given_back(sums)
            _given_away(sums)
            _wave(sums)


def paid_address(sums: Summary, **more: str) -> str:
    """The list of the payments that were paid in these days."""
    last = sums.until - timedelta(days=1)
    return f"{PAYMENTS}?{urlencode({'paid-from': f'{sums.start:%Y-%m-%d}', 'paid-to': f'{last:%Y-%m-%d}', **more})}"


def _begun_address(sums: Summary, **more: str) -> str:
    last = sums.until - timedelta(days=1)
    return f"{PAYMENTS}?{urlencode({'from': f'{sums.start:%Y-%m-%d}', 'to': f'{last:%Y-%m-%d}', **more})}"


def _tiles(shown: Shown) -> None:
    sums = shown.sums
    back = sum(one.bututs for one in sums.given_back if one.state in _BACK)
    waiting = sum(one.number for one in sums.given_back if one.state in (RefundState.ASKED, RefundState.FAILED))
    low = [level for level in shown.stock if level.is_low]
    loose = len(shown.loose.items)
    with ui.element("div").classes("tiles"):
        tile("Taken", words.money(sums.taken.bututs), _compared(sums), href=paid_address(sums))
        tile("Purchases", f"{sums.taken.number:,}", f"of {sums.begun:,} begun", href=_begun_address(sums))
        tile("Earned", words.money(sums.earned_bututs), "used, or lapsed, less what went back", href=f"{LEDGER}/transfers?account=sales")
        tile("Given back", words.money(back), f"{waiting:,} wait for a person" if waiting else "none waits for a person", href=REFUNDS)
        kept = f"of {len(shown.stock):,} packages" if shown.stock else "no package is kept in stock"
        tile("Stock", f"{len(low):,} low" if low else "enough" if shown.stock else "none", kept, alarm=bool(low))
        number = f"{loose:,}" + ("+" if shown.loose.is_cut else "")
        tile("Unexplained", number, "a person must look" if loose else "everything has a reason", href=LEDGER, alarm=loose > 0)


def _compared(sums: Summary) -> str:
    """Against as much of the week before, in words that need no arithmetic."""
    before = sums.before.bututs
    when = "the week before" if sums.until - sums.start <= timedelta(days=7) else "the time before"
    if not before:
        return f"nothing in {when}"
    change = (sums.taken.bututs - before) / before
    if abs(change) < 0.005:
        return f"as much as {when}"
    return f"{abs(change) * 100:,.0f} % {'more' if change > 0 else 'less'} than {when}"


def _over_time(sums: Summary) -> None:
    if sums.hours:
        labels, values, name = [f"{hour:02d}:00" for hour in range(24)], list(sums.hours), "hour"
    else:
        labels, values, name = [f"{day.day} {day:%b}" for day, _ in sums.days], [taken for _, taken in sums.days], "day"
    with panel(f"Taken per {name}"):
        best = max(values, default=0)
        bar_chart(
            f"Taken per {name}",
            labels,
            (Series("Taken", values),),
            said=f"{words.money(sum(values))} taken, at most {words.money(best)} in one {name}",
            say=words.money,
            rows=(name.capitalize(), labels),
            marker="taken",
        )


def _parts(title: str, sums: Summary, parts: Sequence[Part], filter_name: str) -> None:
    with panel(title):
        if not parts:
            empty_state("Nothing was sold in these days", icon="event_busy")
            return
        most = max(part.taken.bututs for part in parts) or 1
        rows = [
            Bar(
                _name(part, filter_name),
                part.taken.bututs / most,
                words.money(part.taken.bututs),
                f"{part.taken.number:,} sold",
                href=paid_address(sums, **{filter_name: part.key or "0"}),
            )
            for part in parts[:12]
        ]
        bars(rows, marker=f"by-{filter_name}")
        if len(parts) > len(rows):
            ui.label(f"The {len(rows)} largest of {len(parts):,}.").classes("soft small")


def _name(part: Part, filter_name: str) -> str:
    return next(name for channel, name in CHANNELS.items() if channel.value == part.key) if filter_name == "channel" else part.name


def _loose(shown: Shown) -> None:
    items = shown.loose.items
    with panel("Unexplained", aside=f"{len(items):,} by age" if items else ""):
        if not items:
            ui.label("There is a reason for everything that stands open.").classes("soft")
            ui.link("Open the ledger", LEDGER)
            return
        tones: dict[Age, Tone] = {Age.TODAY: "wait", Age.DAYS_1_2: "wait", Age.DAYS_3_7: "bad", Age.OLDER: "bad"}
        counted = {age: [item for item in items if item.age is age] for age in Age}
        rows = [Bar(AGES[age], len(found) / len(items), f"{len(found):,}", tone=tones[age]) for age, found in counted.items() if found]
        bars(rows, marker="loose-ages")
        for item in items[:_SHOWN_LOOSE]:
            with ui.element("div").classes("w-full q-mt-sm"):
                ui.link(subject_words(item.subject), target_address(item.explanation.target) or f"{LEDGER}/transfers?q={item.subject}")
                ui.label(item.explanation.words).classes("soft small")
        ui.link("Show them all", LEDGER)


def _stock(stock: Sequence[StockLevel]) -> None:
    with panel("Vouchers in stock", aside="ready for when PortaBilling is away"):
        if not stock:
            ui.label("No package is held in stock.").classes("soft")
            return
        bars(
            [
                Bar(
                    level.name,
                    min(1.0, level.ready / max(1, level.mark)),
                    f"{level.ready:,} of {level.mark:,}",
                    f"{level.pending:,} being issued" if level.pending else "",
                    "bad" if level.is_low else "good",
                )
                for level in stock
            ],
            marker="stock",
        )


def _failures(sums: Summary) -> None:
    with panel("Not paid, and why", aside="of those begun in these days"):
        if not sums.failures:
            ui.label("Every purchase that was begun was paid, or is still open.").classes("soft")
            return
        rows = [
            [
                Cell(one.reason or words.words_of(one.status).text),
                Cell(f"{one.number:,}", _begun_address(sums, status=one.status.value)),
                Cell(words.money(one.bututs)),
            ]
            for one in sums.failures
        ]
        table("Purchases that were not paid", ("Why", "Purchases", "Would be"), rows, marker="failures", are_words=True)
        if any(one.status is PaymentStatus.ATTENTION for one in sums.failures):
            ui.link("Those that need a person", f"{PAYMENTS}?needs=yes")


def _given_back(sums: Summary) -> None:
    with panel("Refunds", aside="asked for in these days"):
        if not sums.given_back:
            ui.label("No refund was asked for.").classes("soft")
            return
        most = max(one.bututs for one in sums.given_back)
        rows = [
            Bar(
                *(_REFUND_NAMES[one.state], one.bututs / most, words.money(one.bututs), f"{one.number:,}", _REFUND_TONES[one.state]),
                href=f"{PAYMENTS}?{urlencode({'refund': one.state.value})}",
            )
            for one in sums.given_back
        ]
        bars(rows, marker="refunds")


def _given_away(sums: Summary) -> None:
    with panel("Discounts and gifts"):
        if not sums.taken.discount_bututs and not sums.taken.gifts:
            ui.label("No promo code was used, and nothing was bought for another phone.").classes("soft")
            return
        rows = [
            [
                Cell(part.name, paid_address(sums, promo=part.key or "")),
                Cell(f"{part.taken.number:,}"),
                Cell(words.money(part.taken.discount_bututs)),
            ]
            for part in sums.promos
        ]
        if rows:
            table("Promo codes", ("Promo code", "Uses", "Taken off"), rows, marker="promos")
        if sums.taken.gifts:
            ui.link(f"{sums.taken.gifts:,} gifts", paid_address(sums, gift="yes"))


def _wave(sums: Summary) -> None:
    """What Wave's list showed in these days: the fee is known only then."""
    listed = sums.reasons.get(TransferReason.WAVE_LISTED, 0)
    with panel("Wave's list", aside="as it was read in these days"):
        if not listed:
            ui.label("No list of Wave's was read in these days.").classes("soft")
        else:
            share = sums.fee_bututs / (listed + sums.fee_bututs) if listed + sums.fee_bututs else 0
            facts = Facts()
            facts.add_link("Fees", f"{words.money(sums.fee_bututs)} ({share * 100:.1f} %)", f"{LEDGER}/transfers?account=wave_fees")
            facts.add_link("Into our wallet", words.money(listed), f"{LEDGER}/transfers?account=wave_wallet")
        ui.link("Reconciliation", "/console/reconciliation")
