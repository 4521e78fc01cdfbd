"""The customer's way in (protocols/opennds.md §3): who is believed, who is recognised, and what no browser may ever be told."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import select

from app import db, redis
from app.clock import utc_now
from app.main import plain_app
from services.access.context import read_context
from services.access.models import Grant, GrantState
from services.tickets.models import Ticket
from services.vouchers.service import enter_code
from tests.conftest import free_port
from tests.portal.opennds_router import IV, Router, Station, b64, sha
from tests.portal.served import Served, Web, context_in, snapshot, standing_before, web_process

NAME, SHORT_KEY = "inet-3f9c2a7be1d04c58", "k3yForProbe0123"
LONG_KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
TOKEN = "f270d7c7"
HID = "0ad5680d7381100dae7c1e9427710579a677369e19a4f06a19db5235f7810a8c"
PLAIN = (
    f"hid={HID}, clientip=10.204.0.50, clientmac=02:00:00:bb:00:50, client_type=cpd_can, gatewayname={NAME}, "
    "gatewayurl=http%3a%2f%2fstatus.client, version=9.10.0, gatewayaddress=10.204.0.1:2050, gatewaymac=020000aa0001, "
    "authdir=opennds_auth, originurl=http%3a%2f%2f10.203.9.9%2fx, clientif=br-lan, themespec=(null), (null)(null)(null)(null)"
)
SHORT = [
    (SHORT_KEY, "Tk9PK3ZDS1VyWVgyTm9pcnplMnRWaUhKTDB5d0hnbmkzcXRGS3g4NDZlRT0="),
    (LONG_KEY, "U3U4NzQ1emNJTjcvUEgreFc5NnREQS91M2x3WTJCSjNTZHNLVlF4S2Rxaz0="),
]
LEVEL_4 = (
    "aGlkPTBhZDU2ODBkNzM4MTEwMGRhZTdjMWU5NDI3NzEwNTc5YTY3NzM2OWUxOWE0ZjA2YTE5ZGI1MjM1Zjc4MTBhOGMsIGNsaWVudGlwPTEwLjIwNC4wLjUw"
    "LCBjbGllbnRtYWM9MDI6MDA6MDA6YmI6MDA6NTA="
)


def hid_behind(web: Web, page: httpx.Response) -> str:
    """The client that the page's context stands for, as a problem report with that context records it."""
    from app.clock import utc_now
    from services.access.context import read_context

    context = read_context(context_in(page.text), now=utc_now())
    assert context is not None
    return context.hid


# --- the dossier's vectors


def test_our_router_encrypts_as_the_dossiers_did(web: Web) -> None:
    router = web.router(3, name=NAME)
    fas = router.redirect_for(PLAIN).partition("fas=")[2].partition("&")[0]
    assert len(fas) == 744
    assert sha(fas) == "773ad781397e9a11fea2f03387844a0d648692b60904c141c08f4d61d54c06f1"
    for key, expected in SHORT:
        assert f"fas={expected}&" in router.redirect_for("hid=ab, clientip=10.0.0.2", key=key)


def test_the_dossiers_full_redirect_introduces_its_client(web: Web) -> None:
    router = web.router(3, name=NAME)
    page = web.browser.get(router.redirect_for(PLAIN))
    assert page.status_code == 200
    assert hid_behind(web, page) == HID


@pytest.mark.parametrize(("key", "fas"), SHORT)
def test_the_dossiers_short_ciphertexts_decrypt_but_introduce_nobody(web: Web, key: str, fas: str) -> None:
    router = web.router(3, name=NAME, faskey=key)
    assert web.browser.get(f"/fas/{router.slug}?fas={fas}&iv={IV}").status_code == 403


def test_the_dossiers_level_4_query_introduces_its_client(web: Web) -> None:
    router = web.router(4, name=NAME)
    page = web.browser.get(f"/fas/{router.slug}?fas={LEVEL_4}")
    assert page.status_code == 200
    assert hid_behind(web, page) == HID


