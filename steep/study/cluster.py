"""How are the cells of a study run on a Ray cluster? With what they read: no disk is shared."""

import math
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from steep.data.files import files_below
from steep.errors import SteepError
from steep.models.checkpoint_files import PICKLES
from steep.study.jobs import TRIES, Job, Result

PATIENCE = 30.0  # seconds that a Ray cluster has to answer; Ray itself would wait for minutes
PARTS = 10_000  # of a GPU: Ray counts no smaller ones
Parcel = dict[str, bytes]  # the files of a folder: their paths below it, and what they hold
Work = Callable[[Job, Sequence[Path]], Result]


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster at `address`, whose GPUs the jobs are to use or not.

    A job gets one of its own, or a share of one where `at_once` is more than there are.
    """

    address: str
    at_once: int = 1
    gpus: bool = True


def on_ray(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    reads: Callable[[Job], Sequence[Path]],
    cluster: Cluster,
) -> Iterator[tuple[Job, Result | Exception]]:
    """The jobs as tasks of a Ray cluster, as they end; one whose machine dies runs elsewhere.

    `work` is called with a job and copies of the folders that it `reads`. Raises SteepError where
    no cluster can be reached.
    """
    engine = reach_ray(cluster.address)
    try:
        engine.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _silent(cluster.address, error) from None
    try:
        gpus = engine.cluster_resources().get("GPU", 0) if cluster.gpus else 0
        options = {"max_retries": TRIES, "num_gpus": share(cluster.at_once, gpus)}
        remote = engine.remote(retry_exceptions=False, **options)(_run)
        folders = {folder for job in jobs for folder in reads(job)}
        sent = {folder: engine.put(packed(folder)) for folder in folders}
        common = engine.put(work)

        def begin(job: Job) -> object:
            return remote.remote(common, job, *(sent[folder] for folder in reads(job)))

        yield from _as_they_end(engine, begin, jobs)
    finally:
        engine.shutdown()


def _as_they_end(
    engine: ModuleType, begin: Callable[[Job], object], jobs: Sequence[Job]
) -> Iterator[tuple[Job, Result | Exception]]:
    tasks = {begin(job): job for job in jobs}
    tried: dict[Job, int] = dict.fromkeys(jobs, 1)
    while tasks:
        (done, *_), _ = engine.wait(list(tasks), num_returns=1)
        job = tasks.pop(done)
        try:
            yield job, engine.get(done)
        except engine.exceptions.RayError as error:  # also what the job raised
            if tried[job] == TRIES:
                yield job, error
                continue
            tried[job] += 1
            tasks[begin(job)] = job


def _run(work: Work[Job, Result], job: Job, *parcels: Parcel) -> Result:
    with ExitStack() as stack:
        return work(job, [stack.enter_context(unpacked(parcel)) for parcel in parcels])


def share(at_once: int, gpus: float) -> float:
    """How much of a GPU each of so many jobs gets: a whole one, an equal share of one, or none."""
    if not gpus:
        return 0.0
    return math.floor(PARTS / math.ceil(max(at_once, 1) / gpus)) / PARTS


def packed(folder: Path) -> Parcel:
    """The files below a folder, to be sent to another machine; no pickles, which nobody reads."""
    read = (path for path in files_below(folder) if not any(map(path.match, PICKLES)))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in read}


@contextmanager
def unpacked(parcel: Parcel) -> Iterator[Path]:
    """A folder with these files, for as long as they are read."""
    with TemporaryDirectory(prefix="steep-") as place:
        for name, content in parcel.items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield Path(place)


def reach_ray(address: str) -> ModuleType:
    """Ray itself, once something answers at `address`; SteepError if nothing does, in seconds."""
    try:
        import ray as engine
    except ImportError:
        raise SteepError("ray is not installed: pip install 'steep[ray]'.") from None
    try:
        _knock(address)
    except (OSError, subprocess.SubprocessError) as error:
        raise _silent(address, error) from None
    return engine


def _knock(address: str) -> None:
    """Raise OSError or SubprocessError where nothing, or something other than Ray, listens.

    Names without a port (local, auto) are left to Ray, which answers at once.
    """
    found = re.fullmatch(r"(ray://)?\[?([^/\s]+?)\]?:(\d+)", address)
    if found is None:
        return
    socket.create_connection((found[2], int(found[3])), PATIENCE / 2).close()
    if not found[1]:  # a Ray client's port has no such check, and gives up by itself
        ask = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        subprocess.run(ask, capture_output=True, timeout=PATIENCE, check=True)


def _silent(address: str, error: Exception) -> SteepError:
    why = str(error).strip().partition("\n")[0]
    if isinstance(error, subprocess.SubprocessError):
        why = "something other than a Ray head listens there, or it is too busy to answer"
    return SteepError(
        f"ray {address}: no cluster answers there ({why}). Start one with 'ray start --head', or "
        "leave the option out."
    )
