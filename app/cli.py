"""The `inet` command. Everything heavy is imported inside the command that needs it, so that `inet --help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app import cli_admin, cli_backup, cli_ledger, cli_logs, cli_sync, cli_triage

cli = typer.Typer(
    name="inet",
    help="INET: Wi-Fi for sale at hotspots. `inet up` runs all of it on this machine; the other commands are its parts and tools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every address of this machine.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of portal, console and API.")]
DataDir = Annotated[Path, typer.Option(envvar="INET_DATA_DIR", help="Where data, logs and the demo's secret key are kept.")]
SandboxPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the sandbox of outside services.")]


@cli.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    data_dir: DataDir = Path(".inet"),
    sandbox_port: SandboxPort = 8090,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Do not start the imitation of Wave and the others.")] = False,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Load no demo packages, customers and log-ins.")] = False,
) -> None:
    """Run the whole product on this machine until Ctrl-C; the data is there again at the next start.

    PostgreSQL and Valkey are embedded where INET_DATABASE_URL and INET_REDIS_URL are not set.
    """
    from app.settings import get_settings
    from app.supervisor import up as run_up

    get_settings()  # a misspelt setting is said before anything starts
    run_up(data_dir, host=host, port=port, sandbox_port=sandbox_port, sandbox=not no_sandbox, demo=not no_demo)


@cli.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes behind the one port; more than one only without the console.")] = 1,
    max_requests: Annotated[int, typer.Option(min=0, help="Of several, each is replaced after so many requests; 0: never.")] = 1_000_000,
) -> None:
    """Run the faces that INET_ROLES names (all by default). With several workers SIGHUP replaces them one by one, no request is lost."""
    if workers > 1:
        from app.serving import run as run_several

        run_several(host, port, workers=workers, max_requests=max_requests)
        return
    from app.main import serve as run_web

    run_web(host, port)


@cli.command()
def worker(
    queues: Annotated[
        list[str] | None, typer.Argument(metavar="[QUEUE]...", help="urgent, default, triage, bulk; all of them if none is named.")
    ] = None,
) -> None:
    """Run one worker on the named queues, in that order of urgency."""
    from app.queue import QUEUES

    unknown = sorted(set(queues or ()) - set(QUEUES))
    if unknown:
        raise typer.BadParameter(f"there is no queue {', '.join(unknown)}; the queues are {', '.join(QUEUES)}")
    from jobs.worker import run

    run(queues or list(QUEUES))


@cli.command()
def scheduler() -> None:
    """Run the scheduler of periodic work; of several, one acts and the others stand by."""
    from jobs.scheduler import run

    run()


@cli.command()
def sandbox(
    port: SandboxPort = 8090,
    host: Host = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(help="Where the imitated services keep their own store.")] = Path(".inet/sandbox"),
    seed: Annotated[int, typer.Option(help="Makes the routers' identities and the faults repeatable.")] = 2026,
) -> None:
    """Run the imitation of Wave, PortaBilling, the SMS gateway and a small fleet of openNDS routers."""
    from app.sandbox.config import SandboxConfig
    from app.sandbox.main import run

    run(SandboxConfig(host=host, port=port, data_dir=data_dir, seed=seed))


cli_admin.register(cli)
cli_triage.register(cli)
cli_sync.register(cli)
cli_ledger.register(cli)
cli_logs.register(cli)
cli_backup.register(cli)


def main() -> None:
    """The entry point: a failure we know is one line on standard error and exit status 1; bad usage is 2."""
    try:
        cli()
    except Exception as error:
        sentence = cli_admin.known_failure(error)
        if sentence is None:
            raise
        sys.stderr.write(sentence + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
