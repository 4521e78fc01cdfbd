"""Administration: `inet migrate`, `doctor`, `staff`, `demo`, `api-token`, `gateway`, `audit` and `secrets`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from services.accounts.permissions import Principal

RouterSystem = Literal["openwrt", "debian"]
RoleName = Literal["root", "system_admin", "customer_care", "field_technician", "billing_officer"]

staff = typer.Typer(help="Staff accounts.", no_args_is_help=True)
demo = typer.Typer(help="Demo data.", no_args_is_help=True)
api_token = typer.Typer(help="Tokens for outside services.", no_args_is_help=True)
gateway = typer.Typer(help="openNDS routers.", no_args_is_help=True)
secrets = typer.Typer(help="Keys for what is sealed at rest.", no_args_is_help=True)
audit = typer.Typer(help="The audit of what staff and outside services did.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Hang the administration commands below `inet`."""
    cli.command()(migrate)
    cli.command()(doctor)
    groups = {"staff": staff, "demo": demo, "api-token": api_token, "gateway": gateway, "audit": audit, "secrets": secrets}
    for name, group in groups.items():
        cli.add_typer(group, name=name)


def prepare(process: str) -> None:
    """Settings checked and logs set up; beside a running `inet up`, its servers and keys are taken over."""
    from app import logs
    from app.settings import SettingsError, get_settings
    from app.supervisor.environment import adopt_running, configured

    data_dir = get_settings().data_dir
    adopted = adopt_running(data_dir)
    get_settings.cache_clear()
    if not adopted and "INET_DATABASE_URL" not in configured({}):
        raise SettingsError(f"No INET runs on {data_dir} and INET_DATABASE_URL is not set: start `inet up` in another terminal, or set it.")
    os.environ.setdefault("INET_LOG_LEVEL", "WARNING")
    settings = get_settings()
    settings.check()
    logs.configure(settings, process=process)


def operator() -> Principal:
    """Who sits at the command line, for the audit: the system's account, by its number, because the environment can say anything."""
    import pwd

    from services.accounts.permissions import Permission, Principal

    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run under a number that has no name
        name = f"uid {number}"
    return Principal(kind="cli", id=number, name=name, permissions=frozenset(Permission))


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what differs and exit with 1 if anything does.")] = False,
) -> None:
    """Bring the database to this release's tables, also while the product runs (docs/operations.md, "Upgrade")."""
    from app import migrate as migration
    from app.clock import utc_now
    from app.db import transaction
    from services.tickets.sla.defaults import add_default_policies

    prepare("migrate")
    if check:
        _check_tables()
        return
    migration.upgrade()
    with transaction() as session:
        # A help desk without any deadline would promise nothing: the usual ones stand until somebody changes them.
        add_default_policies(session, now=utc_now())
    typer.echo("The database is up to date.")


def _check_tables() -> None:
    """Which migrations are missing, and what the models and the tables differ in; exit status 1 for either."""
    from app import migrate as migration
    from app.release import release

    found = migration.standing()
    if found.is_newer:
        raise migration.NewerDatabase(found.revision or "", found.newest)
    for title in found.missing:
        typer.echo(f"missing: migration {title}")
    if found.missing:
        typer.echo(f"Release {release()} needs migration {found.newest}, the database has {found.revision or 'none'}: run `inet migrate`.")
        raise typer.Exit(1)
    differences = migration.check()
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise typer.Exit(1)
    typer.echo(f"The database and the models are in step (migration {found.newest}, release {release()}).")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON list, for programs.")] = False,
) -> None:
    """Check settings, database, queues, processes, disks and each outside service; say what is wrong and what to do."""
    import json

    from app.doctor import examine
    from app.settings import SettingsError, get_settings
    from app.supervisor.environment import adopt_running

    with contextlib.suppress(SettingsError):  # the examination says it
        adopt_running(get_settings().data_dir)
        get_settings.cache_clear()
    findings = []
    for finding in examine():
        findings.append(finding)
        if as_json:
            continue
        typer.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.subject:<14} {finding.said}")
        if finding.advice:
            typer.echo(f"     {'':<14} -> {finding.advice}")
    if as_json:
        typer.echo(json.dumps([finding.as_json() for finding in findings], indent=1))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@staff.command("add")
