"""The optional script on a router, run by a real shell against the running product (docs/router-agent.md)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from app.clock import utc_now
from app.db import transaction
from services.access import agent
from services.access.models import AccessSession, DeauthOrder, Gateway, Grant, GrantState, SessionState
from services.access.sessions_desk import end_session_now
from services.integrations.opennds import agent_wire
from tests.factories import staff
from tests.portal.opennds_router import Router, Station
from tests.portal.router_script import ScriptedRouter, Used
from tests.portal.served import Web

KEY = "5f" * 32
SHELLS = [("dash",), *([("busybox", "sh")] if shutil.which("busybox") else [])]


@pytest.fixture(params=[3, 4], ids=["level-3", "level-4"])
def router(web: Web, request: pytest.FixtureRequest) -> Router:
    return web.router(int(request.param))


@pytest.fixture
def scripted(web: Web, router: Router, tmp_path: Path) -> ScriptedRouter:
    with transaction() as session:
        text = agent.script_for(session, actor=replace(staff(), proven_at=utc_now()), slug=router.slug, now=utc_now())
    return ScriptedRouter(tmp_path / "router", text, router=router)


def online(web: Web, router: Router, scripted: ScriptedRouter, **terms: object) -> Used:
    station = router.join()
    web.let_in(router, station, **terms)
    router.poll()
    scripted.clients.append(used := Used(station))
    return used


def the_session(web: Web) -> AccessSession:
    row = web.row(select(AccessSession))
    assert isinstance(row, AccessSession)
    return row


def end_by_staff(web: Web) -> bool:
    with transaction() as session:
        ended = end_session_now(session, actor=staff(), session_id=the_session(web).id or 0, reason="asked to", now=utc_now())
    return ended.is_put_out


def test_live_counters_reach_the_session(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    used = online(web, router, scripted)
    scripted.clients.append(Used(Station("02:00:00:bb:00:99"), state="Preauthenticated"))
    for down, up in ((100, 20), (250, 21)):
        used.down_kb, used.up_kb = down, up
        scripted.run()
        row = the_session(web)
        assert (row.live_bytes_down, row.live_bytes_up) == (down * 1024, up * 1024)
        assert row.bytes_down is None
    gateway = web.row(select(Gateway))
    assert gateway.agent_clients == 1
    assert utc_now() - gateway.agent_seen_at < timedelta(seconds=30)
    assert scripted.put_out == []


def test_a_session_that_staff_ended_is_put_out_and_the_order_closed_when_it_is_gone(
    web: Web, router: Router, scripted: ScriptedRouter
) -> None:
    used = online(web, router, scripted)
    scripted.run()
    assert end_by_staff(web)
    scripted.run()
    assert scripted.put_out == [f"deauth {used.station.mac}"]
    assert web.row(select(DeauthOrder)).done_at is None
    scripted.run()  # it is there still: the order is given again
    assert len(scripted.put_out) == 2
    scripted.clients.clear()
    scripted.run()
    assert web.row(select(DeauthOrder)).outcome == "gone"
    assert len(scripted.put_out) == 2


def test_without_a_script_that_spoke_lately_no_order_is_promised(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    online(web, router, scripted)
    assert not end_by_staff(web)
    assert web.rows(select(DeauthOrder)) == []


def test_a_used_up_data_allowance_is_put_out_while_the_session_runs(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    used = online(web, router, scripted, quota_bytes=1_048_576)
    used.down_kb = 1023
    scripted.run()
    assert web.rows(select(DeauthOrder)) == []
    used.up_kb = 1
    scripted.run()
    assert scripted.put_out == [f"deauth {used.station.mac}"]
    assert the_session(web).state is SessionState.ACTIVE  # until the router says how it ended
    router.call("deauthed", router.report(used.station, "ndsctl_deauth", down=1_047_552, up=1024))
    row = the_session(web)
    assert (row.end_reason, row.bytes_down, row.bytes_up) == ("ndsctl_deauth", 1_047_552, 1024)


def test_a_client_whose_acknowledgement_was_lost_is_proved_by_the_report(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    station = router.join()
    web.let_in(router, station)
    router.open(router.view())
    scripted.clients.append(Used(station, 7, 1))
    scripted.run()
    assert web.row(select(Grant)).state is GrantState.ACKED
    assert the_session(web).live_bytes_down == 7 * 1024


def test_the_mac_that_an_order_names_is_the_routers_and_not_what_the_customer_wrote(web: Web, tmp_path: Path) -> None:
    router = web.router(4)
    with transaction() as session:
        text = agent.script_for(session, actor=replace(staff(), proven_at=utc_now()), slug=router.slug, now=utc_now())
    scripted = ScriptedRouter(tmp_path / "router", text, router=router)
    station = router.join("02:00:00:bb:00:77")
    web.spend(web.voucher(), web.enter(router, replace(station, mac="02:00:00:00:00:01")))
    router.poll()
    scripted.clients.append(Used(station))
    scripted.run()
    assert the_session(web).mac == station.mac
    assert end_by_staff(web)
    scripted.run()
    assert scripted.put_out == [f"deauth {station.mac}"]


def test_what_is_unsigned_forged_or_played_back_changes_nothing(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    used = online(web, router, scripted)
    used.down_kb = 5
    scripted.run()
    (good,) = scripted.sent
    body, _, signed = good.rpartition(":")
    later = body.replace(body.split(":")[1], str(int(body.split(":")[1]) + 1))
    forged = [
        good,
        body,
        f"{later}:{signed}",
        f"{later}:{agent_wire.digest(KEY, 'router', later)}",
        f"{body.replace('.5.0', '.9999.0')}:{signed}",
        "inet1:",
        "anything",
    ]
    with web.nothing_changes():
        for text in forged:
            answer = router.call("custom", text)
            assert (answer.status, answer.text) == (200, "ack")


def test_a_counter_far_ahead_of_the_clock_does_not_shut_out_the_reports_after_it(
    web: Web, router: Router, scripted: ScriptedRouter
) -> None:
    online(web, router, scripted)
    (scripted.directory / "counter").write_text(str(int(utc_now().timestamp()) + 86_400))
    scripted.run()
    assert web.row(select(Gateway)).agent_seen_at is None
    (scripted.directory / "counter").unlink()
    scripted.run()
    assert web.row(select(Gateway)).agent_seen_at is not None


def test_a_script_whose_key_was_made_worthless_is_not_believed(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    online(web, router, scripted)
    scripted.run()
    with transaction() as session:
        agent.forget_script(session, actor=replace(staff(), proven_at=utc_now()), slug=router.slug, now=utc_now())
    scripted.run()
    assert web.row(select(Gateway)).agent_seen_at is None


def test_many_clients_are_told_in_parts_and_only_the_part_that_covers_one_says_that_it_is_gone(
    web: Web, router: Router, scripted: ScriptedRouter
) -> None:
    used = online(web, router, scripted)  # 02:00:00:bb:00:50
    scripted.clients += [Used(Station(f"02:00:00:aa:00:{number:02x}")) for number in range(30)]
    scripted.clients += [Used(Station(f"02:00:00:cc:00:{number:02x}")) for number in range(30)]
    scripted.run()
    assert len(scripted.sent) == 3
    assert all(len(text) < 1400 for text in scripted.sent)
    gateway = web.row(select(Gateway))
    assert gateway.agent_clients == 61
    assert end_by_staff(web)
    scripted.run()
    assert scripted.put_out == [f"deauth {used.station.mac}"] * 3  # no part says that it is gone
    assert web.row(select(DeauthOrder)).done_at is None
    del scripted.clients[0]
    scripted.run()
    assert web.row(select(DeauthOrder)).outcome == "gone"


def test_a_phone_that_was_let_in_again_is_not_put_out_by_an_old_order(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    used = online(web, router, scripted)
    scripted.run()
    assert end_by_staff(web)
    used.station.is_online = False
    again = router.join()
    web.let_in(router, again)
    router.poll()
    scripted.clients[:] = [Used(again)]
    scripted.run()
    assert scripted.put_out == []
    assert web.row(select(DeauthOrder)).outcome == "let_in_again"


def test_an_order_that_no_report_fetches_is_given_up(web: Web, router: Router, scripted: ScriptedRouter) -> None:
    online(web, router, scripted)
    scripted.run()
    assert end_by_staff(web)
    assert web.sweep(agent.give_up_orders, seconds=agent.GIVE_UP_AFTER.total_seconds() - 5) == 0
    assert web.sweep(agent.give_up_orders, seconds=agent.GIVE_UP_AFTER.total_seconds() + 5) == 1
    scripted.run()
    assert scripted.put_out == []


# --- the script alone


@pytest.fixture(params=SHELLS, ids=[" ".join(shell) for shell in SHELLS])
def alone(tmp_path: Path, request: pytest.FixtureRequest) -> ScriptedRouter:
    text = (Path(agent.__file__).parents[2] / "deploy" / "router" / "inet-agent.sh").read_text()
    return ScriptedRouter(tmp_path / "router", text.replace("@INET_AGENT_KEY@", KEY), shell=request.param)


def signed(counter: str, words: str) -> str:
    return f"ack {counter} {agent_wire.digest(KEY, 'server', f'{counter} {words}')} {words}"


def answered(alone: ScriptedRouter, words: str) -> str:
    """A rightly signed answer to the report that it makes next."""
    counter = str(int(utc_now().timestamp()) + 100)
    (alone.directory / "counter").write_text(str(int(counter) - 1))
    return signed(counter, words)


MAC = "02:00:00:bb:00:50"


def test_a_rightly_signed_order_is_carried_out(alone: ScriptedRouter) -> None:
    alone.run(reply=answered(alone, f"deauth {MAC} 02:00:00:bb:00:51"))
    assert alone.put_out == [f"deauth {MAC}", "deauth 02:00:00:bb:00:51"]


@pytest.mark.parametrize(
    "words",
    [
        "deauth",
        "auth 02:00:00:bb:00:50",
        "deauth 02:00:00:bb:00:5",
        "deauth 02:00:00:BB:00:50",
        "deauth 02:00:00:bb:00:50;reboot",
        "deauth $(touch${IFS}pwned)",
        "deauth `reboot`",
        "deauth *",
        f"deauth {MAC} -x",
        "deauth " + " ".join([MAC] * 9),
    ],
)
def test_an_order_outside_the_grammar_is_not_carried_out_though_it_is_signed(alone: ScriptedRouter, words: str) -> None:
    alone.run(reply=answered(alone, words))
    assert alone.put_out == []
    assert not (alone.directory / "pwned").exists()


def test_an_order_that_is_not_signed_for_this_report_is_not_carried_out(alone: ScriptedRouter) -> None:
    good = answered(alone, f"deauth {MAC}")
    counter, claimed = good.split()[1:3]
    for reply in (
        f"ack deauth {MAC}",
        f"ack {counter} {'0' * 64} deauth {MAC}",
        f"ack {counter} {claimed} deauth 02:00:00:bb:00:51",
        signed(str(int(counter) + 1), f"deauth {MAC}"),
        signed(str(int(counter) - 9), f"deauth {MAC}"),
        f"ack {counter} {agent_wire.digest(KEY, 'router', f'{counter} deauth {MAC}')} deauth {MAC}",
        "<html>deauth</html>",
        "",
    ):
        (alone.directory / "counter").write_text(str(int(counter) - 1))
        alone.run(reply=reply)
    assert alone.put_out == []
    alone.run(reply=good)  # right once, but that report is over
    assert alone.put_out == []


def test_numbers_grow_also_when_the_last_one_was_forgotten(alone: ScriptedRouter) -> None:
    alone.run(reply="ack")
    alone.run(reply="ack")
    (alone.directory / "counter").unlink()
    alone.run(reply="ack")
    first, second, third = (int(text.split(":")[1]) for text in alone.sent)
    assert first < second <= third + 1
    assert third >= int(utc_now().timestamp()) - 5


def test_an_opennds_that_is_busy_is_not_reported_as_nobody_online(alone: ScriptedRouter) -> None:
    (alone.directory / "ndsctl").write_text("#!/bin/sh\necho 'ndsctl: busy'\n")
    alone.run(reply="ack")
    assert alone.sent == []


def test_what_clients_call_themselves_cannot_break_the_report(alone: ScriptedRouter) -> None:
    hostile = Used(Station('02:00:00:bb:00:51","state":"Authenticated'), 5)
    alone.clients += [Used(Station(MAC, token="0a1b2c3d"), 12, 3), hostile, Used(Station("02:00:00:bb:00:52", token="$(reboot)"))]
    alone.run(reply="ack")
    (text,) = alone.sent
    report = agent_wire.read_report(text, key=KEY)
    assert report is not None
    assert report.clients[0] == agent_wire.AgentClient(MAC, "0a1b2c3d", 12 * 1024, 3 * 1024)
    assert "$" not in text


def test_without_a_key_it_says_so_and_reports_nothing(alone: ScriptedRouter) -> None:
    script = alone.directory / "inet-agent.sh"
    script.write_text(script.read_text().replace(KEY, "@INET_AGENT_KEY@"))
    assert alone.run(reply="ack").returncode == 2
    assert alone.sent == []
