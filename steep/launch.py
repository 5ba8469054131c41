"""How do several processes become one run? Started here or by torchrun, numbered, ended together.

Each is the same command line; `WORLD_SIZE`, `RANK` and `LOCAL_RANK` tell it which one it is, as
torchrun and accelerate have it. What they then do together says `steep.train.ranks`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from steep.args import DevicesArgs
from steep.console import say
from steep.errors import SteepError, on_signals

GRACE = 10.0  # seconds that the others have to end by themselves when one has failed
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Ranks:
    """Which of the `count` processes of a run this one is, from 0; `local` counts on its machine.

    `store` (of torch) is where they leave word for each other.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    store: Any = None


_here = Ranks()


def here() -> Ranks:
    """What this process is: the only one, unless `become` was called."""
    return _here


def become(ranks: Ranks) -> None:
    """From now on, for as long as it lives, this process is one of several of a run."""
    global _here
    _here = ranks


def told(devices: int) -> Ranks:
    """What the launcher of this process says that it is; the only one, where there is no launcher.

    It is said once: `refuse_launchers` finds nothing any more. Raises SteepError where the launcher
    contradicts the option `devices`, or says too little.
    """
    size = os.environ.get("WORLD_SIZE", "").strip()
    if not size.isdecimal() or int(size) < 2:
        return Ranks()
    if devices not in (1, int(size)):
        raise SteepError(f"devices {devices}: but {size} processes were started. Leave it out.")
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise SteepError(
            f"WORLD_SIZE is {size}, but these are not set: {', '.join(missing)}. Start several "
            "processes with --devices, torchrun or accelerate launch."
        )
    del os.environ["WORLD_SIZE"]
    # Else torch, once it is imported, warns with a stack when the first process has ended.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return Ranks(int(os.environ["RANK"]), int(size), int(os.environ["LOCAL_RANK"]))


def check_devices(args: DevicesArgs, tune: bool = False) -> None:
    """Raises SteepError where several processes are asked for that cannot be had.

    Only the command line starts them. `tune` is whether several fits are asked for, too.
    """
    if args.devices > 1 and here().count == 1:
        raise SteepError(
            f"devices {args.devices}: Python runs in one process. Run it as a command: 'steep "
            "adapt' or 'steep fit'."
        )
    if tune and here().count > 1:
        raise SteepError("tune: its fits run in one process each. Leave it, or devices, out.")


def start(count: int) -> int:
    """Run this command line as `count` processes, and wait for them; returns its exit code.

    When one fails, the others have `GRACE` seconds to end by themselves, then they are ended.
    """
    threads = max(1, (os.cpu_count() or 1) // count)
    common = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    common |= {THREADS: os.environ.get(THREADS, str(threads))}
    processes: list[subprocess.Popen] = []
    asked: list[int] = []

    def forward(number: int) -> None:
        asked.append(number)
        for process in processes:
            process.send_signal(number)

    try:
        with on_signals(forward):
            for rank in map(str, range(count)):
                # A session of its own: Ctrl-C reaches it once, from here.
                processes.append(
                    subprocess.Popen(
                        [sys.executable, *sys.orig_argv[1:]],
                        env=os.environ | common | {"RANK": rank, "LOCAL_RANK": rank},
                        start_new_session=True,
                    )
                )
            return _ended(processes, asked)
    finally:
        for process in processes:
            process.kill()


def _ended(processes: list[subprocess.Popen], asked: list[int]) -> int:
    """The exit code of processes that end together; `asked` are the signals sent to them."""
    while not (failed := [p for p in processes if p.poll()]):
        if all(process.poll() == 0 for process in processes):
            return 0
        time.sleep(0.05)
    for number, process in enumerate(processes, 1):
        if process in failed and process.returncode < 0 and not asked:
            name = signal.Signals(-process.returncode).name
            why = " (most often for lack of memory)" if name == "SIGKILL" else ""
            say(f"process {number} of {len(processes)} was killed by {name}{why}: the run ends")
    for end in (lambda _: None, subprocess.Popen.terminate, subprocess.Popen.kill):
        deadline = time.monotonic() + GRACE
        for process in processes:
            end(process)
        while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
            time.sleep(0.05)
    codes = [process.returncode or 0 for process in [*processes, *failed]]
    code = next(code for code in codes if code)
    return 128 - code if code < 0 else code


def _free_port() -> str:
    """A port of this machine that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])
