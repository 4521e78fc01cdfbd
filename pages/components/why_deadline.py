"""Why a ticket is due when it is: each clock with every stretch of time that counted or did not, and whether the stored one agrees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nicegui import ui

from pages.components.parts import Facts, moment, notice, tone_chip
from pages.components.words import Tone
from services.tickets.sla.why import ClockStory, Counted, Why

CLOCK_NAMES = {"first_response": "First response", "next_response": "Next response", "resolution": "Resolution"}


def length(duration: timedelta) -> str:
    """`27 h 5 min 10 s`, to the second. No days: one of open time is not one of the calendar's."""
    minutes, seconds = divmod(abs(int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if value]
    return ("-" if duration < timedelta(0) else "") + (" ".join(parts) or "0 s")


def state_of(story: ClockStory) -> tuple[str, Tone]:
    """What became of a clock, in two words."""
    if story.breached_at is not None:
        return ("Met late", "bad") if story.met_at else ("Broken", "bad")
    if story.met_at is not None:
        return "Kept", "good"
    if story.target is None:
        return "Not promised", "off"
    return ("Stands", "wait") if story.stands else ("Runs", "busy")


def deadline_chip(shown: Why) -> ui.label:
    """One chip for the whole ticket: the worst of its clocks that still run."""
    live = [story for story in shown.stories if story.met_at is None and story.target is not None]
    if any(story.breached_at for story in live):
        return tone_chip("SLA broken", "bad")
    if any(not story.stands for story in live):
        return tone_chip("SLA runs", "busy")
    return tone_chip("SLA stands" if live else "No promise open", "wait" if live else "off")


def why_deadline(shown: Why) -> None:
    """Draw all of it into the current place."""
    _agreement(shown)
    facts = Facts()
    facts.add("Policy", shown.policy or "none: nothing is promised")
    facts.add("Chosen because", shown.chosen_because)
    facts.add("Calendar", f"{shown.calendar} ({shown.timezone})" if shown.calendar else None)
    with facts.row("Open hours"), ui.element("div"):
        for line in shown.hours or ("–",):
            ui.label(line)
    facts.add_time("Due", shown.stored_due_at, otherwise="nothing runs")
    for story in reversed(shown.stories):
        _story(story, ZoneInfo(shown.timezone) if shown.timezone else ZoneInfo("UTC"))


def _agreement(shown: Why) -> None:
    if shown.matches:
        notice("good", "Counted anew from the ticket's history just now, to the second.", title="Matches the stored deadline").mark(
            "sla-matches"
        )
    else:
        text = "A change of the policy may just be worked in: look again in a minute. If it stays, tell an administrator."
        notice("bad", text, title="Differs from the stored deadline").mark("sla-differs")


def _story(story: ClockStory, zone: ZoneInfo) -> None:
    text, tone = state_of(story)
    with ui.element("section").classes("full-width q-mt-md").mark(f"clock-{story.clock}-{story.round}"):
        with ui.element("div").classes("line"):
            with ui.element("h3"):
                ui.label(CLOCK_NAMES[story.clock] + (f", run {story.round}" if story.round > 1 else ""))
            tone_chip(text, tone)
        ui.label(_summary(story, zone)).classes("soft")
        if story.due_at is not None and story.met_at is None:
            with ui.element("div"):
                moment(story.due_at)
        _table(story.stretches, story, zone)


def _summary(story: ClockStory, zone: ZoneInfo) -> str:
    if story.target is None:
        return "The policy promises nothing here."
    said = [f"{length(story.counted)} of {length(story.target)} counted"]
    if story.met_at is not None:
        said.append(f"met {at_second(story.met_at, zone)}")
    elif story.stands is not None:
        said.append(f"stands: {story.stands}")
    if story.due_at is not None:
        said.append(f"due {at_second(story.due_at, zone)}")
    if story.breached_at is not None:
        said.append(f"broken {at_second(story.breached_at, zone)}")
    return "; ".join(said) + "."


def at_second(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S}"


def _table(stretches: Sequence[Counted], story: ClockStory, zone: ZoneInfo) -> None:
    if not stretches:
        return
    total = story.counted - sum((one.counted for one in stretches), timedelta(0))
    with (
        ui.expansion("One stretch of time" if len(stretches) == 1 else f"{len(stretches)} stretches of time")
        .classes("full-width")
        .props("dense"),
        ui.element("div").classes("rows"),
    ):
        if story.left_out:
            with ui.element("div").classes("item"):
                ui.label(f"{story.left_out} earlier stretches, together").classes("soft")
                ui.label(length(total)).classes("end")
        for one in stretches:
            total += one.counted
            with ui.element("div").classes("item"):
                tone_chip("counted" if one.counts else "not counted", "good" if one.counts else "off")
                with ui.element("div").classes("room"):
                    ui.label(f"{at_second(one.start, zone)} to {at_second(one.end, zone)}").classes("small")
                    ui.label(f"{one.why}{f' · {one.policy}' if one.policy else ''}").classes("soft small")
                with ui.element("div").classes("end"):
                    ui.label(length(one.counted if one.counts else one.end - one.start)).classes("strong" if one.counts else "faint")
                    ui.label(f"sum {length(total)}").classes("soft small")
