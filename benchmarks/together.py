"""How much do two training runs on the same cores slow each other? By how their threads wait.

    python -m benchmarks.together
    python -m benchmarks.together --steps 60 --threads 2 --rounds 3

Threads of OpenMP wait for work by spinning, unless OMP_WAIT_POLICY says otherwise before torch is
loaded. The same steps of a small BERT (2 layers of 128) are made by one process, then by two at the
same time, with the default and with `passive`, in turns. Seconds are those of the steps: starting
does not count. Seconds of the processor also show, on a machine with other work, what spinning
takes.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.cases import Case, Job, prepare
from steep import runs

RESULTS = Path(__file__).parent / "results"
POLICIES = {"default": {}, "passive": {"OMP_WAIT_POLICY": "passive"}}
WORK = """
import json, sys, time
from pathlib import Path
import torch
from benchmarks import ours
from benchmarks.together import job_of
from steep.train.engine import add_gradient

folder, threads, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
job = job_of(folder, steps)
learn = ours.classifier_learner(job, ours.fit_args(job))
learn.create_opt()
learn.model.train()
batches = list(learn.dls.train)

def step(batch):
    add_gradient(learn, batch)
    learn.opt.step()
    learn.opt.zero_grad()

for batch in batches[:3]:  # the first steps allocate memory
    step(batch)
print("ready", flush=True)
sys.stdin.readline()
started, spent = time.monotonic(), time.process_time()
for batch in batches:
    step(batch)
print(json.dumps({"seconds": time.monotonic() - started, "processor": time.process_time() - spent}))
"""


def job_of(folder: Path, steps: int) -> Job:
    """A small fit on texts of about 50 tokens."""
    case = Case("together", "fit", "small", 2, 128, 16, steps)
    return Job(case, folder, steps, precision="fp32", device="cpu")


def measure(options: argparse.Namespace, folder: Path, count: int, policy: str) -> dict[str, float]:
    """The slowest of `count` processes that make the same steps at the same time."""
    command = [sys.executable, "-c", WORK, str(folder), str(options.threads), str(options.steps)]
    own = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    settings = own | {"OMP_NUM_THREADS": str(options.threads)} | POLICIES[policy]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, env=settings, stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    streams = [(p.stdin, p.stdout) for p in processes if p.stdin and p.stdout]
    for _, out in streams:
        if out.readline() != "ready\n":
            raise SystemExit("a run has failed; its message is above.")
    for start, _ in streams:  # all of them at once
        start.write("\n")
        start.flush()
    found = [json.loads(out.readline()) for _, out in streams]
    for process in processes:
        process.communicate()
    return {name: max(one[name] for one in found) for name in found[0]}


def main() -> None:
    """Measure in turns; print the medians, and keep all in the results file."""
    options = _options()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    with TemporaryDirectory() as place:
        folder = Path(place)
        prepare(job_of(folder, options.steps))
        for _ in range(options.rounds):
            for policy in POLICIES:
                for count in (1, 2):
                    one = measure(options, folder, count, policy)
                    found[f"{policy}, {count}"].append(one)
                    line = ", ".join(f"{name} {value:.1f} s" for name, value in one.items())
                    print(f"{policy}, {count} at once: {line}", flush=True)
    for name, some in found.items():
        middle = {key: median(one[key] for one in some) for key in some[0]}
        print(f"{name} at once, median: " + ", ".join(f"{k} {v:.1f} s" for k, v in middle.items()))
    RESULTS.mkdir(exist_ok=True)
    runs.write_json(RESULTS / f"{options.name}.json", {"options": vars(options), "found": found})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.together",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--steps", type=int, default=40, help="steps of each run (default 40)")
    add("--threads", type=int, default=2, help="threads of each run (default 2)")
    add("--rounds", type=int, default=3, help="turns (default 3)")
    add("--name", default="together", help="results go to benchmarks/results/NAME.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
