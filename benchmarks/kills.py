"""Does a run that is killed again and again end with the weights of one that never was?

    python -m benchmarks.kills --out kills.json -- adapt reviews.csv --model DIR --save-every 0.01

Runs the command after `--` once undisturbed; then again and again, with a SIGKILL at random
moments, and sometimes while it saves or writes its folder. Whenever a run reaches its end, its
weights, history, results and predictions are compared with those of the first. Exits with code 1 if
they differ.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from steep import cli, runs

CONTEXT = multiprocessing.get_context("forkserver")  # imports once, for all processes
HEAVY = ["steep.stages.adapt", "steep.stages.fit", "steep.train.classify", "steep.train.masked"]
TIMES = ("seconds", "tokens_per_second")  # what may differ between equal runs
AIMS = ("any moment", "while it saves", "while it writes the folder")


def finish_imports() -> None:
    """Import everything beforehand, so that no kill happens during the imports."""
    CONTEXT.set_forkserver_preload(HEAVY)
    process = CONTEXT.Process(target=int)
    process.start()
    process.join()


def start(options: list[str], out: Path) -> BaseProcess:
    """`steep` with these options, in a process of its own that writes to a log beside `out`."""
    process = CONTEXT.Process(target=_command, args=([*options, "--out", str(out)],))
    process.start()
    return process


def _command(line: list[str]) -> None:
    log = os.open(f"{line[-1]}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.argv[1:] = line
    cli.main()


def result(out: Path) -> dict[str, Any]:
    """Everything that a run found, except its speed; weights and predictions as hashes."""
    files = [out / runs.WEIGHTS, *sorted((out / runs.PREDICTIONS).glob("*.csv"))]
    history = pd.read_csv(out / runs.HISTORY).drop(columns="seconds").to_csv()
    found = {name: v for name, v in runs.read_json(out / runs.RESULTS).items() if name not in TIMES}
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashes | {"history": history, "results": found}


def found(out: Path) -> str:
    """What a kill left: the position of the last save, and what was being written."""
    unfinished, words = runs.unfinished(out), []
    if (unfinished / runs.SAVE).is_file():
        with safe_open(unfinished / runs.SAVE, "pt") as stream:
            state = json.loads(stream.metadata()["state"])
        words.append(f"{state['phase']}, {state['train_iter']} of {state['total']}")
    words += [aim for aim in AIMS[1:] if _reached(aim, out)]
    return "; ".join(words) or "nothing saved yet"


def _reached(aim: str, out: Path) -> bool:
    """Whether the process is doing what the kill aims at."""
    if aim == "while it saves":
        try:
            return any(runs.unfinished(out).glob("*.partial/*"))
        except FileNotFoundError:  # it was renamed while we looked: this save is over
            return False
    return aim == "any moment" or any(out.parent.glob(f".{out.name}.*/{runs.WEIGHTS}"))


def kill(process: BaseProcess, out: Path, aim: str, after: float) -> bool:
    """SIGKILL after some seconds, once the run does what `aim` says; False if it was done before.

    A run is done when its folder is there, though its process may live a little longer.
    """
    process.join(0 if aim == "while it writes the folder" else after)
    while process.is_alive() and not _reached(aim, out):
        time.sleep(0.001)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL and not out.exists()


def contest(options: list[str], aims: list[str], seed: int, folder: Path) -> dict[str, Any]:
    """One run undisturbed; then a kill for each of `aims`, and a run to the end after the last one.

    Returns the kills, and for every finished run whether it was equal. Raises RuntimeError, with
    the log, where a run fails.
    """
    finish_imports()
    draw, began = random.Random(seed), time.monotonic()
    expected = finish(start(options, folder / "whole"), folder / "whole")
    seconds = time.monotonic() - began
    say(f"undisturbed: {seconds:.1f} s, sha256 {expected[runs.WEIGHTS][:16]}")
    out, ended = folder / "killed", False
    kills: list[dict[str, Any]] = []
    equal: list[bool] = []
    while len(kills) < len(aims) or not ended:
        fresh, began = not files(out), time.monotonic()
        process = start(options, out)
        if len(kills) < len(aims):
            aim, after = aims[len(kills)], draw.uniform(0, seconds)
            if kill(process, out, aim, after):
                kills.append({"aim": aim, "found": found(out), "files": files(out)})
                say(f"kill {len(kills)}, {aim}: {kills[-1]['found']}")
                ended = False
                continue
        equal.append(finish(process, out) == expected)
        ended = True
        if fresh:  # the machine may be less busy than in the first run
            seconds = min(seconds, time.monotonic() - began)
        say(f"finished: {'equal' if equal[-1] else 'DIFFERENT'}; left beside it: {files(out)}")
        shutil.rmtree(out)
    return {"seconds": round(seconds, 1), "kills": kills, "equal": equal, "left": files(out)}


def finish(process: BaseProcess, out: Path) -> dict[str, Any]:
    """The result of a run that reaches its end, or was killed when its folder was already there."""
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL) or not out.exists():
        raise RuntimeError(Path(f"{out}.log").read_text())
    return result(out)


def files(out: Path) -> list[str]:
    """What is in the folder of the saves, complete or not."""
    return sorted(path.name for path in runs.unfinished(out).glob("*"))


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def main() -> int:
    """Kill, resume, compare, and keep what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="kills at random moments")
    parser.add_argument(
        "--aimed", type=int, default=3, help="kills while it saves, and while it writes its folder"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file for what was seen")
    parser.add_argument("options", nargs="+", help="a command of steep, without --out")
    args = parser.parse_args()
    aims = [AIMS[0]] * args.times + [aim for aim in AIMS[1:] for _ in range(args.aimed)]
    seen = contest(args.options, aims, args.seed, Path(tempfile.mkdtemp(prefix="kills-")))
    finished = len(seen["equal"])
    say(f"{len(seen['kills'])} kills, {finished} runs to the end, {sum(seen['equal'])} equal")
    if args.out:
        own = {"command": f"steep {' '.join(args.options)}", "seed": args.seed}
        runs.write_json(args.out, own | {"versions": runs.versions()} | seen)
    return 0 if all(seen["equal"]) else 1


if __name__ == "__main__":
    sys.exit(main())