def test_unescaped_pluses_of_level_4_arrive_as_spaces_and_are_repaired(web: Web) -> None:
    router = web.router(4)
    plain = router.plain_text(router.join(), originurl="http%3a%2f%2fx%2f>>>???~~~")
    fas = b64(plain)
    assert "+" in fas
    for spelling in (fas, fas.replace("+", "%20"), fas.rstrip("=")):
        assert web.browser.get(f"/fas/{router.slug}?fas={spelling}").status_code == 200


@pytest.mark.parametrize("level", [3, 4])
def test_order_unknown_names_and_null_values_do_not_matter(web: Web, level: int) -> None:
    router = web.router(level)
    station = router.join()
    pieces = router.plain_text(station, originurl="(null)", version="(null)", customparam="a=b").split(", ")
    assert web.browser.get(router.redirect_for(", ".join(reversed(pieces)))).status_code == 200


# --- forged, foreign, replayed


@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize(
    "change",
    [
        {"hid": "0" * 63},
        {"hid": "G" * 64},
        {"hid": HID.upper()},
        {"hid": None},
        {"clientmac": "02:00:00:bb:00"},
        {"clientmac": "02-00-00-bb-00-50"},
        {"clientmac": "02:00:00:bb:00:5g"},
        {"clientmac": None},
        {"clientip": "10.204.0.500"},
        {"clientip": "fe80::1"},
        {"clientip": None},
        {"gatewayname": "inet-another"},
        {"gatewayname": ""},
    ],
    ids=str,
)
def test_a_redirect_that_is_not_strictly_valid_is_refused_and_changes_nothing(web: Web, level: int, change: dict[str, str | None]) -> None:
    router = web.router(level)
    with web.nothing_changes():
        page = web.browser.get(router.redirect(router.join(), **change))
    assert page.status_code == 403
    assert page.headers["content-type"].startswith("text/html")


def test_a_field_given_twice_is_refused(web: Web) -> None:
    router = web.router(4)
    plain = router.plain_text(router.join()) + ", clientmac=02:00:00:bb:00:99"
    assert web.browser.get(router.redirect_for(plain)).status_code == 403


def test_level_4_text_is_not_believed_by_a_level_3_router(web: Web) -> None:
    router = web.router(3)
    plain = router.plain_text(router.join())
    assert web.browser.get(f"/fas/{router.slug}?fas={b64(plain)}").status_code == 403
    assert web.browser.get(f"/fas/{router.slug}?fas={b64(b64(plain))}&iv={IV}").status_code == 403


def test_a_redirect_of_another_router_is_refused_even_under_the_same_key(web: Web) -> None:
    ours, other = web.router(3), web.router(3)
    foreign = other.redirect(other.join()).replace(other.slug, ours.slug)
    assert web.browser.get(foreign).status_code == 403


def test_a_redirect_under_another_key_is_refused(web: Web) -> None:
    router = web.router(3)
    assert web.browser.get(router.redirect_for(router.plain_text(router.join()), key=LONG_KEY)).status_code == 403


def test_every_kind_of_damage_to_a_redirect_is_refused_in_the_same_words(web: Web) -> None:
    router = web.router(3)
    good = router.redirect(router.join())
    inner = base64.b64decode(base64.b64decode(good.partition("fas=")[2].partition("&")[0]))
    damaged = [inner[:-1], inner[:-16], inner + b"\0" * 16, inner[::-1], b"", inner[:16]]
    damaged += [inner[:at] + bytes([inner[at] ^ 1]) + inner[at + 1 :] for at in (0, len(inner) - 20, len(inner) - 1)]
    pages = []
    for ciphertext in damaged:
        fas = b64(base64.b64encode(ciphertext).decode())
        answer = web.browser.get(f"/fas/{router.slug}?fas={fas}&iv={IV}")
        assert answer.status_code == 403
        pages.append(answer.text)
    pages.append(web.browser.get(good.replace(IV, "f" * 16)).text)
    assert len(set(pages)) == 1  # nothing for an oracle of paddings


def test_a_replayed_redirect_of_somebody_else_opens_only_that_ones_entry(web: Web) -> None:
    # Whoever replays the address may spend their own voucher on the other's entry; nothing of the other's comes to them.
    router = web.router(3)
    victim = router.join()
    web.let_in(router, victim)
    web.browser.get(router.redirect(victim))
    assert [words[0] for words in router.view()] == [router.rhid(victim)]
    assert len(web.rows(select(Grant))) == 1


