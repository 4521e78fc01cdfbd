"""No log holds a secret: the main flows run against the whole product at its most talkative, then all that it wrote is searched."""

from __future__ import annotations

import hashlib
import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session, select

from app import db, keys
from app.cli_logs import gather
from app.queue import enqueue
from app.redis import forget as forget_redis
from app.settings import DEMO_PASSWORD, get_settings
from app.supervisor import Stack
from services.access.gateways import faskey_of
from services.access.models import Gateway, Grant
from services.accounts.models import Customer
from services.notifications.models import Notification
from services.operations.error_models import ErrorGroup
from services.payments.models import Payment
from services.vouchers import codes
from services.vouchers.models import Voucher
from tests import prepared
from tests.app.sentry_wire import Taken, listening
from tests.browser.world import ENVIRONMENT, World, wait_for, wait_for_hotspots
from tests.conftest import Sandbox, free_port

pytestmark = pytest.mark.stack
PHONE = "+220833000017"


@pytest.fixture(scope="module")
def at_sentry() -> Iterator[Taken]:
    with listening() as taken:
        yield taken


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log-files")


@pytest.fixture(scope="module")
def world(migrated: None, tmp_path_factory: pytest.TempPathFactory, at_sentry: Taken, log_dir: Path) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("INET_", "PYTEST_", "NICEGUI_"))]:
            patch.delenv(name)
        data_dir = tmp_path_factory.mktemp("logs")
        prepared.put_into(data_dir / "postgres")
        stack = Stack(
            data_dir,
            free_port(),
            free_port(),
            durable=False,
            env=ENVIRONMENT | {"INET_LOG_LEVEL": "DEBUG", "INET_SENTRY_DSN": at_sentry.url, "INET_LOG_DIR": str(log_dir)},
        )
    stack.start()
    try:
        assert stack.sandbox_url is not None
        with httpx.Client(base_url=stack.sandbox_url, timeout=10) as http:
            made = World(stack, Sandbox(stack.sandbox_url, http))
            wait_for_hotspots(made)
            yield made
    finally:
        stack.stop()


class Flows:
    """What customers, staff, routers and outside services do; every secret that was seen on the way is kept in `secrets`."""

    def __init__(self, world: World, http: httpx.Client) -> None:
        self.world, self.http = world, http
        self.secrets: dict[str, str] = {"the demo password": DEMO_PASSWORD}
        self.purchase = ""  # the correlation ID of a purchase

    def enter(self) -> tuple[Any, str]:
        phone = self.world.join()
        page = self.http.get(phone.entry)
        found = re.search(r"[?&]c=([\w-]{20,})", page.text)
        assert found is not None
        self.secrets["a context token"] = found[1]
        return phone, found[1]

    def buy_and_pay(self) -> None:
        phone, context = self.enter()
        body = {"package_id": self.http.get("/api/portal/packages").json()["items"][0]["id"], "phone": PHONE, "context": context}
        self.http.post(f"/portal/buy/{body['package_id']}", data={"phone": PHONE, "c": context, "key": "a-form-key-0001"})
        answer = self.http.post("/api/wave/checkout", json=body, headers={"Idempotency-Key": "a-key-of-a-phone"}).raise_for_status()
        bought, self.purchase = answer.json(), answer.headers["X-Correlation-ID"]
        self.secrets["a device token"] = bought["device_token"]
        self.world.sandbox.pay(bought["reference"])
        wait_for(lambda: self.world.is_online(phone), "the phone online")
        self.http.get(f"/portal/pay/{bought['payment_id']}", params={"c": context})
        wait_for(lambda: self.world.texts_to(PHONE[-7:]), "the receipt")
        found = {"phone": PHONE, "reference": bought["reference"], "context": context}
        assert self.http.post("/api/portal/find", json=found).status_code == 200
        self.http.post("/api/portal/find/send-code", json={"phone": PHONE})
        self.http.post("/api/portal/tickets", json={"body": "slow", "phone": PHONE, "context": context})

    def enter_vouchers(self) -> None:
        _, context = self.enter()
        code = next(iter(self.world.issue_vouchers("hour").values()))
        self.http.post("/api/portal/voucher", json={"code": code, "context": context})
        self.http.get(f"/portal/v/{code}", params={"c": context})
        for wrong in (codes.show_code(codes.new_code()), code[:-1] + "2"):
            self.secrets[f"a code that was tried {wrong[-1]}"] = wrong
            self.http.post("/portal/voucher", data={"code": wrong, "c": context})
            self.http.post("/api/portal/find", json={"voucher": wrong})

    def break_something(self) -> None:
        """Jobs that are handed what no job can take: the database, whose words are the error's, repeats it."""
        code = next(iter(self.world.issue_vouchers("hour").values()))
        for wrong in (f"{PHONE} and more", code, code.replace("-", "")):
            enqueue("jobs.payments.advance_payment", wrong)

    def work(self) -> None:
        self.http.post("/api/auth/login", json={"email": "root@inet.demo", "password": "not-the-password-of-root"})
        self.secrets["a wrong password"] = "not-the-password-of-root"
        tokens = self.http.post("/api/auth/login", json={"email": "root@inet.demo", "password": DEMO_PASSWORD}).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert self.http.get("/api/auth/me", headers=bearer).status_code == 200
        self.http.get("/api/v1/vouchers", headers=bearer)
        renewed = self.http.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
        for name, pair in (("first", tokens), ("second", renewed)):
            self.secrets |= {f"the {name} access token": pair["access_token"], f"the {name} refresh token": pair["refresh_token"]}
        self.secrets["a made-up token"] = "inet_made-up-token-that-nobody-has"
        self.http.get("/authmon/status", params={"gateway": "x"}, headers={"Authorization": "Bearer inet_made-up-token-that-nobody-has"})

    def provoke(self) -> None:
        """Refusals and nonsense, which are logged more than what goes well."""
        slug = self.world.routers(3)[0]
        fake = hashlib.sha256(b"nobody").hexdigest()
        self.secrets["a forged rhid"] = fake
        forged = {"auth_get": "view", "gatewayhash": "0" * 64, "payload": b64encode(f"* {fake}".encode()).decode()}
        self.http.get(f"/fas/{slug}", params=forged)
        self.http.get(f"/fas/{slug}", params={"fas": "bm9uc2Vuc2U=", "iv": "0" * 16})
        self.http.post("/api/wave/webhook", json={"id": "x"}, headers={"Authorization": "Bearer sandbox-wave-webhook-secret-but-wrong"})
        self.secrets["a forged webhook's secret"] = "sandbox-wave-webhook-secret-but-wrong"
        self.world.sandbox.fault("wave", error_rate=1.0)
        package = self.http.get("/api/portal/packages").json()["items"][0]["id"]
        self.http.post("/api/wave/checkout", json={"package_id": package, "phone": PHONE})
        self.world.behave()


