"""deploy/nginx by a real nginx: what reaches the processes behind it, what does not, and what outsiders get to see."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app import edge
from tests.conftest import free_port
from tests.deploy.proxied import HSTS, NAME, PROGRAM, WHERE_FROM, Answer, Behind, Proxy

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHERE_FROM)


@dataclass
class Site:
    proxy: Proxy
    web: tuple[Behind, Behind]
    console: tuple[Behind, Behind]

    def asked(self) -> list[str]:
        return [line for one in self.web for line in one.asked]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    web, console = (Behind(), Behind()), (Behind(), Behind())
    proxy = Proxy(tmp_path_factory.mktemp("nginx"), [one.address for one in web], [one.address for one in console])
    with proxy:
        yield Site(proxy, web, console)
    for one in (*web, *console):
        one.stop()


@pytest.fixture
def site(running: Site) -> Site:
    for one in running.web:
        one.asked.clear()
    return running


def test_the_configuration_passes_nginxs_own_test(running: Site) -> None:
    done = running.proxy.test()
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_without_tls_everything_leads_to_tls_and_nothing_is_served(site: Site) -> None:
    found = site.proxy.ask("/fas/router?fas=x", tls=False)
    assert (found.status, found.headers["Location"]) == (301, f"https://{NAME}:{site.proxy.https}/fas/router?fas=x")
    # A POST stays one.
    assert site.proxy.ask("/api/auth/login", "POST", tls=False, body=b"{}").status == 308
    assert site.asked() == []


def test_a_certificate_authority_finds_its_proof_without_tls(site: Site) -> None:
    place = site.proxy.directory / ".well-known/acme-challenge"
    place.mkdir(parents=True, exist_ok=True)
    (place / "token").write_text("proof")
    assert site.proxy.ask("/.well-known/acme-challenge/token", tls=False).body == b"proof"


def test_a_redirect_never_leads_to_the_name_that_was_asked_for(site: Site) -> None:
    assert site.proxy.ask("/", tls=False, host="evil.example").headers["Location"].startswith(f"https://{NAME}:")


def test_under_another_name_nothing_is_served(site: Site) -> None:
    with pytest.raises((ConnectionError, OSError, httpx.HTTPError)):
        site.proxy.ask("/", host="evil.example")
    assert site.asked() == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_tls_is_spoken(site: Site, version: ssl.TLSVersion) -> None:
    trust = site.proxy.trust()
    trust.minimum_version = trust.maximum_version = version
    with httpx.Client(verify=trust, trust_env=False) as client:
        assert client.get(f"https://127.0.0.1:{site.proxy.https}/", headers={"Host": NAME}).status_code == 200


def test_http_2_is_offered(site: Site) -> None:
    import socket

    trust = site.proxy.trust()
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", site.proxy.https), 10) as plain, trust.wrap_socket(plain, server_hostname=NAME) as wrapped:
        assert wrapped.selected_alpn_protocol() == "h2"


def test_what_a_client_says_of_its_address_is_replaced(site: Site) -> None:
    forged = {"X_Forwarded_For": "1.2.3.4", "X_Real_IP": "1.2.3.4", "Forwarded": "for=1.2.3.4", "X_Forwarded_Host": "evil.example"}
    seen = site.proxy.ask("/portal", X_Forwarded_Proto="http", **forged).json()["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert not {"x-real-ip", "forwarded", "x-forwarded-host"} & seen.keys()
    assert "1.2.3.4" not in str(seen)


def test_the_same_holds_for_the_console_and_for_routers(site: Site) -> None:
    for path in ("/console/login", "/fas/router", "/authmon/status"):
        assert site.proxy.ask(path, X_Forwarded_For="1.2.3.4").json()["headers"]["x-forwarded-for"] == "127.0.0.1", path


def test_a_correlation_id_is_handed_on_if_it_is_well_formed_and_made_if_there_is_none(site: Site) -> None:
    assert site.proxy.ask("/", X_Correlation_ID="story-of-one-payment").json()["headers"]["x-correlation-id"] == "story-of-one-payment"
    for sent in ({}, {"X_Correlation_ID": "<script>"}):
        made = site.proxy.ask("/", **sent).json()["headers"]["x-correlation-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_what_is_for_the_inside_is_not_there(site: Site) -> None:
    for path in ("/metrics", "/health", "/metrics/x", "/health/x", "//metrics", "/%6detrics"):
        found = site.proxy.ask(path)
        assert found.status == 404, path
        assert found.headers["Content-Type"] == "application/problem+json"
    assert site.asked() == []
    assert site.proxy.ask("/healthz/live").status == 200


def _named(found: Answer, name: str) -> list[str]:
    return [value for key, value in found.all_headers if key.lower() == name]


def test_security_headers_are_there_once_whoever_answers(site: Site) -> None:
    for path in ("/portal", "/metrics"):
        found = site.proxy.ask(path)
        assert _named(found, "strict-transport-security") == [HSTS], path
        assert len(_named(found, "x-correlation-id")) == 1, path
        assert _named(found, "server") == ["nginx"], path


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/wave/checkout", edge.MAX_BODY_BYTES),
        ("/api/wave/webhook", 64 * 1024),
        ("/fas/router", 64 * 1024),
        ("/api/portal/tickets", edge.MAX_UPLOAD_BYTES),
        ("/portal/help", edge.MAX_UPLOAD_BYTES),
        ("/ticket/AB12CD34", edge.MAX_UPLOAD_BYTES),
        ("/api/mobile/v1/photos/1", edge.MAX_PIECE_BYTES),
    ],
)
def test_bodies_are_bounded_as_the_application_bounds_them(site: Site, path: str, limit: int) -> None:
    assert site.proxy.ask(path, "POST", body=b"x" * limit).status == 200
    try:
        refused = site.proxy.ask(path, "POST", body=b"x" * (limit + 1))
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        return  # it hung up before all of it was sent: refused as well
    assert (refused.status, refused.json()["code"]) == (413, "body_too_large")


def test_a_browser_stays_with_its_console_from_the_first_page_on(site: Site) -> None:
    ports = set()
    for _ in range(12):
        first = site.proxy.ask("/console/login")
        cookie = first.headers["Set-Cookie"]
        assert {"httponly", "secure", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
        way = cookie.partition(";")[0]
        # The session's own cookie comes and changes; the way stays.
        for path in ("/_nicegui_ws/socket.io/?EIO=4", "/console", "/_nicegui/3.18/static/x.js"):
            assert site.proxy.ask(path, Cookie=f"__Host-inet=abc.1.x; {way}").port == first.port
        ports.add(first.port)
    assert ports == {one.port for one in site.console}


def test_customers_get_no_cookie_from_the_proxy(site: Site) -> None:
    assert "Set-Cookie" not in site.proxy.ask("/portal").headers


def test_a_websocket_reaches_the_console_as_one(site: Site) -> None:
    seen = site.proxy.ask("/_nicegui_ws/socket.io/", Upgrade="websocket", Connection="upgrade").json()["headers"]
    assert (seen["upgrade"], seen["connection"]) == ("websocket", "upgrade")


def test_the_log_tells_no_address_whole(site: Site) -> None:
    secret, story = "N0TF0RL0GS", "what-a-log-tells"
    paths = [f"/portal/v/{secret}", f"/fas/{secret}?fas={secret}", f"/ticket/{secret}", f"/api/v1/vouchers/{secret}", f"/{secret}"]
    for path in paths:
        site.proxy.ask(path, X_Correlation_ID=story, Authorization=f"Bearer {secret}", Cookie=secret, Referer=secret, User_Agent=secret)
    lines = site.proxy.logged(story, len(paths))
    assert {line["area"] for line in lines} == {"/portal/v", "/fas", "/ticket", "/api/v1/vouchers", "other"}
    assert {line["upstream_status"] for line in lines} == {"200"}
    assert secret not in site.proxy.log.read_text() + (site.proxy.directory / "errors.log").read_text()


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Site]:
    """A site of its own, for the tests that break it."""
    web, console = (Behind(), Behind()), (Behind(), Behind())
    with ExitStack() as stack:
        for one in (*web, *console):
            stack.callback(one.stop)
        yield Site(stack.enter_context(Proxy(tmp_path, [w.address for w in web], [c.address for c in console])), web, console)


def test_a_page_is_asked_for_elsewhere_when_its_process_goes(troubled: Site) -> None:
    troubled.web[0].hangs_up = True
    assert [troubled.proxy.ask("/portal").status for _ in range(6)] == [200] * 6


def test_a_purchase_that_a_process_has_seen_is_never_sent_twice(troubled: Site) -> None:
    for one in troubled.web:
        one.hangs_up = True
    found = troubled.proxy.ask("/api/wave/checkout", "POST", body=b"{}")
    assert (found.status, found.json()["code"]) == (503, "unavailable")
    assert found.headers["Retry-After"] == "2"
    assert troubled.asked() == ["POST /api/wave/checkout"]


def test_a_routers_poll_is_sent_again_whatever_its_method(troubled: Site) -> None:
    troubled.web[0].hangs_up = True
    assert [troubled.proxy.ask("/fas/router", "POST", body=b"auth_get=view").status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize(("path", "method"), [("/fas/router", "POST"), ("/authmon/status", "GET")])
def test_routers_that_lose_patience_take_no_process_away_from_customers(troubled: Site, path: str, method: str) -> None:
    for one in troubled.web:
        one.silent_below = path
    with ThreadPoolExecutor(8) as pool:
        waited = list(pool.map(lambda _: troubled.proxy.ask(path, method, X_Correlation_ID="routers-wait").status, range(8)))
    assert waited == [503] * 8
    # Routers themselves are spared the processes that were silent.
    assert troubled.proxy.ask(path, method, X_Correlation_ID="routers-are-spared").status == 503
    assert {line["upstream_status"] for line in troubled.proxy.logged("routers-are-spared", 1)} == {"502"}
    assert [troubled.proxy.ask("/portal").status for _ in range(4)] == [200] * 4
    assert [troubled.proxy.ask("/api/wave/checkout", "POST", body=b"{}").status for _ in range(4)] == [200] * 4


def test_a_phone_that_its_router_sends_has_a_customers_time(troubled: Site) -> None:
    for one in troubled.web:
        one.silent_below = "/fas/other"
    with ThreadPoolExecutor(8) as pool:
        waited = list(pool.map(lambda _: troubled.proxy.ask("/fas/other", "POST").status, range(8)))
    assert waited == [503] * 8
    entry = troubled.proxy.ask("/fas/router?fas=c29tZXRoaW5n&iv=0123", X_Correlation_ID="a-phones-entry")
    assert entry.status == 200
    assert "GET /fas/router?fas=c29tZXRoaW5n&iv=0123" in troubled.asked()
    assert troubled.proxy.logged("a-phones-entry", 1)[0]["area"] == "/fas"


def test_a_purchase_that_could_not_be_sent_goes_to_another_process(tmp_path: Path) -> None:
    alive = Behind()
    gone = f"127.0.0.1:{free_port()}"
    with Proxy(tmp_path, [gone, alive.address], [alive.address]) as proxy:
        assert [proxy.ask("/api/wave/checkout", "POST", body=b"{}").status for _ in range(4)] == [200] * 4
    assert alive.asked == ["POST /api/wave/checkout"] * 4
    alive.stop()


def test_with_every_process_gone_a_person_gets_a_page_and_a_program_a_problem(tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    with Proxy(tmp_path, [gone], [gone]) as proxy:
        page = proxy.ask("/portal/pay/1", Accept="text/html,*/*")
        assert (page.status, page.headers["Content-Type"], page.headers["Refresh"]) == (503, "text/html; charset=utf-8", "5")
        assert b"What you paid is kept" in page.body
        assert proxy.ask("/api/portal/packages").json()["code"] == "unavailable"
        assert proxy.ask("/console").status == 503
