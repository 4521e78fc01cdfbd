"""`python -m tests.drill.console.person E-MAIL`: logs somebody in at the product that the environment names, and prints the cookie.

A process of its own, because the product's settings are taken from the environment once a process.
"""

from __future__ import annotations

import base64
import json
import sys
import uuid

import itsdangerous

from app import keys
from app.clock import utc_now
from app.db import dispose, transaction
from app.settings import DEMO_PASSWORD
from pages.browser_store import BrowserStore
from services.accounts import staff


def cookie_of(email: str) -> str:
    name = str(uuid.uuid4())
    with transaction() as session:
        token = staff.log_in(session, email=email, password=DEMO_PASSWORD, now=utc_now())
    BrowserStore(name).write({"staff_session": token})
    signer = itsdangerous.TimestampSigner(keys.derived_secret("console-storage"))
    return signer.sign(base64.b64encode(json.dumps({"id": name}).encode())).decode()


if __name__ == "__main__":
    print(cookie_of(sys.argv[1]))
    dispose()
