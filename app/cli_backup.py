"""`inet backup` and `inet restore`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.operations.backup.checking import Facts
    from services.operations.backup.restoring import Restored
    from services.operations.backup.target import Target

_GENTLE = 10


def register(cli: typer.Typer) -> None:
    """Hang `inet backup` and `inet restore` below `inet`."""
    cli.command()(backup)
    cli.command()(restore)


def backup(
    to: Annotated[Path | None, typer.Option(help="A folder, or a file that ends in .inetbackup; else INET_BACKUP_DIR.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not restore it into a scratch database to prove it.")] = False,
    scheduled: Annotated[
        bool, typer.Option("--scheduled", hidden=True, help="As the job does: says nothing when another back-up runs already.")
    ] = False,
    asked_by: Annotated[str, typer.Option(hidden=True, help="Who asked for it, if not whoever gives the command.")] = "",
) -> None:
    """Back up the database and the files beside it into one sealed file, and prove it by restoring it elsewhere.

    The product runs on meanwhile. Sealed with INET_BACKUP_KEY, or else with a key of INET_SECRET_KEY; a restore needs INET_SECRET_KEY in
    any case, because the database keeps secrets sealed with it. docs/operations.md, "Back-up and restore".
    """
    import os

    from app.cli_admin import operator, prepare
    from app.clock import utc_now
    from app.db import transaction
    from services.operations.backup import keeping, restoring
    from services.operations.backup.errors import BackupRunning, NotProven
    from services.operations.backup.making import make

    prepare("backup")
    _end_tidily()
    os.nice(_GENTLE)
    restoring.recover()
    try:
        made = make(transaction, clock=utc_now, to=to, asked_by=asked_by or operator().label, verify=not no_verify)
    except BackupRunning:
        if scheduled:  # somebody was faster, which is as good
            return
        raise
    except NotProven:
        keeping.forget_old(transaction, now=utc_now())
        raise
    except OSError as error:
        sys.stderr.write(f"The back-up could not be written: {error.strerror or error}. Nothing is left of it.\n")
        raise typer.Exit(1) from None
    keeping.forget_old(transaction, now=utc_now())
    proven = f"proven by restoring it in {made.verify_seconds:.1f} s" if made.is_verified else "NOT proven (--no-verify)"
    sys.stdout.write(f"{made.path}\n{made.size_bytes:,} bytes in {made.seconds:.1f} s, {proven}.\n")
    files = made.content["files"]
    if files["missing"]:
        sys.stdout.write(f"{files['missing']} files that rows speak of are missing here, such as {', '.join(files['named'][:3])}.\n")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `inet backup` made.")],
    force: Annotated[bool, typer.Option("--force", help="Also where the database is in use or holds something.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --force: do not ask for the database's name.")] = False,
    files_only: Annotated[bool, typer.Option("--files-only", help="Only bring back files that are missing; the database stays.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Prove that the file is whole; touch nothing.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Do not keep the database that was there before.")] = False,
) -> None:
    """Put a back-up in the place of the database and the files beside it: everything or nothing.

    Afterwards staff log in anew, phones are told everything anew, and the reconciliation desk finds what was paid since the back-up.
    """
    if check and (force or files_only):
        raise typer.BadParameter("--check touches nothing, so it goes with neither --force nor --files-only")
    from app.cli_admin import operator, prepare
    from app.clock import utc_now
    from app.settings import get_settings
    from services.operations.backup import restoring
    from services.operations.backup.after_restore import empty_redis
    from services.operations.backup.checking import check as prove
    from services.operations.backup.target import look

    if check:
        get_settings()
        _say(prove(file))
        return
    prepare("restore")
    _end_tidily()
    if files_only:
        done = _or_no_room(lambda: restoring.restore_files(file))
        sys.stdout.write(f"{done.files:,} of {done.facts.files['files']:,} files were missing here and are back.\n")
        return
    if force and not yes:
        _ask(look())
    done = _or_no_room(lambda: restoring.restore(file, actor=operator(), clock=utc_now, force=force, keep_old=not drop_old, say=typer.echo))
    typer.echo(f"Restored; {done.files:,} files came with it. Staff log in anew, and phones are told everything anew.")
    if not empty_redis():
        typer.echo("Redis does not answer: empty its database (FLUSHDB) before INET starts, because its queues speak of other rows.")
    if done.kept_as is not None:
        typer.echo(f"The database that was there before is kept as {done.kept_as}; drop it when all is well (DROP DATABASE).")
    if not done.facts.fits_secret_key:
        typer.echo(
            "Its sealed columns need the INET_SECRET_KEY of its time: set it as INET_SECRET_KEY_PREVIOUS, then run `inet secrets rotate`."
        )
    typer.echo("Now: `inet ledger verify`, `inet audit verify`, `inet doctor`; then restart INET's processes.")


def _say(facts: Facts) -> None:
    from services.operations.backup.checking import facts_in_words

    for line in facts_in_words(facts):
        typer.echo(line)


def _ask(target: Target) -> None:
    typer.echo(target.words)
    if typer.prompt("Everything in it is replaced. Type its name to go on", default="", show_default=False) != target.name:
        sys.stderr.write("Nothing was changed.\n")
        raise typer.Exit(1)


def _or_no_room(work: Callable[[], Restored]) -> Restored:
    try:
        return work()
    except OSError as error:
        sys.stderr.write(f"The restore failed: {error.strerror or error}. The database is as it was.\n")
        raise typer.Exit(1) from None


def _end_tidily() -> None:
    """A worker that stops its back-up, and a service manager, send SIGTERM: then what was begun is put away first, undisturbed."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(143)

    signal.signal(signal.SIGTERM, end)
