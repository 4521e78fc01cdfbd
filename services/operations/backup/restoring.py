"""Restoring a back-up: everything or nothing.

The dump goes into a new database beside the live one and is compared, brought to this release's tables and made fit for its new life
there; the files go into a folder beside the live ones. Only then the two databases change names, in one transaction: whoever dies before
it has changed nothing, and whoever dies after it is finished by the next `inet restore`, `inet backup` or scheduled run (`finish`), from
the journal that was written before.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
import sqlalchemy as sa
import structlog

from app import durable, failpoints, migrate
from app.direct import direct_url, with_database
from app.settings import get_settings
from services.accounts.permissions import Principal
from services.operations.backup import databases, files
from services.operations.backup.after_restore import empty_redis, make_fit
from services.operations.backup.checking import Facts, compare, load, walk
from services.operations.backup.errors import BackupFailed, BackupRunning, RestoreRefused
from services.operations.backup.files import Receiver
from services.operations.backup.making import LOCK
from services.operations.backup.programs import Programs, programs_for
from services.operations.backup.target import Target, look, refuse_a_newer_one, refuse_another_owner

log = structlog.get_logger(__name__)
_JOURNAL = "restore.json"
_STAGED = ".restore-"
_SWAP_TRIES = 5
_TERMINATE_EVERY_SECONDS = 0.1
Clock = Callable[[], datetime]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What came of it. `kept_as` is the name under which the database that was there before is kept."""

    facts: Facts
    files: int
    kept_as: str | None


@dataclass(frozen=True)
class _Journal:
    """What is left to do after the swap."""

    live: str
    new_oid: int
    staged: str
    mark: str


def restore(path: Path, *, actor: Principal, clock: Clock, force: bool, keep_old: bool = True, say: Say = lambda _: None) -> Restored:
    """Put the back-up in the place of the live database and its files beside it. `force`: also where something stands.

    Raises RestoreRefused when nothing was begun, BackupFailed when it could not be done: then the live database is as it was.
    """
    url, data_dir, now = direct_url(), get_settings().data_dir.resolve(), clock()
    live = databases.live_name(url)
    with alone(url) as connection:
        finish(connection)
        target = look(url)
        if not force and (not target.is_empty or target.connections):
            raise RestoreRefused(f"{target.words} Nothing was changed; `--force` puts the back-up in its place.")
        refuse_another_owner(connection, target)
        refuse_a_newer_one(path)
        programs = _programs(connection)
        databases.drop_leftovers(connection, live, "restoring")
        _drop_staged(data_dir)
        new = databases.beside(live, "restoring", now)
        _create(connection, target, live, new)
        staged = data_dir / f"{_STAGED}{now:%Y%m%d%H%M%S}"
        try:
            facts = _prepare(path, with_database(url, new), programs, staged, actor=actor, clock=clock, say=say)
            added = files.put_in_place(staged, data_dir)
            failpoints.boundary("restore.ready")
            kept_as: str | None = _swap(connection, target, new, staged, data_dir, now)
            failpoints.boundary("restore.swapped")
        except BaseException:
            _take_back(connection, new, staged)
            raise
        _finish_or_say(connection)
        if kept_as is not None and (target.is_empty or not keep_old):
            databases.drop(connection, kept_as)
            kept_as = None
    log.warning("backup.restored", file=path.name, kept_as=kept_as)
    return Restored(facts, added, kept_as)


def _take_back(connection: sa.Connection, new: str, staged: Path) -> None:
    """After whatever went wrong. Whether the two changed names is asked of the server: the wish to stop may have come just after it."""
    # Where the server is gone too, the next command does this.
    with suppress(sa.exc.DBAPIError):
        connection.exec_driver_sql("ROLLBACK")
        if finish(connection):
            empty_redis()
            log.warning("backup.restored", why="the wish to stop came too late")
        databases.drop(connection, new)
        shutil.rmtree(staged, ignore_errors=True)


def _finish_or_say(connection: sa.Connection) -> None:
    try:
        finish(connection)
    except OSError as error:
        raise BackupFailed(
            f"The database is restored, but not all files that belong to it could be put in place ({error.strerror}):"
            " mend that, then run `inet backup`, which ends it."
        ) from None


def restore_files(path: Path) -> Restored:
    """Only the files that rows may speak of and that are not here; nothing is replaced. Raises BackupFailed."""
    data_dir = get_settings().data_dir.resolve()
    staged = data_dir / f"{_STAGED}files"
    # Not while another restore goes on, nor a back-up that puts away what it takes for the leftovers of one.
    with alone(direct_url()):
        try:
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(mode=0o700, parents=True)
            receiver = Receiver(staged)
            try:
                facts = walk(path, dump=lambda _: None, dumped=lambda: None, receiver=receiver)
            finally:
                receiver.close()
            return Restored(facts, files.put_in_place(staged, data_dir), None)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def recover() -> bool:
    """After a restore that died: end it if it had got as far as its swap, else put away what it left. Answers whether it was ended.

    Nothing is done while a restore is under way, or where the server lets us into no other database: then none can have been begun.
    """
    url = direct_url()
    try:
        with alone(url) as connection:
            is_finished = finish(connection)
            if is_finished:
                empty_redis()
            databases.drop_leftovers(connection, databases.live_name(url), "restoring")
            _drop_staged(get_settings().data_dir.resolve())
            return is_finished
    except BackupFailed:
        return False


