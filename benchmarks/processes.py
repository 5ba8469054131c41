"""How much faster do several processes adapt a model than one process with as many threads?

    python -m benchmarks.processes MODEL --count 2 --steps 30 --rounds 2

`steep adapt` on the bundled reviews, in turn by one process with `count` threads and by `count`
processes with one thread each: the tokens a second of the training steps, and their ratio within a
round, so that a machine that is busy with something else slows both.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from steep import runs
from steep.stages.demo import unpack


def pace(table: Path, model: str, steps: int, processes: int, threads: int) -> float:
    """Tokens a second of `steps` steps of adapt."""
    out = table.parent / "adapted"
    words = ["--text", "text", "--label", "label", "--model", model, "--device", "cpu"]
    words += ["--max-steps", str(steps), "--eval-steps", str(steps), "--devices", str(processes)]
    line = [sys.executable, "-m", "steep", "adapt", str(table), *words, "--overwrite"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(
        [*line, "--out", str(out)], env=environment, check=True, stdout=-1, stderr=subprocess.STDOUT
    )
    return runs.read_json(out / runs.RESULTS)["tokens_per_second"]


def main() -> None:
    """Measure and print a line a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    count = args.count
    with TemporaryDirectory() as folder:
        table = unpack(Path(folder)).reviews
        for _ in range(args.rounds):
            one = pace(table, args.model, args.steps, 1, count)
            several = pace(table, args.model, args.steps, count, 1)
            print(
                f"one process, {count} threads: {one:,.0f} tokens/s; {count} processes: "
                f"{several:,.0f} tokens/s; ratio {several / one:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
