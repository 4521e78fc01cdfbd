"""Buying in the running product as a phone does, for benchmarks."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from app.settings import get_settings
from app.supervisor import Stack


def use_settings_of(stack: Stack) -> None:
    """From now on this process works on the running product's own database, as an `inet` command does."""
    os.environ.update({name: value for name, value in stack.environment.items() if name.startswith("INET_")})
    get_settings.cache_clear()


@dataclass(frozen=True)
class Router:
    """A level-4 gateway that the benchmark polls itself, so that it decides when."""

    slug: str
    gateway_name: str
    faskey: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.gateway_name.encode()).hexdigest()

    def entry(self, hid: str) -> str:
        plain = f"hid={hid}, clientip=10.0.0.9, clientmac=02:00:00:00:00:09, gatewayname={self.gateway_name}"
        return f"/fas/{self.slug}?fas={quote(base64.b64encode(plain.encode()).decode())}"

    def view(self, payload: str = "bm9uZQ==") -> str:
        return f"/fas/{self.slug}?auth_get=view&gatewayhash={self.hash}&payload={payload}"


class Shop:
    """The product and the sandbox of one stack, by HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.product = httpx.Client(base_url=stack.url, timeout=20)
        self.sandbox = httpx.Client(base_url=stack.sandbox_url, timeout=20)

    def buy(self, context: str | None = None) -> dict[str, Any]:
        phone = f"+22083{3000000 + secrets.randbelow(90000)}"
        body = {"package_id": "hour-1", "phone": phone} | ({"context": context} if context else {})
        return dict(self.product.post("/api/wave/checkout", json=body).raise_for_status().json())

    def pay(self, reference: str) -> None:
        self.sandbox.post("/_control/wave/pay", json={"client_reference": reference, "outcome": "succeed"}).raise_for_status()

    def wait_for(self, payment_id: str, *statuses: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.product.get("/api/wave/verify", params={"payment_id": payment_id}).json()
            if found["status"] in statuses:
                return
            time.sleep(0.2)
        raise TimeoutError(f"payment is {found['status']}")

    def voucher_of(self, payment_id: str) -> str:
        """The code that the payment bought, in clear."""
        return str(self.product.get("/api/wave/verify", params={"payment_id": payment_id}).json()["voucher"]["code"])

    def close(self) -> None:
        self.product.close()
        self.sandbox.close()
