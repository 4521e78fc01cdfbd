"""What a batch's page is made of: progress, figures, where and when its vouchers were used."""

from __future__ import annotations

from nicegui import ui

from pages.components import words
from pages.components.charts import Series, bar_chart
from pages.components.figures import Bar, bars
from pages.components.parts import Facts, notice, panel, tile
from pages.components.states import empty_state
from pages.report_parts import percent
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batch_queries import BatchFigures, BatchPage
from services.vouchers.models import VoucherState


def tiles(shown: BatchPage) -> None:
    figures, size, price = shown.figures, shown.batch.size, shown.terms.amount_bututs
    blocked, expired = figures.by_state.get(VoucherState.BLOCKED, 0), figures.by_state.get(VoucherState.EXPIRED, 0)
    said = (
        ("Used", f"{figures.used:,}", f"{percent(figures.used / size)} of {size:,}"),
        ("Sold value", words.money(figures.used * price), f"{figures.used:,} × {words.money(price)}"),
        ("Left", f"{figures.left:,}", f"worth {words.money(figures.left * price)}"),
        ("Blocked", f"{blocked:,}", "until the block is lifted"),
        ("Expired", f"{expired:,}", "never used"),
    )
    with ui.element("div").classes("tiles").mark("figures"):
        for label, number, note in said:
            tile(label, number, note)


def progress_panel(batch: VoucherBatch) -> None:
    with panel("Progress"):
        _progress("Made", batch.made, batch.size, marker="made")
        if batch.state is BatchState.READY:
            _progress("In PortaBilling", batch.registered, batch.size, marker="registered")
            if batch.registered < batch.size:
                ui.label("Vouchers can be used while this goes on; a used one is told to PortaBilling first.").classes("soft small")
        if batch.error:
            notice("wait", f"{batch.error} It is tried again by itself.", title="The last try did not work")


def _progress(label: str, done: int, whole: int, *, marker: str) -> None:
    share = done / whole
    said = f"{label}: {done:,} of {whole:,}"
    with ui.element("div").classes("w-full q-mb-sm").mark(f"progress-{marker}"):
        with ui.element("div").classes("line apart one"):
            ui.label(label).classes("soft")
            ui.label(f"{done:,} of {whole:,}").classes("strong")
        bar = ui.linear_progress(share, show_value=False, size="8px").props("rounded color=primary")
        bar.props(f'aria-label="{said}"')


def facts_panel(shown: BatchPage) -> None:
    batch, terms = shown.batch, shown.terms
    with panel("Facts"):
        facts = Facts()
        facts.add("Package", f"{terms.name} · {words.money(terms.amount_bututs)}")
        facts.add("Worth", words.money(batch.size * terms.amount_bututs))
        facts.add("Seller", batch.seller)
        if batch.site_id is not None:
            facts.add_link("Site", shown.site_name, f"/console/sites/{batch.site_id}")
        facts.add("Note", batch.note)
        facts.add_time("Use from", batch.use_from)
        facts.add_time("Use before", batch.use_before)
        facts.add("Ordered by", batch.made_by.partition(":")[2] or batch.made_by)
        facts.add_time("Ordered", batch.created_at)
        if batch.ready_at is not None:
            facts.add_time("Ready", batch.ready_at)
        if batch.ended_at is not None:
            facts.add_time("Cancelled", batch.ended_at)


def days_panel(figures: BatchFigures) -> None:
    with panel("Used by day", aside="the last 30 days"):
        if not figures.by_day:
            empty_state("Not used yet", "The first voucher that is entered is shown here.", icon="event_available")
            return
        numbers = [number for _, number in figures.by_day]
        bar_chart(
            "Used by day",
            [f"{day.day} {day:%b}" for day, _ in figures.by_day],
            (Series("Used", numbers),),
            said=f"{sum(numbers):,} vouchers used in {len(numbers)} days",
            rows=("Day", [f"{day:%a} {day.day} {day:%b %Y}" for day, _ in figures.by_day]),
            marker="used-by-day",
            is_newest_first=True,
        )


def places_panel(figures: BatchFigures) -> None:
    with panel("Where they came online"):
        if not figures.by_place:
            ui.label("At no hotspot yet.").classes("soft")
            return
        most = max(number for _, number in figures.by_place)
        bars([Bar(name, number / most, f"{number:,}") for name, number in figures.by_place], marker="places")