def finish(connection: sa.Connection) -> bool:
    """End what a restore that died after its swap has left to do. Answers whether there was anything. `connection` is to the server."""
    data_dir = get_settings().data_dir.resolve()
    try:
        journal = _Journal(**orjson.loads((data_dir / _JOURNAL).read_bytes()))
    except FileNotFoundError:
        return False
    oid = connection.execute(sa.text("SELECT oid FROM pg_database WHERE datname = :name"), {"name": journal.live}).scalar_one_or_none()
    staged = Path(journal.staged)
    if oid == journal.new_oid and staged.exists():
        files.put_in_place_last(staged, data_dir, mark=journal.mark)
    shutil.rmtree(staged, ignore_errors=True)
    (data_dir / _JOURNAL).unlink(missing_ok=True)
    return oid == journal.new_oid


@contextmanager
def alone(url: str) -> Iterator[sa.Connection]:
    """A connection to the server, and no other restore meanwhile. Raises BackupRunning."""
    with databases.maintenance(url) as connection:
        lock = sa.text("SELECT pg_try_advisory_lock(:lock, hashtext(:name))")
        if not connection.execute(lock, {"lock": LOCK % 2**31, "name": databases.live_name(url)}).scalar_one():
            raise BackupRunning
        yield connection


def _programs(connection: sa.Connection) -> Programs:
    major = int(connection.execute(sa.text("SELECT current_setting('server_version_num')::int / 10000")).scalar_one())
    found = programs_for(major)
    if found.major != major:
        raise RestoreRefused(
            f"This PostgreSQL is version {major}, and only pg_restore {found.major} is here, which it may not understand:"
            f" install the package postgresql-client-{major}. Nothing was changed."
        )
    return found


def _create(connection: sa.Connection, target: Target, live: str, new: str) -> None:
    if not target.exists:
        connection.exec_driver_sql(f"CREATE DATABASE {databases.quoted(live)}")
    try:
        databases.create_like(connection, live, new)
    except sa.exc.ProgrammingError as error:
        if databases.may_not_create(error):
            raise RestoreRefused(
                "This user may not create databases, so nothing was changed: as the server's administrator, run"
                " ALTER ROLE ... CREATEDB for it (and take it back afterwards)."
            ) from None
        raise


def _prepare(path: Path, url: str, programs: Programs, staged: Path, *, actor: Principal, clock: Clock, say: Say) -> Facts:
    """Have the whole new state ready in `url` and `staged`, proven."""
    staged.mkdir(mode=0o700, parents=True)
    receiver = Receiver(staged)
    try:
        facts = load(path, url, programs, receiver)
    finally:
        receiver.close()
    say(f"Read {path.name}: the snapshot of {facts.snapshot_at}, release {facts.release}.")
    standing = migrate.standing(url=url)
    compare(url, facts.content, with_books=not standing.missing)
    say("What was restored is what was backed up.")
    if standing.missing:
        migrate.upgrade(url=url)
        say(f"Brought to this release's tables: {len(standing.missing)} migrations.")
    make_fit(url, facts, actor=actor, now=clock())
    return facts


def _swap(connection: sa.Connection, target: Target, new: str, staged: Path, data_dir: Path, now: datetime) -> str:
    """The two databases change names, both or none. Answers what the old one is called now."""
    kept_as = databases.beside(target.name, "before", now)
    oid = connection.execute(sa.text("SELECT oid FROM pg_database WHERE datname = :name"), {"name": new}).scalar_one()
    journal = _Journal(target.name, int(oid), str(staged), f"{now:%Y%m%d%H%M%S}")
    durable.write(data_dir / _JOURNAL, orjson.dumps(asdict(journal)))
    for number in range(1, _SWAP_TRIES + 1):
        try:
            with _nobody_in(direct_url(), (target.name, new)):
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql(f"ALTER DATABASE {databases.quoted(target.name)} RENAME TO {databases.quoted(kept_as)}")
                connection.exec_driver_sql(f"ALTER DATABASE {databases.quoted(new)} RENAME TO {databases.quoted(target.name)}")
                connection.exec_driver_sql("COMMIT")
            return kept_as
        except sa.exc.OperationalError as error:
            connection.exec_driver_sql("ROLLBACK")
            if number == _SWAP_TRIES:
                why = f"{target.words} It could not be freed of them: stop INET and try again. Nothing was changed."
                raise BackupFailed(why) from error
    raise AssertionError("unreachable")


@contextmanager
def _nobody_in(url: str, names: tuple[str, ...]) -> Iterator[None]:
    """Send away whoever is connected, again and again: a rename shuts the door first and then waits 5 s for those inside to leave."""
    stop = threading.Event()

    def send_away() -> None:
        with databases.maintenance(url) as other:
            while True:
                out = sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(:names) AND pid <> pg_backend_pid()"
                )
                other.execute(out, {"names": list(names)})
                if stop.wait(_TERMINATE_EVERY_SECONDS):
                    return

    helper = threading.Thread(target=send_away, name="send-away", daemon=True)
    helper.start()
    try:
        yield
    finally:
        stop.set()
        helper.join()


def _drop_staged(data_dir: Path) -> None:
    for folder in data_dir.glob(f"{_STAGED}*"):
        shutil.rmtree(folder, ignore_errors=True)