def _of_the_database(session: Session) -> dict[str, str]:
    """All that the product itself keeps sealed, and every customer's number in each form."""
    found = {}
    for gateway in session.exec(select(Gateway)):
        found[f"the faskey of {gateway.id}"] = faskey = faskey_of(gateway)
        for hid in session.exec(select(Grant.hid).where(Grant.gateway_id == gateway.id)):
            if hid:
                found[f"an rhid of {gateway.id} {hid[:4]}"] = hashlib.sha256((hid + faskey).encode()).hexdigest()
    for voucher in session.exec(select(Voucher)):
        code = codes.unseal_code(voucher.code_sealed)
        found |= {f"code {voucher.id}": code, f"code {voucher.id} as shown": codes.show_code(code)}
    for message in session.exec(select(Notification)):
        found[f"text {message.id}"] = keys.unseal("sms-body", message.body_sealed).decode()
    for payment in session.exec(select(Payment)):
        found[f"payment id {payment.id}"] = payment.public_id
    for customer in session.exec(select(Customer)):
        found[f"phone {customer.id}"] = customer.phone_e164.lstrip("+")
        if customer.legacy_e164:
            found[f"old phone {customer.id}"] = customer.legacy_e164.lstrip("+")
    return found


@pytest.fixture
def at_its_database(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process looks into the running product's database with its keys."""

    def forget() -> None:
        db.dispose()
        forget_redis()
        get_settings.cache_clear()
        keys.forget()

    with monkeypatch.context() as patched:
        for name, value in world.stack.environment.items():
            if name.startswith("INET_"):
                patched.setenv(name, value)
        forget()
        yield
    forget()


@pytest.mark.usefixtures("at_its_database")
def test_no_secret_number_or_code_is_in_any_log_of_the_main_flows(world: World, at_sentry: Taken, log_dir: Path) -> None:
    with httpx.Client(base_url=world.url, timeout=20, follow_redirects=True) as http:
        flows = Flows(world, http)
        flows.buy_and_pay()
        flows.enter_vouchers()
        flows.work()
        flows.break_something()
        flows.provoke()
    wait_for(_errors_kept, "the errors in their table")
    environment = world.stack.environment
    configured = {name: value for name, value in environment.items() if re.search(r"_(KEY|SECRET|PASSWORD|TOKEN)$", name) and value}
    with db.transaction() as session:
        secrets = flows.secrets | configured | _of_the_database(session)
        kept = json.dumps([group.model_dump(mode="json") for group in session.exec(select(ErrorGroup))])
    assert {"INET_SECRET_KEY", "the first access token", "the faskey of 1"} <= set(secrets)
    ours = [
        path for path in Path(world.stack.data_dir / "log").glob("*.log*") if not path.name.startswith(("sandbox", "postgres", "valkey"))
    ]
    ours += list(log_dir.iterdir())
    logged = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in ours}
    assert {path.name.partition("-")[0] for path in log_dir.iterdir()} >= {"console", "worker"}
    assert at_sentry.came.wait(10)
    logged |= {"error_group": kept, "Sentry": b"".join(at_sentry.bodies).decode()}
    assert all("invalid input syntax for type bigint" in logged[name] for name in ("error_group", "Sentry", "worker.log"))
    assert {"web.log", "worker.log", "scheduler.log"} <= set(logged)
    assert environment["INET_LOG_LEVEL"] == "DEBUG"
    assert all("outbound.call" in logged[name] for name in ("web.log", "worker.log"))
    leaks = {f"{what} in {name}" for what, secret in secrets.items() if len(secret) >= 6 for name, text in logged.items() if secret in text}
    assert leaks == set()
    _assert_one_story(flows.purchase, [world.stack.data_dir / "log", log_dir])


def _errors_kept() -> bool:
    with db.transaction() as session:
        return sum(session.exec(select(ErrorGroup.count)).all()) >= 3


def _assert_one_story(purchase: str, places: list[Path]) -> None:
    """Request, jobs, outside calls and the webhook, under the ID that the phone was answered with."""
    records = [line.record for line in gather([purchase], places).lines if line.record is not None]
    calls = {(record["process"], record["service"]) for record in records if record["event"] == "outbound.call"}
    assert {("console", "wave"), ("worker", "wave"), ("worker", "portabilling")} <= calls
    assert any(record.get("continues") == purchase and record["correlation_id"] != purchase for record in records)