def staff_add(
    email: Annotated[str, typer.Option(help="The log-in name.")],
    role: Annotated[RoleName, typer.Option(help="What the person may do.")],
) -> None:
    """Make a staff account. Asks for a password; without a terminal, or when none is typed, makes one and prints it."""
    from app.clock import utc_now
    from app.db import transaction
    from services.accounts.models import Role
    from services.accounts.staff import add_staff

    prepare("cli")
    typed = ""
    if sys.stdin.isatty():
        typed = typer.prompt("Password (empty: make one)", default="", show_default=False, hide_input=True, confirmation_prompt=True)
    with transaction() as session:
        made, password = add_staff(session, email=email, role=Role(role), password=typed or None, now=utc_now(), actor=operator())
        typer.echo(f"{made.email} may log in now as {role}.")
    if not typed:
        typer.echo(f"Password (shown only now): {password}")


@demo.command("load")
def demo_load(
    sandbox_url: Annotated[str | None, typer.Option(help="Also register the routers of the sandbox at this address.")] = None,
) -> None:
    """Load the demo packages, customers and staff; what is there already stays as it is."""
    from app.demo import load

    prepare("demo")
    typer.echo(load(sandbox_url))


@api_token.command("create")
def api_token_create(
    name: Annotated[str, typer.Option(help="Who will use it; shown in the audit trail.")],
    scope: Annotated[list[str], typer.Option(help="access:grant or access:read; give it once for each.")],
) -> None:
    """Make an API token and print it, the only time it is shown."""
    from app.clock import utc_now
    from app.db import transaction
    from services.accounts.tokens import create_api_token

    prepare("cli")
    with transaction() as session:
        token = create_api_token(session, name=name, scopes=scope, now=utc_now(), actor=operator())
    typer.echo(token)


@api_token.command("list")
def api_token_list() -> None:
    """The API tokens with their numbers, newest first; never a token itself."""
    from app.clock import isoformat, utc_now
    from app.db import transaction
    from services.accounts.tokens import is_live, list_tokens

    prepare("cli")
    with transaction() as session:
        for token in list_tokens(session, actor=operator()):
            used = isoformat(token.last_used_at) if token.last_used_at else "never used"
            state = "good" if is_live(token, now=utc_now()) else "ended"
            typer.echo(f"{token.id:>6}  {state:<6} {token.name}  ({', '.join(token.scopes)}; {used})")


@api_token.command("revoke")
def api_token_revoke(
    number: Annotated[int, typer.Argument(help="The token's number, from `inet api-token list`.")],
    reason: Annotated[str, typer.Option(help="Why, in a few words; kept in the audit.")],
) -> None:
    """Make an API token worth nothing, from the next request on."""
    from app.clock import utc_now
    from app.db import transaction
    from services.accounts.tokens import revoke_token

    prepare("cli")
    with transaction() as session:
        revoke_token(session, actor=operator(), token_id=number, reason=reason, now=utc_now())
    typer.echo(f"Token {number} is revoked.")


@gateway.command("add")
def gateway_add(
    slug: Annotated[str, typer.Option(help="The router's part of its address /fas/SLUG; make it hard to guess.")],
    name: Annotated[str, typer.Option(help="The router's gatewayname, as it reports itself.")],
    faskey: Annotated[str, typer.Option(help="The pre-shared key, 12 to 64 letters and digits.")],
    level: Annotated[int, typer.Option(min=3, max=4, help="fas_secure_enabled on the router.")],
    site: Annotated[str | None, typer.Option(help="The place it stands at; made if it is new.")] = None,
    system: Annotated[RouterSystem, typer.Option("--format", help="For which system to print: OpenWrt 10.x or Debian 9.10.")] = "openwrt",
    poll: Annotated[int, typer.Option(min=1, max=59, help="Seconds between its questions; 9.10 knows 10 only.")] = 10,
) -> None:
    """Register an openNDS router and print the configuration to paste into it."""
    from app.clock import utc_now
    from app.db import transaction
    from app.settings import get_settings
    from services.access.desk import register_gateway
    from services.access.router_config import portal_address, router_snippet

    prepare("cli")
    portal = portal_address(get_settings().public_url)
    with transaction() as session:
        made = register_gateway(
            session,
            actor=operator(),
            slug=slug,
            gateway_name=name,
            faskey=faskey,
            level=level,
            name="",
            site_name=site,
            poll_seconds=poll,
            now=utc_now(),
        )
        typer.echo(router_snippet(made, portal=portal, system=system))


