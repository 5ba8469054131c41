"""Does a run that is killed again and again end in the weights of one that never was?

    python benchmarks/kills.py --times 20 -- adapt reviews.csv --model DIR --save-every 0.01

Runs `steep` with the options after `--` once in peace; then again and again, with a SIGKILL at
random moments, from the start of the process to the writing of the folder. Whenever a run gets to
its end, its weights and its history are compared with those of the first. Ends with code 1 if they
differ.
"""

import argparse
import csv
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors import safe_open

from steep import runs


def start(options: list[str], out: Path) -> subprocess.Popen:
    """The command, in a process of its own."""
    log = out.with_suffix(".log").open("a")
    command = [sys.executable, "-m", "steep", *options, "--out", str(out)]
    return subprocess.Popen(command, stdout=log, stderr=log)


def result(out: Path) -> tuple[str, list[list[str]]]:
    """The hash of the weights, and the history without its seconds."""
    weights = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    with (out / runs.HISTORY).open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    return weights, [[v for k, v in line.items() if k != "seconds"] for line in lines]


def found(out: Path) -> str:
    """What the kill left: the place of the last save, and whether something was being written."""
    unfinished, words = runs.unfinished(out), []
    if (unfinished / runs.SAVE).is_file():
        with safe_open(unfinished / runs.SAVE, "pt") as stream:
            state = json.loads(stream.metadata()["state"])
        words.append(f"{state['phase']}, {state['train_iter']} of {state['total']}")
    words += ["while it saved"] if list(unfinished.glob("*.partial")) else []
    words += (
        ["while it wrote the folder"] if list(out.parent.glob(f".{out.name}.*/config*")) else []
    )
    return "; ".join(words) or "nothing saved yet"


def main() -> int:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="+", help="a command of steep, without --out")
    args = parser.parse_args()
    draw, folder = random.Random(args.seed), Path(tempfile.mkdtemp(prefix="kills-"))
    began = time.monotonic()
    assert start(args.options, folder / "whole").wait() == 0, (folder / "whole.log").read_text()
    seconds, expected = time.monotonic() - began, result(folder / "whole")
    print(f"in peace: {seconds:.1f} s, sha256 {expected[0][:16]}", flush=True)
    out, kills, equal = folder / "killed", 0, []
    while kills < args.times or not equal:
        process = start(args.options, out)
        try:
            wait = draw.uniform(0, seconds) if kills < args.times else None
            code = process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            print(f"kill {kills} after {wait:.1f} s: {found(out)}", flush=True)
            continue
        assert code == 0, out.with_suffix(".log").read_text()
        equal.append(result(out) == expected)
        left = [path.name for path in folder.iterdir() if path.name.startswith((".", "killed."))]
        print(f"finished: {'equal' if equal[-1] else 'DIFFERENT'}; beside it: {left}", flush=True)
        shutil.rmtree(out)
    print(f"{kills} kills, {len(equal)} runs to the end, {sum(equal)} equal")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
