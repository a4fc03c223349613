"""TCP ports on loopback: which are free, and who holds a taken one."""

import random
import socket

import psutil

LOOPBACK = "127.0.0.1"
# Below the kernel's ephemeral range: no outgoing connection takes a port between our look and the server's bind.
CANDIDATES = range(20_000, 32_000)
_handed_out: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now (addresses in TIME_WAIT do not count as taken)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens on `port`."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port which nobody holds and which this process has not handed out before."""
    chooser = random.SystemRandom()
    while True:
        port = chooser.choice(CANDIDATES)
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port


def holder(port: int) -> str:
    """`name (pid 123)` of the process listening on `port`, or an empty string when we may not know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == port:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                return ""
    return ""
