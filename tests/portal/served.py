"""The product's web process as it runs in production, browsers and routers in front of it, and what they must never see.

Whatever a browser was answered, and whatever the process logged, is searched for the routers' secrets when the test ends.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from pathlib import Path
from re import search
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa

from app.clock import utc_now
from app.db import transaction
from services.access.gateways import add_gateway
from services.accounts.tokens import create_api_token
from services.vouchers.models import VoucherState
from services.vouchers.service import issue_voucher
from tests.answering import wait_until_it_answers
from tests.conftest import Sandbox, free_port
from tests.factories import FASKEY, PHONE, make_package, staff
from tests.portal.opennds_router import Router, Station, sha

T = TypeVar("T")
_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Served:
    """One running web process."""

    url: str
    log: Path


@contextmanager
def web_process(directory: Path, **environment: str) -> Iterator[Served]:
    """`inet serve` with the portal and the API, its log in a file."""
    port, log = free_port(), directory / "web.log"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    # NiceGUI would take this process for one of its own tests.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    values = inherited | {"INET_ROLES": "portal,api", "INET_LOG_FORMAT": "json", "INET_LOG_LEVEL": "INFO"} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=values, cwd=_ROOT, stdout=output, stderr=output)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/healthz/live", process, log=log)
        yield Served(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def served(servers: None, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    outside = {"INET_WAVE_BASE_URL": sandbox_process.url, "INET_PORTABILLING_URL": sandbox_process.url}
    with web_process(tmp_path_factory.mktemp("web"), **outside) as process:
        yield process


@dataclass
class Web:
    """The running product for one test: who stands in front of it, and all that browsers were told."""

    served: Served
    database: sa.Engine
    browser: httpx.Client
    routers: list[Router] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def router(self, level: int, *, faskey: str = FASKEY, name: str = "", slug: str = "", version: str = "10.3.1") -> Router:
        """Register a router and put it in front of the server."""
        # A new address each: the server remembers for seconds whose address it is.
        slug, name = slug or f"r-{secrets.token_hex(6)}", name or f"inet-{secrets.token_hex(8)}"
        with transaction() as session:
            add_gateway(session, slug=slug, gateway_name=name, faskey=faskey, level=level, site_name="Westfield", now=utc_now())
        made = Router(self.served.url, slug, name, faskey, level, version)
        self.routers.append(made)
        return made

    def enter(self, router: Router, station: Station, **headers: str) -> str:
        """The phone follows the redirect; answers the context token that the page carries."""
        page = self.browser.get(router.redirect(station), headers=headers)
        assert page.status_code == 200, f"{page.text}\n{self.served.log.read_text()[-2000:]}"
        return context_in(page.text)

    def voucher(self, **terms: Any) -> str:
        """A voucher that can be used, in clear."""
        with transaction() as session:
            package = make_package(session, now=utc_now(), **terms)
            row, code = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=None, note=None, now=utc_now())
            row.state, row.porta_issued_at, row.porta_next_attempt_at = VoucherState.ACTIVE, utc_now(), None
            session.add(row)
        return code

    def spend(self, code: str, context: str | None = None, device_token: str | None = None) -> dict[str, Any]:
        headers = {"X-Device-Token": device_token} if device_token else {}
        answer = self.browser.post("/api/portal/voucher", json={"code": code, "context": context}, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def let_in(self, router: Router, station: Station, **terms: Any) -> dict[str, Any]:
        """A phone enters and spends a new voucher: a grant waits for the router."""
        return self.spend(self.voucher(**terms), self.enter(router, station))

    def session_of(self, context: str, device_token: str | None = None) -> dict[str, Any]:
        headers = {"X-Device-Token": device_token} if device_token else {}
        answer = self.browser.get("/api/portal/session", params={"context": context}, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def api_token(self, *scopes: str) -> dict[str, str]:
        """The header of an outside service with these scopes."""
        with transaction() as session:
            clear = create_api_token(session, name=f"test-{secrets.token_hex(3)}", scopes=scopes, now=utc_now())
        header = {"Authorization": f"Bearer {clear}"}
        # The first use in a minute is noted in the token's row: let it be before anything is compared.
        self.browser.get("/api/auth/me", headers=header).raise_for_status()
        return header

    def rows(self, query: Any) -> list[Any]:
        with transaction() as session:
            return list(session.exec(query).all())

    def row(self, query: Any) -> Any:
        (found,) = self.rows(query)
        return found

    def change(self, query: Any, **values: Any) -> None:
        """Set the columns of the one row that the query finds."""
        with transaction() as session:
            row = session.exec(query).one()
            for name, value in values.items():
                setattr(row, name, value)

    def sweep(self, sweep: Callable[..., T], *, seconds: float) -> T:
        """What a sweep does this many seconds from now."""
        with transaction() as session:
            return sweep(session, now=utc_now() + timedelta(seconds=seconds))

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        before = snapshot(self.database)
        yield
        after = snapshot(self.database)
        assert after == before, {name for name in after if after[name] != before[name]}


def context_in(page: str) -> str:
    """The context token in a page's links or forms."""
    found = search(r'[?&]c=([\w-]{20,})|name="c" value="([\w-]{20,})"', unescape(page))
    assert found is not None, page
    return found[1] or found[2]


