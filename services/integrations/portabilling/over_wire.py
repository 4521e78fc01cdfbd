"""PortaBilling's operations on top of a wire (portabilling.md §2 to §5)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from app.outbound import CircuitBreaker, OutboundError, OutcomeUnknown, Refused, observe, retry_reads
from services.integrations.patience import require_time
from services.integrations.portabilling.mapping import (
    Operation,
    PortaAccount,
    PortaPage,
    PortaXdr,
    Vocabulary,
    account_from,
    as_list,
    page_from,
    positive_number,
    to_porta_amount,
    to_porta_moment,
    unwrap,
    xdr_from,
)
from services.integrations.portabilling.wire import SERVICE, LoginKeeper, LoginRefused, PortaLogin, Wire, is_auth_fault

T = TypeVar("T")

PAGE_SIZE = 200
MAX_PAGES = 100


class OverWire:
    """The operations of `PortaBilling` over any wire: session, circuit breaker, observation and meaning of the answers."""

    def __init__(
        self,
        wire: Wire,
        *,
        user: str,
        password: str | None,
        token: str | None,
        names: Vocabulary,
        billing_model: int,
        breaker: CircuitBreaker | None,
        read_attempts: int,
        timeout_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        if not (password or token):
            raise ValueError("PortaBilling needs a password or a token")
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._wire, self._names, self._billing_model = wire, names, billing_model
        self._credentials = {"login": user, "token": token} if token else {"login": user, "password": password}
        self._logins = LoginKeeper(self._log_in, clock)
        self._repeated = retry_reads(attempts=read_attempts, timeout=timeout_seconds * 1.5)

    def get_account(self, account_id: str) -> PortaAccount | None:
        def read(data: Any) -> PortaAccount | None:
            if data is None or (isinstance(data, Mapping) and all(value is None for value in data.values())):
                return None
            account = account_from(data)
            if account.id != account_id:
                raise ValueError("another account")
            return account

        return self._repeated(self._call)(self._names.get_account, {"id": account_id}, read)

    def list_accounts(self, *, i_customer: int, offset: int, limit: int = PAGE_SIZE) -> PortaPage:
        span = {"i_customer": i_customer, "limit": limit, "offset": offset, "get_total": 1}
        return self._repeated(self._call)(self._names.list_accounts, span, page_from)

    def issue_voucher(
        self,
        *,
        account_id: str,
        opening_balance_bututs: int,
        i_customer: int,
        i_product: int,
        currency: str,
        activation: datetime,
        expiration: datetime | None,
        batch: str | None,
    ) -> PortaAccount:
        info = {
            "i_customer": i_customer,
            "id": account_id,
            "billing_model": self._billing_model,
            "i_product": i_product,
            "iso_4217": currency,
            "opening_balance": to_porta_amount(opening_balance_bututs),
            "activation_date": to_porta_moment(activation, self._names),
        }
        if expiration:
            info["expiration_date"] = to_porta_moment(expiration, self._names)
        if batch:
            info["batch_name"] = batch
        i_account = self._call(self._names.add_account, {"account_info": info}, positive_number)
        return PortaAccount(
            i_account=i_account,
            id=account_id,
            balance_bututs=opening_balance_bututs,
            opening_balance_bututs=opening_balance_bututs,
            blocked=False,
            bill_status=None,
            batch=batch,
            i_customer=i_customer,
        )

    def set_blocked(self, i_account: int, blocked: bool) -> None:
        info = {"i_account": i_account, "blocked": "Y" if blocked else "N"}
        self._call(self._names.update_account, {"account_info": info}, _ignored)

    def charge(self, *, i_account: int, amount_bututs: int, comment: str) -> None:
        if amount_bututs <= 0:
            raise ValueError("a charge must be positive")
        order = {
            "i_account": i_account,
            "action": self._names.charge_action,
            "amount": to_porta_amount(amount_bututs),
            "visible_comment": comment,
        }
        self._call(self._names.charge, order, _ignored)

    def list_xdrs(self, *, i_account: int, from_at: datetime, to_at: datetime) -> list[PortaXdr]:
        span = {
            "i_account": i_account,
            "from_date": to_porta_moment(from_at, self._names),
            "to_date": to_porta_moment(to_at, self._names),
            "limit": PAGE_SIZE,
        }
        found: list[PortaXdr] = []
        for page in range(MAX_PAGES):
            rows = self._repeated(self._call)(self._names.list_xdrs, span | {"offset": page * PAGE_SIZE}, _xdrs)
            found += rows
            if len(rows) < PAGE_SIZE:
                return found
        raise OutcomeUnknown(SERVICE, self._names.list_xdrs.method, "more pages than expected")

    def ping(self) -> None:
        self._repeated(self._ping)()

    def warm_up(self) -> bool:
        try:
            self._wire.prepare(self._names.add_account)
            self._logins.current()
        except OutboundError:
            return False
        return True

    def close(self) -> None:
        self._wire.close()

    def _ping(self) -> None:
        login = self._logins.current()
        try:
            alive = self._exchange(self._names.ping, _ping_params(login), _is_somebody, login)
        except Refused as refusal:
            if not is_auth_fault(refusal):
                raise
            alive = False
        if not alive:
            # An expired session is no illness; being let in again is as good an answer as any.
            self._logins.renewed(login)

    def _call(self, operation: Operation, params: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """One call inside the session; an expired one is renewed once. Safe for writes: an auth fault means "not done"."""
        login = self._logins.current()
        try:
            return self._exchange(operation, params, read, login)
        except Refused as refusal:
            if not is_auth_fault(refusal):
                raise
        login = self._logins.renewed(login)
        try:
            return self._exchange(operation, params, read, login)
        except Refused as refusal:
            if not is_auth_fault(refusal):
                raise
            raise LoginRefused(SERVICE, operation.method, refusal.code, refusal.message, refusal.http_status) from None

    def _log_in(self) -> PortaLogin:
        return self._exchange(self._names.login, self._credentials, _login_from, None)

    def _exchange(self, operation: Operation, params: Mapping[str, Any], read: Callable[[Any], T], login: PortaLogin | None) -> T:
        require_time(SERVICE, operation.method)
        with observe(SERVICE, operation.method), self.breaker.guard(operation.method):
            answer = self._wire.call(operation, params, login)
            try:
                return read(unwrap(answer, operation))
            except ValueError:
                raise OutcomeUnknown(SERVICE, operation.method, "unreadable answer") from None


def _ignored(_: Any) -> None:
    return None


def _ping_params(login: PortaLogin) -> dict[str, str | None]:
    return {"session_id": login.session_id} if login.session_id else {"access_token": login.access_token}


def _is_somebody(user_id: Any) -> bool:
    return str(user_id).isdigit() and int(user_id) > 0


def _xdrs(data: Any) -> list[PortaXdr]:
    return [xdr_from(row) for row in as_list(data)]


def _login_from(data: Any) -> PortaLogin:
    """The session of a new release (several fields) or an old one (a bare text, §2). Raises ValueError for anything else."""
    if isinstance(data, Mapping):
        session_id, access_token = data.get("session_id"), data.get("access_token")
        if session_id or access_token:
            return PortaLogin(str(session_id or ""), str(access_token) if access_token else None)
    elif isinstance(data, str) and data:
        return PortaLogin(data)
    raise ValueError("no session in the answer")
