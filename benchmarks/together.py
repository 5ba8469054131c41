"""How much do two training runs on the same cores slow each other? By how their threads wait.

    python -m benchmarks.together
    python -m benchmarks.together --steps 60 --threads 2 --rounds 3

Threads of OpenMP wait for work by spinning, unless OMP_WAIT_POLICY says otherwise before torch is
loaded. The same steps of a small encoder (2 layers of 128) are made by one process, then by two at
the same time, with the default and with `passive`, in turns. Seconds are those of the steps:
starting does not count. Seconds of the processor show what spinning takes, also on a machine with
other work.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from steep import runs

RESULTS = Path(__file__).parent / "results"
POLICIES = {"default": {}, "passive": {"OMP_WAIT_POLICY": "passive"}}
WORK = """
import json, sys, time
import torch
from torch import nn

threads, steps = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(128, 2, 512, batch_first=True)
model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
batch = torch.randn(16, 64, 128)

def step():
    model(batch).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()

for _ in range(3):  # the first steps allocate memory
    step()
print("ready", flush=True)
sys.stdin.readline()
started, spent = time.monotonic(), time.process_time()
for _ in range(steps):
    step()
print(json.dumps({"seconds": time.monotonic() - started, "processor": time.process_time() - spent}))
"""


def measure(options: argparse.Namespace, count: int, policy: str) -> dict[str, float]:
    """The slowest of `count` processes that make the same steps at the same time."""
    command = [sys.executable, "-c", WORK, str(options.threads), str(options.steps)]
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
    for _ in range(options.rounds):
        for policy in POLICIES:
            for count in (1, 2):
                one = measure(options, count, policy)
                found[f"{policy}, {count}"].append(one)
                line = ", ".join(f"{name} {value:.2f} s" for name, value in one.items())
                print(f"{policy}, {count} at once: {line}", flush=True)
    for name, some in found.items():
        middle = {key: median(one[key] for one in some) for key in some[0]}
        print(f"{name} at once, median: " + ", ".join(f"{k} {v:.2f} s" for k, v in middle.items()))
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
