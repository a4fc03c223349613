"""`parkstream up`: everything on this machine with one command, until Ctrl-C.

In order: take the data directory, end what a killed predecessor left, look at the ports, start the servers that no
URL replaces, migrate, start the five services (and a double of ChirpStack, unless a URL names a real one), wait until
each service says it is ready, and only then say so. On the way out the services end first and the servers last, all
within ten seconds.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from parking_contracts.permissions import CHIRPSTACK
from parkstream import stack, summary
from parkstream.checks.services import ask_ready
from parkstream.embedded import places
from parkstream.jobs import ServerJob, ServiceJob
from parkstream.migrate import migrate_database
from parkstream.prefixed_logs import PrefixedLogs
from parkstream.run_directory import API_KEY_FILE, CHIRPSTACK_TOKEN_FILE, OWNER_PASSWORD_FILE, RunDirectory
from parkstream.settings import OWNER_EMAIL, Connections, StackSettings, read_settings
from parkstream.streams import apply_streams
from parkstream.supervisor import Supervisor

STOP_SECONDS = 9.0
SERVERS_STOP_SECONDS = 2.0  # of these
READY_REMINDER_SECONDS = 30.0
READY_POLL_SECONDS = 0.1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(add_completion=False)


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Also simulate a fictional city.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Data, logs and secrets; also PARKSTREAM_DATA_DIR (.parkstream).")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The API; also PARKSTREAM_HTTP_PORT (8000).")
    ] = None,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C."""
    asyncio.run(Up(read_settings(data_dir=data_dir, http_port=http_port), demo=demo).run())