def test_the_same_redirect_twice_queues_one_grant(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    web.let_in(router, station)
    for _ in range(3):
        web.enter(router, station)
    assert len(web.rows(select(Grant))) == 1


# --- who is recognised


def test_at_level_3_the_same_mac_with_a_new_hid_is_let_in_without_paying(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    web.let_in(router, station)
    router.poll()
    router.call("deauthed", router.report(station, "idle_deauth"))
    back = router.join(station.mac)

    web.enter(router, back)

    assert router.poll() == [router.rhid(back)]


def test_at_level_3_the_same_mac_is_let_in_at_another_router(web: Web) -> None:
    first, second = web.router(3), web.router(3)
    web.let_in(first, first.join())
    first.poll()
    there = second.join()
    web.enter(second, there)
    assert second.poll() == [second.rhid(there)]


def test_at_level_4_a_copied_mac_gets_nothing(web: Web) -> None:
    router = web.router(4)
    station = router.join()
    web.let_in(router, station)
    router.poll()
    thief = Station(station.mac, "10.204.0.66")
    router.stations.append(thief)
    before = snapshot(web.database)

    context = web.enter(router, thief)

    assert web.session_of(context)["access"] is None
    assert router.call("view").body == b"*"
    assert snapshot(web.database) == before


def test_a_mac_seen_at_level_4_is_not_believed_at_level_3_either(web: Web) -> None:
    open_router, strict = web.router(4), web.router(3)
    web.let_in(open_router, open_router.join())
    open_router.poll()
    assert web.session_of(web.enter(strict, strict.join()))["access"] is None


def test_at_level_4_the_devices_token_brings_the_time_back(web: Web) -> None:
    router = web.router(4)
    station = router.join()
    token = web.let_in(router, station)["device_token"]
    router.poll()
    router.call("deauthed", router.report(station, "idle_deauth"))
    back = router.join("02:00:00:bb:00:77")  # even behind another address
    context = web.enter(router, back)

    told = web.session_of(context, token)

    assert told["access"]["state"] == "connecting"
    assert router.poll() == [router.rhid(back)]


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 300, "eyJhbGciOiJub25lIn0.e30."])
def test_a_device_token_that_is_not_ours_is_simply_no_device(web: Web, token: str) -> None:
    router = web.router(4)
    web.let_in(router, router.join())
    context = web.enter(router, router.join("02:00:00:bb:00:66"))
    answer = web.browser.get("/api/portal/session", params={"context": context}, headers={"X-Device-Token": token.encode()})
    assert answer.status_code == 200
    assert answer.json()["access"] is None


def test_a_context_token_is_no_device_token(web: Web) -> None:
    router = web.router(4)
    station = router.join()
    web.let_in(router, station)
    context = web.enter(router, station)
    other = web.enter(router, router.join("02:00:00:bb:00:66"))
    assert web.session_of(other, context)["access"] is None


# --- what stays secret, and what costs nothing


@pytest.mark.parametrize("level", [3, 4])
def test_no_page_and_no_answer_of_a_whole_visit_tells_a_browser_rhid_or_faskey(web: Web, level: int) -> None:
    router = web.router(level)
    station = router.join()
    context = web.enter(router, station)
    web.spend(web.voucher(), context)
    for address in ("/", "/portal/session", "/portal/voucher", "/portal/find", "/portal/help"):
        assert web.browser.get(address, params={"c": context}).status_code == 200
    router.poll()
    token = web.api_token("access:read")
    web.browser.get("/authmon/status", params={"gateway": router.slug, "hid": station.hid}, headers=token).raise_for_status()
    for address in (f"/fas/{router.slug}&status=authenticated", f"/fas/{router.slug}?fas=x", f"/fas/{router.slug}", "/api/openapi.json"):
        web.browser.get(address)

    told = "\n".join(web.seen)
    assert len(told) > 5000
    # Every test here searches what browsers saw and the log for both; this one makes sure that there was something to search.
    assert router.rhid(station) not in told
    assert router.faskey not in told


