"""What we ask of PortaBilling, whatever carries it (portabilling.md §5)."""

from datetime import datetime
from typing import Protocol

from services.integrations.portabilling.mapping import PortaAccount, PortaPage, PortaXdr


class PortaBilling(Protocol):
    """Every method raises OutcomeUnknown, Unavailable or Refused (`app.outbound`). Reads are repeated, writes never are."""

    def get_account(self, account_id: str) -> PortaAccount | None:
        """The account with this id, or None. After a lost `issue_voucher` answer this tells whether it was issued."""
        ...

    def list_accounts(self, *, i_customer: int, offset: int, limit: int = 200) -> PortaPage:
        """A page of a customer's accounts, in PortaBilling's order. The last page is shorter than `limit`."""
        ...

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
        """Create a debit account whose opening balance is the charge. Raises DuplicateAccount when the id is taken."""
        ...

    def set_blocked(self, i_account: int, blocked: bool) -> None:
        """Block an account against use, or free it again. Safe to repeat by hand."""
        ...

    def charge(self, *, i_account: int, amount_bututs: int, comment: str) -> None:
        """Take money from an account. Not repeatable: after OutcomeUnknown look for the comment in `list_xdrs`."""
        ...

    def list_xdrs(self, *, i_account: int, from_at: datetime, to_at: datetime) -> list[PortaXdr]:
        """An account's transactions between two instants."""
        ...

    def ping(self) -> None:
        """Raise unless PortaBilling answers and accepts our user."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...

    def warm_up(self) -> bool:
        """Do what the first call would have to do first. False when PortaBilling is not there; that does no harm.

        Called in a worker before it forks, it spares every job the compiling of the WSDL and the log-in.
        """
        ...
