"""`inet sync restart`: have every phone told everything anew."""

from __future__ import annotations

import sys

import typer

sync = typer.Typer(help="What the apps' phones are told of changes.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Hang `inet sync` below `inet`."""
    cli.add_typer(sync, name="sync")


# Without this, typer would make the group's only command the group itself.
@sync.callback()
def _group() -> None:
    """What the apps' phones are told of changes."""


@sync.command("restart")
def restart() -> None:
    """Begin another epoch: each phone is told everything anew at its next sync, and loses nothing that waits on it.

    For after a restore into the same PostgreSQL cluster. A restore into another one, or to a point in time, is noticed without it.
    """
    from app.cli_admin import operator, prepare
    from app.clock import utc_now
    from app.db import transaction
    from services.apps.sync_epoch import restart as begin

    prepare("cli")
    with transaction() as session:
        begin(session, actor=operator(), now=utc_now())
    sys.stdout.write("Every phone is told everything anew at its next sync.\n")