def _visit_that_is_told_a_secret(served: Served, database: sa.Engine, secret: str) -> None:
    with standing_before(served, database) as web:
        router = web.router(3)
        station = router.join()
        web.enter(router, station)
        web.seen.append(router.faskey if secret == "faskey" else router.rhid(station))


@pytest.mark.parametrize("secret", ["faskey", "rhid"])
def test_a_secret_told_to_a_browser_would_be_found(served: Served, database: sa.Engine, secret: str) -> None:
    with pytest.raises(AssertionError, match="reached a browser"):
        _visit_that_is_told_a_secret(served, database, secret)


def test_an_idle_poll_asks_postgresql_nothing(web: Web) -> None:
    statements = _statements_of_polls(web, idle=True)
    assert statements == []


def test_a_poll_with_work_does_ask(web: Web) -> None:
    assert _statements_of_polls(web, idle=False)


def _statements_of_polls(web: Web, *, idle: bool) -> list[str]:
    """Three polls at a server in this process, whose statements can be counted."""
    import asyncio

    from app.db import transaction
    from services.access import busy

    router = web.router(3)
    if not idle:
        web.let_in(router, router.join())
    with transaction() as session:
        busy.rebuild(session)
    statements: list[str] = []

    def count(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    async def polls() -> None:
        redis.forget()
        form = {"auth_get": "view", "gatewayhash": _hash(router), "payload": "bm9uZQ=="}
        empty_ack = form | {"payload": "Kg=="}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=plain_app(("portal",))), base_url="http://test") as http:
            await http.post(f"/fas/{router.slug}", data=form)  # learns whose address this is
            sa.event.listen(db.engine(), "before_cursor_execute", count)
            try:
                for _ in range(3):
                    answer = await http.post(f"/fas/{router.slug}", data=form)
                    assert (answer.text == "*") is idle
                    assert (await http.post(f"/fas/{router.slug}", data=empty_ack)).text == "ack"
            finally:
                sa.event.remove(db.engine(), "before_cursor_execute", count)
        await redis.async_client().aclose()
        redis.forget()

    asyncio.run(polls())
    return statements


def _hash(router: Router) -> str:
    from tests.portal.opennds_router import gateway_hash

    return gateway_hash(router.name)


@pytest.fixture(scope="module")
def without_redis(servers: None, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with web_process(tmp_path_factory.mktemp("without-redis"), INET_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as process:
        yield process


@pytest.mark.parametrize("level", [3, 4])
def test_with_redis_away_polls_are_answered_from_postgresql(without_redis, database: sa.Engine, level: int) -> None:  # type: ignore[no-untyped-def]
    with standing_before(without_redis, database) as web:
        router = web.router(level)
        station = router.join()
        assert router.call("view").body == b"*"
        code, token = web.voucher(), web.enter(router, station)
        # Codes are not taken while wrong ones cannot be counted; what was granted before goes on.
        refused = web.browser.post("/api/portal/voucher", json={"code": code, "context": token})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        with db.transaction() as session:
            enter_code(session, code=code, context=read_context(token, now=utc_now()), device=None, now=utc_now())
        assert router.poll() == [router.rhid(station)]
        router.call("deauthed", router.report(station))
        # At level 3 what is left of the time follows on by MAC.
        assert web.row(select(Grant).where(Grant.actor != "follow-on")).state is GrantState.ENDED
        assert router.restart().body == b"ack"


def test_a_flushed_redis_hides_no_grant(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    web.let_in(router, station)
    redis.client().flushall()
    assert router.poll() == [router.rhid(station)]


def test_a_problem_report_knows_the_hotspot_it_came_from(web: Web) -> None:
    router = web.router(3)
    context = web.enter(router, router.join())
    web.browser.post("/api/portal/tickets", json={"body": "It does not connect", "context": context}).raise_for_status()
    assert web.row(select(Ticket)).gateway_id is not None


def test_the_tests_router_shares_no_code_with_the_product() -> None:
    source = (Path(__file__).parent / "opennds_router.py").read_text()
    assert not [line for line in source.splitlines() if line.startswith(("from app", "from services", "from portal", "import app"))]
