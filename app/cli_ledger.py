"""`inet ledger verify`: whether the books are whole."""

from __future__ import annotations

import sys

import typer

ledger = typer.Typer(help="The ledger of the money desk.", no_args_is_help=True)
_MOST_SHOWN = 50


def register(cli: typer.Typer) -> None:
    """Hang `inet ledger` below `inet`."""
    cli.add_typer(ledger, name="ledger")


# Without this, typer would make the group's only command the group itself.
@ledger.callback()
def _group() -> None:
    """The ledger of the money desk."""


@ledger.command("verify")
def verify() -> None:
    """Work the whole ledger out again from what happened, and name every difference; exit status 1 if there is one.

    Says also what stands open without a reason. Changes nothing: what is missing is put right on the reconciliation desk.
    """
    import sqlalchemy as sa

    from app.cli_admin import prepare
    from app.clock import utc_now
    from app.db import transaction
    from services.payments.clearing.items import unexplained
    from services.payments.clearing.queries import verify_books

    prepare("cli")
    with transaction() as session:
        session.execute(sa.text("SET LOCAL statement_timeout = 0"))
        books = verify_books(session)
        loose = unexplained(session, now=utc_now())
    said = [missing.words for missing in books.missing] + [item.words for item in books.broken]
    if books.sum_bututs:
        said.append(f"All accounts together come to {books.sum_bututs} bututs instead of nothing.")
    said += [f"{item.subject} on {item.account.value.replace('_', ' ')}: {item.explanation.words}" for item in loose.items]
    for line in said[:_MOST_SHOWN]:
        sys.stdout.write(f"{line}\n")
    if len(said) > _MOST_SHOWN:
        sys.stdout.write(f"... and {len(said) - _MOST_SHOWN:,} more.\n")
    if said:
        raise typer.Exit(1)
    sys.stdout.write(f"The books are whole: {books.transfers:,} transfers, and a reason for everything that stands open.\n")
