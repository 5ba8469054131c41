"""Does memory stay flat: over 10,000 ragged steps, and with a corpus a hundred times as large?

    python -m benchmarks.memory steps --stage adapt
    python -m benchmarks.memory steps --stage fit
    python -m benchmarks.memory corpus FOLDER --megabytes 20 2000

`steps` trains a small model (2 layers of 128) on texts of all lengths, and measures the memory of
the process every 500 steps. `corpus` makes texts of the sizes given from the words of the bundled
reviews, runs the real `steep adapt` on each, and reports the time and peak memory of each phase,
which is what happens between two messages of the command. Anonymous memory (RssAnon) is what the
command holds; resident memory (RSS) also includes the mapped pages of the corpus and the libraries,
which the system takes back as soon as it needs them. Results are added to the results file.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import numpy as np
from torch import Tensor

from benchmarks import machine, ours
from benchmarks.cases import Case, Job, prepare, texts, write_text
from benchmarks.contest import Turns
from steep import runs
from steep.stages.demo import checkpoint, unpack

RESULTS = Path(__file__).parent / "results"
EVERY, TOLERANCE = 500, 1.1  # steps; growth after the first 500 that still counts as flat
SMALL = {
    "adapt": Case("memory", "adapt", "small", 1, 128, 8, 1),
    "fit": Case("memory", "fit", "small", 2, 128, 8, 1),
}
ROWS = 500  # steps of fit in an epoch
WORDS = (20, 600)  # in a document that is made
PAUSE = 0.2  # seconds between two measurements of a command's memory
KINDS = {"rss": "VmRSS", "anonymous": "RssAnon"}


class Watch(Turns):
    """Stands in for a contest's turns: notes the memory every `EVERY` steps, and never waits."""

    def __init__(self) -> None:
        self.steps = 0
        self.seen: list[dict[str, float]] = []

    def step(self, tokens: int | Tensor) -> None:
        """A step is done."""
        self.steps += 1
        if self.steps % EVERY == 0:
            self.seen.append({"step": self.steps} | memory(os.getpid()))
            print(_line(self.seen[-1]), flush=True)


