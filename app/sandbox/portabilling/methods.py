"""Which methods exist, on both wires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.portabilling.accounts import Accounts
from app.sandbox.portabilling.fields import Fields, Params
from app.sandbox.portabilling.logins import Logins
from app.sandbox.portabilling.models import DEMO_CUSTOMER, Fault
from app.sandbox.store import Store

Method = Callable[[Fields], dict[str, Any]]


class Porta:
    """The billing system behind SOAP and JSON."""

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self.accounts = Accounts(store, clock)
        self.logins = Logins(config, store, clock)
        self._methods: dict[str, dict[str, Method]] = {
            "Session": {
                "login": self.logins.login,
                "logout": self.logins.logout,
                "ping": self.logins.ping,
                "refresh_access_token": self.logins.refresh_access_token,
            },
            "Account": {
                "get_account_info": self.accounts.get_account_info,
                "get_account_list": self.accounts.get_account_list,
                "add_account": self.accounts.add_account,
                "update_account": self.accounts.update_account,
                "terminate_account": self.accounts.terminate_account,
                "make_transaction": self.accounts.make_transaction,
                "get_xdr_list": self.accounts.get_xdr_list,
            },
            "Customer": {"get_customer_info": _get_customer_info},
        }

    def service_of(self, method: str) -> str:
        """The service of a method; SOAP requests do not say it. Raises Fault for a method nobody has."""
        for service, methods in self._methods.items():
            if method in methods:
                return service
        raise _unknown(method)

    def call(self, service: str, method: str, params: Params, auth_info: dict[str, Any] | None) -> dict[str, Any]:
        """Run one method. Raises Fault."""
        run = self._methods.get(service, {}).get(method)
        if run is None:
            raise _unknown(f"{service}.{method}")
        if service != "Session":
            self.logins.require(auth_info)
        return run(Fields(f"{service}.{method}", params))


def _unknown(method: str) -> Fault:
    return Fault("Client.unknown_method", f"No method '{method[:64]}'")


def _get_customer_info(fields: Fields) -> dict[str, Any]:
    asked = (fields.text("i_customer"), fields.text("name"), fields.text("login"))
    known = (str(DEMO_CUSTOMER.i_customer), DEMO_CUSTOMER.name, DEMO_CUSTOMER.login)
    found = any(value is not None and value == own for value, own in zip(asked, known, strict=True))
    return {"customer_info": DEMO_CUSTOMER.wire()} if found else {}