@gateway.command("rotate-key")
def gateway_rotate_key(
    slug: Annotated[str, typer.Argument(help="The router's part of its address /fas/SLUG.")],
    cancel: Annotated[bool, typer.Option("--cancel", help="Forget the second key instead of making one.")] = False,
    system: Annotated[RouterSystem, typer.Option("--format", help="For which system to print: OpenWrt 10.x or Debian 9.10.")] = "openwrt",
) -> None:
    """Make a new key beside the router's own and print the configuration with it; both open until the router uses the new one."""
    from app.clock import utc_now
    from app.db import transaction
    from app.settings import get_settings
    from services.access.gateway_keys import cancel_rotation, rotate_key
    from services.access.router_config import portal_address, router_snippet

    prepare("cli")
    portal = portal_address(get_settings().public_url)
    with transaction() as session:
        if cancel:
            cancel_rotation(session, actor=operator(), slug=slug, now=utc_now())
            typer.echo("The second key opens nothing any more.")
        else:
            changed = rotate_key(session, actor=operator(), slug=slug, now=utc_now())
            typer.echo(router_snippet(changed, portal=portal, system=system))


@audit.command("verify")
def audit_verify() -> None:
    """Walk the audit's hash chain and compare it with the heads recorded outside; name the first edit, gap or cut."""
    from app.db import transaction
    from app.settings import get_settings
    from services.audit.verify import HEADS_FILE, verify

    prepare("cli")
    with transaction() as session:
        verdict = verify(session, recorded_heads=get_settings().data_dir / HEADS_FILE)
    if verdict.broken is not None:
        typer.echo(f"BROKEN at row {verdict.broken.entry_id}: {verdict.broken.what}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"The audit holds: {verdict.rows} rows, {verdict.heads_compared} recorded heads agree.")


@secrets.command("rotate")
def secrets_rotate() -> None:
    """Seal everything at rest anew with INET_SECRET_KEY. Put the key before it into INET_SECRET_KEY_PREVIOUS first, and restart all
    processes; afterwards it may be dropped there. Safe to stop and to repeat.
    """
    from app.clock import utc_now
    from app.db import transaction
    from services.secrets import note_rotation, rotate

    prepare("cli")
    columns = []
    for done in rotate(transaction):
        columns.append(done)
        typer.echo(f"{done.name:<32} {done.renewed:>8} sealed anew, {done.current:>8} were already, {done.unreadable:>4} unreadable")
    with transaction() as session:
        note_rotation(session, actor=operator(), done=columns, now=utc_now())
    unreadable = sum(done.unreadable for done in columns)
    typer.echo(
        "API tokens, recovery codes and device tokens of an earlier key open only while it stays in INET_SECRET_KEY_PREVIOUS;"
        " staff log in again once."
    )
    if unreadable:
        typer.echo(f"{unreadable} rows open with none of the configured keys. Is a key missing in INET_SECRET_KEY_PREVIOUS?", err=True)
        raise typer.Exit(1)


_SAID = {
    "app.errors.DomainError",
    "app.settings.SettingsError",
    "app.children.StartRefused",
    "app.sandbox.main.SandboxStartError",
    "app.direct.PoolerInTheWay",
    "app.migrate.MigrationBlocked",
    "app.migrate.NewerDatabase",
    "services.operations.backup.errors.BackupFailed",
}


def known_failure(error: Exception) -> str | None:
    """The one sentence for a failure that a person can act on; None for a fault of ours, which deserves its traceback."""
    kinds = {kind.__module__ + "." + kind.__qualname__ for kind in type(error).__mro__}
    if kinds & _SAID:
        return str(error)
    if "sqlalchemy.exc.OperationalError" in kinds:
        return "PostgreSQL does not answer; see that it runs and that INET_DATABASE_URL is right (`inet doctor` tells more)."
    if "sqlalchemy.exc.ProgrammingError" in kinds:
        return "The database lacks tables of this release; run `inet migrate` first."
    if "redis.exceptions.RedisError" in kinds:
        return "Redis does not answer; see that it runs and that INET_REDIS_URL is right (`inet doctor` tells more)."
    return None