def steps(stage: str, count: int, seed: int = 0) -> dict[str, Any]:
    """Resident memory over `count` steps; flat if it ends at most 10 % above that of step 500."""
    case, watch = SMALL[stage], Watch()
    with TemporaryDirectory() as folder:
        job = prepare(Job(case, Path(folder), count if stage == "adapt" else ROWS, seed))
        if stage == "adapt":
            write_text(job.folder / "train.txt", _ragged(job))
            learn = ours.masked_learner(job, ours.adapt_args(job))
        else:
            args = ours.fit_args(job)
            learn = ours.classifier_learner(job, args)
        started = time.monotonic()
        epochs = 1 if stage == "adapt" else -(-count // ROWS)
        ours.train_in_turns(learn, 1e-4, watch, epochs)
    growth = watch.seen[-1]["rss"] / watch.seen[0]["rss"]
    print(f"{stage}: {growth:.3f} times as much as after {EVERY} steps")
    return {
        "seen": watch.seen,
        "growth": growth,
        "flat": growth <= TOLERANCE,
        "minutes": round((time.monotonic() - started) / 60, 1),
    }


def _ragged(job: Job) -> list[str]:
    """Texts of one to five sentences: every length that a window can have."""
    path = unpack(job.folder / "reviews").reviews
    return [text for sentences in range(1, 6) for text, _ in texts(path, sentences)]


def corpus(folder: Path, megabytes: int, minutes: float) -> dict[str, Any]:
    """Time and peak memory of `steep adapt` on a text of this size, phase by phase."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"text-{megabytes}mb.txt"
    if not path.is_file():
        make_text(path, megabytes)
    command = [sys.executable, "-m", "steep", "adapt", str(path), "--unit", "paragraph"]
    command += ["--model", _small_model(folder), "--minutes", str(minutes), "--overwrite"]
    command += ["--out", str(folder / f"adapted-{megabytes}mb")]
    command += ["--heldout-share", f"{0.16 / megabytes:f}"]  # about 100 documents at any size
    with TemporaryDirectory(dir=folder) as cache:  # empty: nothing is read or tokenised yet
        process = subprocess.Popen(
            command,
            env=os.environ | {"HF_DATASETS_CACHE": cache},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        phases = list(_phases(process))
    if process.returncode:
        raise SystemExit(f"steep adapt failed: {' '.join(phase['until'] for phase in phases[-3:])}")
    peak = {kind: max(phase[kind] for phase in phases) for kind in KINDS}
    print(f"{megabytes} MB of text: {_line(peak)} MB at most")
    return {"megabytes": megabytes, "peak": peak, "phases": phases}


def _small_model(folder: Path) -> str:
    case = SMALL["adapt"]
    return str(prepare(Job(case, folder / "small", 1)).checkpoint)


def make_text(path: Path, megabytes: int) -> None:
    """Documents of words drawn at random from the bundled reviews; no two are alike."""
    reviews = unpack(path.parent / "reviews").unlabelled.read_bytes()
    words = np.array(reviews.split(), dtype=object)
    random, aside, left = np.random.default_rng(0), path.with_suffix(".partial"), megabytes * 1e6
    with aside.open("wb") as stream:
        while left > 0:
            length = random.integers(*WORDS)
            left -= stream.write(b" ".join(words[random.integers(0, len(words), length)]) + b"\n\n")
    aside.rename(path)


def _phases(process: subprocess.Popen) -> Iterator[dict[str, Any]]:
    """The phases that end with each message of the command: seconds, and peak memory."""
    messages: Queue[str | None] = Queue()
    assert process.stderr is not None
    threading.Thread(target=_pass_on, args=(process.stderr, messages), daemon=True).start()
    until: str | None = ""
    while until is not None:
        started, peak = time.monotonic(), dict.fromkeys(KINDS, 0.0)
        while messages.empty():
            found = memory(process.pid)
            peak = {kind: max(peak[kind], found[kind]) for kind in KINDS}
            time.sleep(PAUSE)
        until = messages.get()
        yield {"until": until or "the end", "seconds": time.monotonic() - started, **peak}
        print(f"{time.monotonic() - started:8.1f} s  {_line(peak)}  {until or ''}", flush=True)
    process.wait()


def _pass_on(stream: TextIO, messages: "Queue[str | None]") -> None:
    for line in stream:
        messages.put(line.strip())
    messages.put(None)


def memory(process: int) -> dict[str, float]:
    """MB of a process and of those that it started; 0 once it has ended."""
    root = Path("/proc") / str(process)
    try:
        status = (root / "status").read_text(encoding="utf-8").splitlines()
        children = (root / "task" / str(process) / "children").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return dict.fromkeys(KINDS, 0.0)
    lines = dict(line.split(":", 1) for line in status)
    own = {kind: int(lines.get(name, "0 kB").split()[0]) / 1024 for kind, name in KINDS.items()}
    for child in children:
        theirs = memory(int(child))
        own = {kind: own[kind] + theirs[kind] for kind in KINDS}
    return own


def _line(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in values.items())


def main() -> None:
    """Measure what is asked for, and add it to the results file."""
    options = _options()
    path = RESULTS / f"{options.name}.json"
    path.parent.mkdir(exist_ok=True)
    if options.what == "steps":
        found = {f"steps-{options.stage}": steps(options.stage, options.steps)}
    else:
        checkpoint(install=False)
        sizes = [corpus(options.folder, size, options.minutes) for size in options.megabytes]
        found = {f"corpus-{size['megabytes']}": size for size in sizes}
    results = runs.read_json(path) if path.is_file() else {"cases": {}}
    if "machine" not in results:  # otherwise it is that of the contests, with their threads
        results["machine"] = machine.facts(
            int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        )
    results["memory"] = results.get("memory", {}) | found
    runs.write_json(path, results)


def _options() -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--name", default="cpu", help="results go to benchmarks/results/NAME.json")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest="what", required=True)
    part = parts.add_parser("steps", parents=[shared], help="many steps of a small model")
    part.add_argument("--stage", choices=SMALL, default="adapt", help="what is trained")
    part.add_argument("--steps", type=int, default=10_000, help="steps (default 10,000)")
    part = parts.add_parser("corpus", parents=[shared], help="steep adapt on large text")
    part.add_argument("folder", type=Path, help="where text, caches and checkpoints are written")
    part.add_argument("--megabytes", type=int, nargs="+", default=[20, 2000], help="sizes of text")
    part.add_argument("--minutes", type=float, default=2.0, help="of training, for each size")
    return parser.parse_args()


if __name__ == "__main__":
    main()
