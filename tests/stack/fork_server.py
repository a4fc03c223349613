"""A service's modules, imported once; every order makes a process of its own that runs the service from there.

Run by `stack.warm_start`: `python -P fork_server.py <module>`, whose standard input is a Unix socket. In: one packet
per process, `{"environment": {...}, "directory": "..."}`, with two file descriptors: where its output goes, and a pipe.
Out, in that pipe: the pid as NUMBER, and once the process has ended its exit status. It ends when the socket closes.

A process is forked before any event loop, connection or thread exists, then has its own session, environment and
output, and does what `python -m <module>` does from its first line on.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
from pathlib import Path

MAX_ORDER_BYTES = 1 << 20
PR_SET_PDEATHSIG = 1
NUMBER = struct.Struct("i")


def preload(module: str) -> None:
    """Import everything that the service imports, but leave its `__main__` to be run."""
    importlib.import_module(f"{module}.__main__")
    del sys.modules[f"{module}.__main__"]
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        sys.exit(f"importing {module} started {threads - 1} threads; a fork would lose them")
    gc.collect()
    gc.freeze()  # a collection in a child writes to no page it shares with the others


def take_orders(orders: socket.socket) -> dict[str, str] | None:
    """Fork on every order. Returns the environment in each child, and None in the parent when all is over."""
    with orders, selectors.DefaultSelector() as watched:
        watched.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in watched.select():
                if key.fileobj is not orders:
                    watched.unregister(key.fileobj)
                    _report_end(key.fd, *key.data)
                    continue
                message, descriptors, _, _ = socket.recv_fds(orders, MAX_ORDER_BYTES, 2)
                if not message:
                    return None
                output, report = descriptors
                pid = os.fork()
                if pid == 0:
                    order = json.loads(message)
                    os.chdir(order["directory"])
                    _become_independent(output)
                    return order["environment"]
                os.close(output)
                os.write(report, NUMBER.pack(pid))
                watched.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))


def _report_end(pidfd: int, pid: int, report: int) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(pidfd)
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(report, NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os.close(report)


def _become_independent(output: int) -> None:
    """As a process of `subprocess.Popen(start_new_session=True)` under `setpriv --pdeathsig KILL` is."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def main() -> None:
    """Serve orders; a forked process goes on as the service, and ends as its interpreter would."""
    module = sys.argv[1]
    preload(module)
    environment = take_orders(socket.socket(fileno=os.dup(0)))
    if environment is not None:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # pipes of its siblings
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
