"""protocols/opennds.md §11 and the cases of §4 to §6: a router of our own tests against the running server, at level 3 and 4."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlmodel import col, select

from app.clock import utc_now
from services.access import followups, sweeps
from services.access.models import AccessSession, Entitlement, EntitlementState, Gateway, Grant, GrantState, SessionState
from tests.portal.opennds_router import Router, Station, b64, gateway_hash, sha
from tests.portal.served import Web

TOKEN = "f270d7c7"
HID = "0ad5680d7381100dae7c1e9427710579a677369e19a4f06a19db5235f7810a8c"
SHORT_KEY, SHORT_RHID = "k3yForProbe0123", "b8e7f0d320fa9b121840ce51cf4a45a6e71d96d162e949d0e80d34f57d9a31b0"
LONG_KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
LONG_RHID = "30ca0948cddc20bad7dfee706b10078af881a7a8ae9b649c57ee7d784282c492"
NAME, HASH = "inet-3f9c2a7be1d04c58", "2aacdcbd548b5a3d5f8a5de565d1f7c2ab2377531293c7d09d5b16f2e318733c"
DEAUTHED = (
    "bWV0aG9kPXRpbWVvdXRfZGVhdXRoLCBjbGllbnRtYWM9MDI6MDA6MDA6YmI6MDA6NTAsIGJ5dGVzX2luY29taW5nPTYwNDIsIGJ5dGVzX291dGdvaW5nPTAsIHNlc3Np"
    "b25fc3RhcnQ9MTc5NTM2MDc3Niwgc2Vzc2lvbl9lbmQ9MTc5NTM2MDgzOCwgdG9rZW49ZjI3MGQ3YzcsIGN1c3RvbT1jMmxrUFRoak1XWSUzZA=="
)
WINDOW = 121


@pytest.fixture(params=[3, 4], ids=["level-3", "level-4"])
def level(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def router(web: Web, level: int) -> Router:
    return web.router(level, version="9.10.0" if level == 3 else "10.3.1")


@pytest.fixture
def station(router: Router) -> Station:
    return router.join()


@pytest.fixture
def dossier_router(web: Web, level: int) -> Router:
    """The router of the dossier's test vectors."""
    return web.router(level, faskey=SHORT_KEY, name=NAME)


def the_grant(web: Web) -> Grant:
    """The client's own; what follows by its MAC where it has time left (level 3) is not meant."""
    grant = web.row(select(Grant).where(Grant.actor != followups.ACTOR))
    assert isinstance(grant, Grant)
    return grant


def state_of(web: Web) -> GrantState:
    return the_grant(web).state


def online(web: Web, router: Router, station: Station, **terms: object) -> None:
    """The phone spends a voucher and the router lets it in."""
    web.let_in(router, station, **terms)
    assert router.poll() == [router.rhid(station)]


# --- §2: the test's own router is right about the hashes


def test_the_routers_hashes_are_the_dossiers() -> None:
    assert sha(TOKEN) == HID
    assert sha(HID + SHORT_KEY) == SHORT_RHID
    assert sha(HID + LONG_KEY) == LONG_RHID
    assert gateway_hash("INETprobe01 Node:020000aa0001 ") == "87ca3735b87dddeef8e7add0f5dd2dc62efe0c2899884ce16d7e6cf158b29ac4"
    assert gateway_hash(NAME) == HASH


# --- §11, the sixteen points


def test_point_1_a_clear_is_answered_with_success(router: Router) -> None:
    answer = router.call("clear")
    assert answer.status == 200


def test_point_2_an_idle_view_is_answered_with_exactly_a_star_at_once(router: Router) -> None:
    started = time.monotonic()
    answer = router.call("view")
    assert (answer.status, answer.body) == (200, b"*")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "content-encoding" not in answer.headers
    assert time.monotonic() - started < 3.5


def test_point_3_an_empty_acknowledgement_is_answered_with_success(router: Router) -> None:
    answer = router.call("view", "*")
    assert (answer.status, answer.body) == (200, b"ack")