_BY_THE_CLOCK = {"periodic_job", "running_process"}
_ALARMS_OF_THE_PRODUCT = ("job_missed", "job_failing", "queue_old", "process_absent", "part_down", "errors_many", "backup_old", "disk_low")
_ONLY = {"network_alarm": f"WHERE kind NOT IN {_ALARMS_OF_THE_PRODUCT}"}


def snapshot(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    """Each table's number of rows and a digest of all they hold; but for what the served processes say of themselves by the clock."""
    from app.tables import metadata

    one = "SELECT '{0}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{0}\" t {1}"
    query = " UNION ALL ".join(
        one.format(table.name, _ONLY.get(table.name, "")) for table in metadata.sorted_tables if table.name not in _BY_THE_CLOCK
    )
    with engine.connect() as connection:
        return {name: (number, digest) for name, number, digest in connection.execute(sa.text(query))}


def wire_problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal, with all that the contract promises (RFC 9457)."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert set(body) >= {"type", "title", "status", "detail", "instance", "correlation_id"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    if code is not None:
        assert body["code"] == code
    return body


@pytest.fixture
def web(served: Served, database: sa.Engine) -> Iterator[Web]:
    with standing_before(served, database) as made:
        yield made


@contextmanager
def standing_before(served: Served, database: sa.Engine) -> Iterator[Web]:
    """A browser and, on demand, routers; at the end all that was said is searched for what must stay secret."""
    seen: list[str] = []

    def note(response: httpx.Response) -> None:
        response.read()
        seen.append(f"{response.headers.raw!r}\n{response.content.decode('latin-1')}")

    start = served.log.stat().st_size
    with httpx.Client(base_url=served.url, timeout=15, event_hooks={"response": [note]}) as browser:
        made = Web(served, database, browser, seen=seen)
        yield made
    with served.log.open("rb") as log:
        log.seek(start)
        logged = log.read().decode("latin-1")
    _assert_no_secret(made, logged)


def _assert_no_secret(web: Web, logged: str) -> None:
    told = "\n".join(web.seen)
    granted = _granted_hids(web.database)
    for router in web.routers:
        rhids = {sha(hid + router.faskey) for hid in granted | router.introduced}
        for secret in {router.faskey, *rhids}:
            assert secret not in told, "a router's secret reached a browser"
            assert secret not in logged, "a router's secret reached the log"
    assert PHONE.lstrip("+") not in logged, "a phone number reached the log"


def _granted_hids(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.text("SELECT DISTINCT hid FROM access_grant WHERE hid IS NOT NULL")))
