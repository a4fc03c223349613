"""Where the CPU of a service goes, by function: read by the interpreter at its start, when this folder is on its path.

In: PARKSTREAM_BENCH_PROFILE, a directory; SIGUSR2 turns sampling on, and off again. Out: at the end of the process a
file in it, named after the service, with the counts of stacks. A sample is taken whenever the process has used so much
more CPU; time in C counts for the Python function that called it. Waiting counts for nothing.
"""

import atexit
import collections
import json
import os
import signal
import sys
import types

SAMPLE_CPU_SECONDS = 0.004  # the kernel's clock is not finer
PROFILED = ("uplink_ingestor", "occupancy_engine")

Stack = tuple[tuple[str, str], ...]  # file and function, the innermost first
samples: collections.Counter[Stack] = collections.Counter()


def sample(_number: int, frame: types.FrameType | None) -> None:
    """Note the stack."""
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append((code.co_filename, code.co_qualname))
        frame = frame.f_back
    samples[tuple(stack)] += 1


def turn(_number: int, _frame: types.FrameType | None) -> None:
    """On or off."""
    is_on = signal.getitimer(signal.ITIMER_PROF)[1] > 0
    seconds = 0.0 if is_on else SAMPLE_CPU_SECONDS
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)


def write(path: str) -> None:
    """Write what was seen."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  imported at every start: nothing more than it needs
        json.dump([[list(stack), count] for stack, count in samples.items()], file)


service = next((name for name in PROFILED if name in sys.orig_argv), None)
directory = os.environ.get("PARKSTREAM_BENCH_PROFILE")
if service is not None and directory is not None:
    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR2, turn)
    atexit.register(write, os.path.join(directory, f"{service}.json"))  # noqa: PTH118