class Up:
    """One run of the platform."""

    def __init__(self, settings: StackSettings, *, demo: bool) -> None:
        self._began = time.monotonic()
        self._settings = settings
        self._demo = demo
        self._console = Console(highlight=False, soft_wrap=True)
        self._data_dir, moved = settings.place()
        places.make_data_dir(self._data_dir)
        logs = self._data_dir / "logs"
        logs.mkdir(exist_ok=True)
        self._logs = PrefixedLogs(logs, width=max(map(len, settings.health_ports())))
        self._run = RunDirectory(self._data_dir)
        self._supervisor = Supervisor(self._report)
        if moved:
            self._report(moved)

    async def run(self) -> None:
        """Start everything, and keep it running until a signal comes."""
        self._run.lock()
        stop = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        finally:
            await self._stop(starting, stopping)

    async def _start(self) -> None:
        for name in self._run.end_leftovers():
            self._report(f"{name} was still running from a killed `up`; ended")
        servers = stack.embedded_servers(self._settings, self._data_dir)
        stack.check_ports(stack.needed_ports(self._settings, servers))
        if any(servers):
            self._report(f"starting {', '.join(server.name for server in servers)}")
        await self._supervisor.start([ServerJob(server, self._run) for server in servers])
        key, key_is_new = self._api_key()
        owner, owner_is_new = self._owner()
        connections = stack.resolve(self._settings, servers, key)
        access = stack.chirpstack(self._settings, self._run.chirpstack_token)
        await self._migrate(connections)
        services = [
            self._service(name, stack.connections_of(name, servers, connections), owner, access)
            for name in self._settings.health_ports()
        ]
        double = self._double(stack.connections_of(CHIRPSTACK, servers, connections), access)
        await self._supervisor.start([*services, *double])
        self._run.write_connections(connections)
        await self._wait_ready()
        self._print_summary(connections, owner, access, key_is_new=key_is_new, owner_is_new=owner_is_new)
        if self._demo:
            await self._supervisor.start([self._simulator(connections)])

    async def _migrate(self, connections: Connections) -> None:
        applied = await migrate_database(connections.database_url)
        changed = await apply_streams(connections.nats_url, replicas=self._settings.stream_replicas)
        if applied or changed:
            self._report(f"migrated: {len(applied)} files, {len(changed)} streams and consumers")

    async def _wait_ready(self) -> None:
        """Wait until every service's /ready says 200; now and then, say which do not and why."""
        waiting = dict(self._settings.health_ports())
        reminder = time.monotonic() + READY_REMINDER_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            while waiting:
                answers = {name: await ask_ready(client, port) for name, port in waiting.items()}
                waiting = {name: port for name, port in waiting.items() if answers[name]}
                if waiting and time.monotonic() > reminder:
                    reminder = time.monotonic() + READY_REMINDER_SECONDS
                    for name in waiting:
                        self._report(f"{name} is not ready yet: {answers[name]}")
                await asyncio.sleep(READY_POLL_SECONDS if waiting else 0)

    async def _stop(self, *tasks: asyncio.Task[object]) -> None:
        began = time.monotonic()
        self._report("stopping")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._supervisor.stop(STOP_SECONDS, SERVERS_STOP_SECONDS)
        self._run.release()
        self._report(f"stopped in {time.monotonic() - began:.1f} s")
        self._logs.close()

    def _service(
        self, name: str, connections: Connections, owner: stack.Owner, access: stack.ChirpStackAccess
    ) -> ServiceJob:
        environment = stack.service_environment(name, self._settings, connections, self._data_dir, owner, access)
        return ServiceJob(name, [name], self._logging(environment), self._logs, self._run)

    def _double(self, connections: Connections, access: stack.ChirpStackAccess) -> list[ServiceJob]:
        """The ChirpStack double, unless there is a real one."""
        if not access.is_double:
            return []
        environment = stack.double_environment(self._settings, connections, access)
        module = "parking_simulator.chirpstack"
        return [ServiceJob("chirpstack", [module], self._logging(environment), self._logs, self._run)]

    def _logging(self, environment: dict[str, str]) -> dict[str, str]:
        return {"PARKSTREAM_LOG_FORMAT": os.environ.get("PARKSTREAM_LOG_FORMAT", "console"), **environment}

    def _simulator(self, connections: Connections) -> ServiceJob:
        environment = stack.client_environment(connections)
        return ServiceJob("simulate", ["parkstream.main", "simulate", "--demo"], environment, self._logs, self._run)

    def _api_key(self) -> tuple[str, bool]:
        given = self._settings.bootstrap_api_key
        return (given.get_secret_value(), False) if given else self._run.api_key()

    def _owner(self) -> tuple[stack.Owner, bool]:
        email = self._settings.bootstrap_owner_email or OWNER_EMAIL
        given = self._settings.bootstrap_owner_password
        password, is_new = (given.get_secret_value(), False) if given else self._run.owner_password()
        return stack.Owner(email, password), is_new

    def _report(self, sentence: str) -> None:
        self._logs.line("parkstream", sentence)

    def _print_summary(
        self,
        connections: Connections,
        owner: stack.Owner,
        access: stack.ChirpStackAccess,
        *,
        key_is_new: bool,
        owner_is_new: bool,
    ) -> None:
        facts, next_steps = summary.summarise(
            connections,
            key_file=None if self._settings.bootstrap_api_key else self._data_dir / API_KEY_FILE,
            key_is_new=key_is_new,
            log_in=summary.log_in(
                owner.email,
                owner.password if owner_is_new else None,
                None if self._settings.bootstrap_owner_password else self._data_dir / OWNER_PASSWORD_FILE,
            ),
            chirpstack=summary.chirpstack(
                access.url, self._data_dir / CHIRPSTACK_TOKEN_FILE if access.is_double else None
            ),
            data_dir=self._data_dir,
            command=summary.command(sys.argv[0], self._settings.data_dir),
            demo=self._demo,
        )
        self._console.print(f"\nParkstream is ready after {time.monotonic() - self._began:.1f} s.", style="bold green")
        for name, value in facts.items():
            self._console.print(f"  {name:<16} {value}", markup=False)
        self._console.print("In another terminal:", style="bold")
        for name, value in next_steps.items():
            self._console.print(f"  {name:<16} {value}", markup=False)
        self._console.print("Ctrl-C ends everything.\n", style="bold")