def test_point_4_a_grant_appears_byte_for_byte_as_in_the_dossier(web: Web, dossier_router: Router) -> None:
    web.browser.post(
        "/authmon/allow",
        headers=web.api_token("access:grant"),
        json={
            "gateway": dossier_router.slug,
            "hid": HID,
            "minutes": 60,
            "upload_kbps": 512,
            "download_kbps": 2048,
            "download_kb": 102400,
        },
    ).raise_for_status()
    custom = base64.b64encode(f"g={the_grant(web).id:x}".encode()).decode().replace("=", "%3D")

    body = dossier_router.call("view").text

    assert body == f"* {SHORT_RHID}%2060%20512%202048%200%20102400%20{custom}"


def test_point_4_the_whole_of_a_long_faskey_counts(web: Web, level: int) -> None:
    router = web.router(level, faskey=LONG_KEY)
    web.let_in(router, router.join(token=TOKEN))
    assert [words[0] for words in router.view()] == [LONG_RHID]


def test_point_5_an_acknowledged_grant_disappears(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    assert router.poll() == [router.rhid(station)]
    assert router.call("view").body == b"*"
    assert state_of(web) is GrantState.ACKED


def test_point_6_a_grant_whose_answer_was_lost_is_offered_again(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    lost = router.view()
    assert router.view() == lost
    assert the_grant(web).offer_count == 2


def test_point_7_a_lost_acknowledgement_is_offered_again_and_given_up_after_the_window(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    router.open(router.view())  # and the acknowledgement is lost
    assert router.open(router.view()) == []  # offered again; the router refuses who is online already, and says nothing
    assert router.acknowledge([]).text == "ack"

    assert web.sweep(sweeps.give_up_offers, seconds=60) == 0
    assert web.sweep(sweeps.give_up_offers, seconds=WINDOW) == 1

    assert router.call("view").body == b"*"
    assert state_of(web) is GrantState.UNCONFIRMED
    assert web.row(select(AccessSession)).state is SessionState.UNCONFIRMED


def test_point_8_twelve_grants_at_once_are_all_delivered_four_at_a_time(web: Web, router: Router) -> None:
    code = web.voucher(device_limit=12)
    stations = [router.join(f"02:00:00:bb:01:{number:02x}") for number in range(12)]
    for station in stations:
        web.spend(code, web.enter(router, station))

    sizes, let_in = [], set()
    while opened := router.poll():
        sizes.append(len(opened))
        let_in |= set(opened)

    assert sizes == [4, 4, 4]
    assert let_in == {router.rhid(station) for station in stations}


def test_point_8_grants_that_are_never_acknowledged_do_not_keep_the_others_waiting(web: Web, router: Router) -> None:
    code = web.voucher(device_limit=6)
    stations = [router.join(f"02:00:00:bb:01:{number:02x}") for number in range(6)]
    for station in stations:
        web.spend(code, web.enter(router, station))

    offered = {words[0] for _ in range(2) for words in router.view()}

    assert offered == {router.rhid(station) for station in stations}


def test_point_9_an_end_report_is_acknowledged_and_so_is_its_repetition(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    text = router.report(station)
    assert [router.call("deauthed", text).body for _ in range(2)] == [b"ack", b"ack"]
    assert state_of(web) is GrantState.ENDED


def test_point_10_a_custom_call_is_answered_with_a_body_beginning_with_ack(router: Router) -> None:
    answer = router.call("custom", "clients=3, load=0.2")
    assert answer.status == 200
    assert answer.text.startswith("ack")


def test_point_11_an_unknown_gateway_hash_learns_of_no_entries(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    other = web.router(router.level)
    with web.nothing_changes():
        for wrong in ("0" * 64, gateway_hash(other.name)):
            assert router.call("view", gatewayhash=wrong).body == b"*"
            assert router.call("list", gatewayhash=wrong).body == b"*"
            for verb, text in (
                ("view", f"* {router.rhid(station)}"),
                ("clear", "none"),
                ("deauthed", router.report(station)),
                ("custom", "x"),
            ):
                assert router.call(verb, text, gatewayhash=wrong).body == b"ack"


def test_point_12_either_form_of_a_call_is_understood_whatever_the_level(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    for form in (3, 4):
        assert Router.read(router.call("view", level=form).text)[0][0] == router.rhid(station)
    for form in (3, 4):
        assert router.call("view", f"* {router.rhid(station)}", level=form).body == b"ack"
    assert state_of(web) is GrantState.ACKED


def test_point_13_the_redirect_of_a_captive_phone_is_answered_with_a_page(web: Web, router: Router, station: Station) -> None:
    page = web.browser.get(router.redirect(station))
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("tail", ["&status=authenticated", "?clientip=10.204.0.50&status=authenticated", "?status=authenticated"])
def test_point_14_a_phone_that_is_online_already_is_told_so(web: Web, router: Router, tail: str) -> None:
    page = web.browser.get(f"/fas/{router.slug}{tail}")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "online" in page.text.lower()


@pytest.mark.parametrize(
    "query",
    [
        "?fas=&iv=",
        "?fas=zzzz&iv=0123456789abcdef",
        "?fas=%00%ff&iv=%00",
        "?fas=Tk9PK3ZDS1VyWVgyTm9pcnplMnRWaUhKTDB5d0hnbmkzcXRGS3g4NDZlRT0=",
        "?fas=aGlk&iv=0123456789abcdef",
        "?iv=0123456789abcdef",
        "",
        "?fas=" + "A" * 20_000 + "&iv=0123456789abcdef",
        "?" + "&".join(f"a{number}=1" for number in range(200)),
    ],
)
def test_point_15_a_garbage_redirect_is_refused_with_a_page_and_never_an_error_of_ours(web: Web, router: Router, query: str) -> None:
    with web.nothing_changes():
        page = web.browser.get(f"/fas/{router.slug}{query}")
    assert page.status_code == 403
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-correlation-id"]


def test_point_16_a_returning_phone_with_a_new_hid_and_time_left_gets_a_new_grant_without_paying(
    web: Web, router: Router, station: Station
) -> None:
    first = web.let_in(router, station)
    router.poll()
    router.call("deauthed", router.report(station, "idle_deauth"))
    back = station.comes_back()
    router.stations = [back]

    context = web.enter(router, back)
    if router.level == 4:
        # Nothing at level 4 vouches for a MAC: there it is the device's own token that brings the time back.
        assert router.call("view").body == b"*"
        web.session_of(context, first["device_token"])

    assert router.poll() == [router.rhid(back)]
    grants = web.rows(select(Grant).order_by(col(Grant.id)))
    assert [grant.state for grant in grants] == [GrantState.ENDED, GrantState.ACKED]
    assert len({grant.entitlement_id for grant in grants}) == 1


# --- §4.1: how calls may be spelt


@pytest.mark.parametrize(
    "agent", ["openNDS(authmon;NDS:;)", '"openNDS(authmon;NDS:10.2.0;)"', "openNDS(libopennds;NDS:9.10.0;)", "", "curl/8"]
)
def test_the_user_agent_decides_nothing(web: Web, router: Router, station: Station, agent: str) -> None:
    web.let_in(router, station)
    assert Router.read(router.call("view", agent=agent).text)[0][0] == router.rhid(station)


def test_the_last_poll_and_the_version_are_kept_of_a_quoted_agent_and_an_empty_version_forgets_nothing(web: Web, router: Router) -> None:
    from services.access import busy

    router.call("view", agent='"openNDS(authmon;NDS:10.3.1;)"')
    with_version = web.sweep(lambda session, now: busy.keep_seen(session), seconds=0)
    router.call("view", agent="openNDS(authmon;NDS:;)")
    web.change(select(Gateway), last_poll_at=None)
    web.sweep(lambda session, now: busy.keep_seen(session), seconds=0)

    gateway = web.row(select(Gateway))
    assert with_version == 1
    assert gateway.version == "10.3.1"
    assert gateway.last_poll_at is not None


def test_a_plus_that_arrives_as_a_space_and_padding_that_is_gone_are_repaired(web: Web, station: Station, router: Router) -> None:
    online(web, router, station)
    text = router.report(station, down=1000, timestamp=">>>???")
    encoded = b64(text)
    assert "+" in encoded or "/" in encoded
    answer = router.call("deauthed", payload=encoded.rstrip("="), level=4)  # `+` unescaped in a query: the server reads a space
    assert answer.body == b"ack"
    assert web.row(select(AccessSession)).bytes_down == 1000


def test_a_report_that_was_encoded_twice_is_understood(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    router.call("deauthed", payload=b64(b64(router.report(station, down=77))))
    assert web.row(select(AccessSession)).bytes_down == 77


def test_a_report_with_quoted_values_and_a_time_stamp_is_understood(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    text = router.report(station, down=78, timestamp="1795360838").replace(station.token, f'"{station.token}"').replace("=78", '="78"')
    router.call("deauthed", text)
    assert web.row(select(AccessSession)).bytes_down == 78


@pytest.mark.parametrize("verb", ["view", "list", "deauthed", "custom", "nonsense", ""])
def test_a_call_that_makes_no_sense_is_answered_and_changes_nothing(web: Web, router: Router, verb: str) -> None:
    with web.nothing_changes():
        for payload in ("", "%%%", b64("garbage"), b64("\x00"), "bm9uZQ", b64("* " + "x" * 9000), b64("method=x"), "A" * 40_000):
            answer = router.call(verb, payload=payload)
            assert answer.status == 200
            assert answer.body in (b"*", b"ack")


def test_an_unknown_address_reveals_nothing(web: Web, router: Router) -> None:
    with web.nothing_changes():
        for slug in ("r-unknown", "x" * 300, "%00", "%2e%2e", "%ff%fe", "%F0%9F%98%80"):
            assert router.call("view", slug=slug).body == b"*"
            assert router.call("clear", slug=slug).body == b"ack"
            assert router.call("deauthed", router.report(Station("02:00:00:00:00:01")), slug=slug).body == b"ack"


# --- §4.3: minutes


@pytest.mark.parametrize(("seconds_left", "minutes"), [(3600 - 30, 60), (3540 - 30, 59), (90, 2), (30, 1), (3, 1)])
def test_minutes_are_rounded_up_and_never_0(web: Web, router: Router, station: Station, seconds_left: int, minutes: int) -> None:
    web.let_in(router, station)
    now = utc_now()
    ends_at = now + timedelta(seconds=seconds_left)
    web.change(select(Entitlement), started_at=now, ends_at=ends_at, state=EntitlementState.RUNNING)
    assert [words[1] for words in router.view()] == [str(minutes)]


def test_no_time_left_offers_nothing_rather_than_0_minutes(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    now = utc_now()
    web.change(select(Entitlement), started_at=now - timedelta(hours=1), ends_at=now - timedelta(seconds=1), state=EntitlementState.RUNNING)
    assert router.call("view").body == b"*"
    assert state_of(web) is GrantState.VOID


def test_rates_and_the_data_left_of_the_package_reach_the_router(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station, duration_seconds=7200, down_kbps=2048, up_kbps=512, quota_bytes=200 * 1_048_576)
    (words,) = router.view()
    assert words[1:6] == ["120", "512", "2048", "0", str(200 * 1024)]


def test_the_largest_package_fits_what_a_router_can_read(web: Web, router: Router, station: Station) -> None:
    web.let_in(
        router,
        station,
        duration_seconds=366 * 86400,
        down_kbps=10_000_000,
        up_kbps=10_000_000,
        quota_bytes=1 << 50,
        validity_days=3660,
    )
    (words,) = router.view()
    assert words[1] == str(366 * 1440)
    assert 0 < int(words[5]) <= 2**31 - 1


# --- §4.4: acknowledgements


def test_two_clients_acknowledged_together_are_both_online(web: Web, router: Router) -> None:
    code = web.voucher(device_limit=2)
    for number in (1, 2):
        web.spend(code, web.enter(router, router.join(f"02:00:00:bb:00:0{number}")))
    assert len(router.poll()) == 2
    assert {grant.state for grant in web.rows(select(Grant))} == {GrantState.ACKED}


def test_an_acknowledgement_that_comes_late_confirms_what_was_given_up(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    router.view()
    web.sweep(sweeps.give_up_offers, seconds=WINDOW)
    assert web.row(select(Entitlement)).started_at is None  # the customer's clock does not run on a guess

    router.acknowledge([router.rhid(station)])

    assert state_of(web) is GrantState.ACKED
    assert web.row(select(AccessSession)).state is SessionState.ACTIVE
    assert web.row(select(Entitlement)).state is EntitlementState.RUNNING


def test_a_repeated_acknowledgement_changes_nothing(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    with web.nothing_changes():
        router.acknowledge([router.rhid(station)])


def test_an_acknowledgement_of_somebody_never_offered_changes_nothing(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    with web.nothing_changes():
        router.acknowledge([router.rhid(station), "0" * 64, station.mac, "10.204.0.50", "'; DROP TABLE x", "é"])


def test_unreadable_words_do_not_cost_the_others_their_acknowledgement(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    router.view()
    router.acknowledge(["nonsense", router.rhid(station), "\t"])
    assert state_of(web) is GrantState.ACKED


def test_the_same_acknowledgement_twice_at_once_opens_one_session(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    names = router.open(router.view())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: router.acknowledge(names).body, range(4)))
    assert answers == [b"ack"] * 4
    assert len(web.rows(select(AccessSession))) == 1


def test_a_grant_by_mac_is_offered_and_acknowledged_by_its_mac(web: Web, router: Router, station: Station) -> None:
    web.browser.post(
        "/authmon/allow",
        headers=web.api_token("access:grant"),
        json={"gateway": router.slug, "mac": station.mac.upper(), "minutes": 5},
    ).raise_for_status()
    assert router.poll() == [station.mac]
    assert state_of(web) is GrantState.ACKED


# --- §4.5: end reports


def test_the_dossiers_end_report_ends_the_session_of_its_token(web: Web, dossier_router: Router) -> None:
    station = dossier_router.join(token=TOKEN)
    online(web, dossier_router, station)

    answer = dossier_router.call("deauthed", payload=DEAUTHED, gatewayhash=HASH)

    assert answer.body == b"ack"
    ended = web.row(select(AccessSession))
    assert (ended.state, ended.end_reason, ended.bytes_down, ended.bytes_up) == (SessionState.ENDED, "timeout_deauth", 6042, 0)


def test_the_same_end_report_twice_counts_its_bytes_once(web: Web, router: Router, station: Station) -> None:
    online(web, router, station, quota_bytes=10 * 1_048_576)
    text = router.report(station, "client_deauth", down=3_000_000, up=1_000_000)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: router.call("deauthed", text).body, range(3))) == [b"ack"] * 3
    assert web.row(select(Entitlement)).bytes_used == 4_000_000


@pytest.mark.parametrize("token", ["00000000", "F270D7C7", "", "x" * 8, "f270d7c70"])
def test_an_end_report_with_a_wrong_token_changes_nothing(web: Web, router: Router, station: Station, token: str) -> None:
    online(web, router, station)
    text = router.report(station).replace(f"token={station.token}", f"token={token}")
    with web.nothing_changes():
        assert router.call("deauthed", text).body == b"ack"


def test_an_end_report_of_another_router_changes_nothing(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    other = web.router(router.level)
    with web.nothing_changes():
        assert other.call("deauthed", router.report(station)).body == b"ack"


def test_an_end_report_for_what_was_never_confirmed_proves_the_session(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    router.open(router.view())  # the acknowledgement is lost
    web.sweep(sweeps.give_up_offers, seconds=WINDOW)
    web.change(select(Grant), first_offered_at=utc_now() - timedelta(minutes=10))
    web.change(select(Entitlement), created_at=utc_now() - timedelta(minutes=11))

    router.call("deauthed", router.report(station, down=500))

    ended, entitlement = web.row(select(AccessSession)), web.row(select(Entitlement))
    assert (ended.state, ended.bytes_down) == (SessionState.ENDED, 500)
    assert entitlement.state is EntitlementState.RUNNING
    assert entitlement.started_at is not None
    assert 55 < (utc_now() - entitlement.started_at).total_seconds() < 75  # 62 s on the router's clock


@pytest.mark.parametrize("session_start", ["120", "1"])
def test_a_router_whose_clock_jumped_costs_nobody_their_time(web: Web, router: Router, station: Station, session_start: str) -> None:
    web.let_in(router, station)
    router.open(router.view())  # the acknowledgement is lost; the router believed in 1970 when it let the phone in
    router.call("deauthed", router.report(station, "idle_deauth", session_start=session_start, session_end="9" * 17))

    entitlement = web.row(select(Entitlement))
    assert entitlement.started_at >= entitlement.created_at
    assert entitlement.state is EntitlementState.RUNNING


@pytest.mark.parametrize("method", ["downquota_deauth", "download_quota_deauth"])
def test_a_used_up_data_allowance_ends_the_entitlement(web: Web, router: Router, station: Station, method: str) -> None:
    online(web, router, station, quota_bytes=2 * 1_048_576)
    router.call("deauthed", router.report(station, method, down=2 * 1_048_576))
    assert web.row(select(Entitlement)).state is EntitlementState.ENDED

    web.enter(router, router.join(station.mac))
    assert router.call("view").body == b"*"


def test_data_left_over_is_what_the_next_grant_carries(web: Web, router: Router, station: Station) -> None:
    first = web.let_in(router, station, quota_bytes=10 * 1_048_576)
    router.poll()
    router.call("deauthed", router.report(station, "idle_deauth", down=4 * 1_048_576))
    back = router.join(station.mac)
    web.session_of(web.enter(router, back), first["device_token"])
    assert [words[5] for words in router.view()] == [str(6 * 1024)]


def test_bytes_are_counted_on_the_purchase_that_they_were_used_under(web: Web, router: Router, station: Station) -> None:
    from services.access.models import DeviceSlot

    online(web, router, station, quota_bytes=10 * 1_048_576)
    first = web.row(select(Entitlement))
    # While online the customer enters a second voucher on the same page.
    web.spend(web.voucher(quota_bytes=10 * 1_048_576), web.enter(router, station))
    router.call("deauthed", router.report(station, "idle_deauth", down=1_048_576))

    used = {entitlement.id: entitlement.bytes_used for entitlement in web.rows(select(Entitlement))}
    assert used.pop(first.id) == 1_048_576
    assert set(used.values()) == {0}
    assert len(web.rows(select(DeviceSlot))) == 2


def test_a_report_that_never_comes_ends_the_session_by_its_time_with_bytes_unknown(web: Web, router: Router, station: Station) -> None:
    online(web, router, station, duration_seconds=600)
    assert web.sweep(sweeps.end_overdue, seconds=600 + 30) == 0
    assert web.sweep(sweeps.end_overdue, seconds=600 + 62) == 1
    assert web.sweep(sweeps.expire_entitlements, seconds=601) == 1

    ended = web.row(select(AccessSession))
    assert (ended.state, ended.end_reason, ended.bytes_down) == (SessionState.ENDED, "time_over", None)
    assert web.row(select(Entitlement)).state is EntitlementState.ENDED


# --- §5, §6: restarts, forgeries, returning clients


def test_a_restart_voids_what_waits_and_interrupts_what_runs_but_the_paid_time_stands(web: Web, router: Router) -> None:
    code = web.voucher(device_limit=2)
    running, waiting = router.join("02:00:00:bb:00:01"), router.join("02:00:00:bb:00:02")
    tokens = [web.spend(code, web.enter(router, running))["device_token"]]
    router.poll()
    tokens.append(web.spend(code, web.enter(router, waiting))["device_token"])

    assert router.restart().status == 200

    by_entry = select(Grant).where(Grant.actor != followups.ACTOR).order_by(col(Grant.id))
    assert [grant.state for grant in web.rows(by_entry)] == [GrantState.ENDED, GrantState.VOID]
    assert web.row(select(AccessSession)).end_reason == "router_restart"
    assert web.row(select(Entitlement)).state is EntitlementState.RUNNING
    for station, token in zip((running, waiting), tokens, strict=True):
        web.session_of(web.enter(router, station), token)
    assert len(router.poll()) == 2


@pytest.mark.parametrize("verb", ["clear", "list"])
def test_a_forged_call_destroys_nothing_that_is_not_rebuilt(web: Web, router: Router, station: Station, verb: str) -> None:
    first = web.let_in(router, station)
    router.call(verb)  # anyone on that Wi-Fi can compute the gateway hash
    assert web.row(select(Entitlement)).state is EntitlementState.READY

    web.session_of(web.enter(router, station), first["device_token"])
    assert router.poll() == [router.rhid(station)]


def test_a_session_that_a_forged_clear_interrupted_still_takes_its_end_report(web: Web, router: Router, station: Station) -> None:
    online(web, router, station, quota_bytes=10 * 1_048_576)
    router.call("clear")
    router.call("deauthed", router.report(station, down=1_048_576))
    assert web.row(select(Entitlement)).bytes_used == 1_048_576


def test_a_client_admitted_between_a_forged_clear_and_its_acknowledgement_is_proved_by_its_end_report(
    web: Web, router: Router, station: Station
) -> None:
    web.let_in(router, station)
    names = router.open(router.view())
    router.call("clear")
    router.acknowledge(names)
    router.call("deauthed", router.report(station, down=9))
    assert web.row(select(Entitlement)).started_at is not None
    assert web.row(select(AccessSession)).bytes_down == 9


@pytest.mark.parametrize("known_as", ["offered", "unconfirmed", "acked"])
def test_a_phone_that_is_still_captive_with_the_same_hid_is_offered_again(
    web: Web, router: Router, station: Station, known_as: str
) -> None:
    web.let_in(router, station)
    router.view()  # and nothing comes of it
    if known_as == "unconfirmed":
        web.sweep(sweeps.give_up_offers, seconds=WINDOW)
    if known_as == "acked":
        router.acknowledge([router.rhid(station)])
    assert state_of(web) is GrantState(known_as)

    web.enter(router, station)

    assert state_of(web) is GrantState.QUEUED
    assert router.poll() == [router.rhid(station)]
    assert len(web.rows(select(Grant))) == 1
    assert len(web.rows(select(AccessSession))) == 1


def test_a_page_reloaded_while_online_leaves_the_session_as_it_was(web: Web, router: Router, station: Station) -> None:
    online(web, router, station)
    web.enter(router, station)
    assert router.poll() == []  # the router cannot let in who is in
    web.sweep(sweeps.give_up_offers, seconds=WINDOW)
    assert state_of(web) is GrantState.ACKED
    assert web.row(select(AccessSession)).state is SessionState.ACTIVE


def test_a_grant_that_no_router_ever_fetched_becomes_void_and_the_time_waits(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    web.sweep(sweeps.give_up_offers, seconds=36 * 60)
    assert state_of(web) is GrantState.VOID
    assert web.row(select(Entitlement)).state is EntitlementState.READY


def test_two_polls_at_once_hand_out_the_same_grant_and_nothing_breaks(web: Web, router: Router, station: Station) -> None:
    web.let_in(router, station)
    with ThreadPoolExecutor(4) as pool:
        bodies = set(pool.map(lambda _: router.call("view").body, range(4)))
    assert len(bodies) == 1
    assert router.poll() == [router.rhid(station)]
