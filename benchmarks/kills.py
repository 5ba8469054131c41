"""Does a run that is killed again and again end with the weights of one that never was?

    python -m benchmarks.kills --out kills.json
    python -m benchmarks.kills --out kills.json -- adapt reviews.csv --model DIR --save-every 0.01

Runs the command after `--` once undisturbed; then again and again, with a SIGKILL at random
moments, and sometimes while it saves or writes its folder. Whenever a run reaches its end, its
weights, history, results and predictions (of a study all cells and the verdict) are compared with
those of the first. Exits with code 1 if they differ. Without a command, adapt, fit, multitask and
compare are killed in turn, on a tiny model and table.
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

from benchmarks.tiny import SPEED, make_model, make_rows
from steep import cli, runs

CONTEXT = multiprocessing.get_context("forkserver")  # imports once, for all processes
HEAVY = [
    *("steep.stages.adapt", "steep.stages.fit", "steep.study.compare", "steep.train.classify"),
    *("steep.train.masked", "steep.train.multitask", "steep.metrics.word_counts"),
]
TIMES = ("seconds", "tokens_per_second")  # what may differ between equal runs
AIMS = ("any moment", "while it saves", "while it writes the folder")


TINY = {
    "adapt": "adapt {table} --epochs 12 --batch-tokens 256 --masking word",
    "fit": "fit {table} --label label --epochs 8 --batch-size 16 --unfreeze gradual "
    "--gradient-accumulation-steps 2",
    "multitask": "multitask {table} {other} --label label --epochs 8 --batch-size 16",
    "compare": "compare {table} --label label --epochs 3 --batch-size 16 --seeds 2 "
    "--learning-rate 2e-3 --config {config} --arms tfidf,base,adapted,longer --keep-going",
}


def tiny_commands(folder: Path) -> list[list[str]]:
    """The commands of `TINY`, on a model and tables that are made in `folder`."""
    places = {"table": folder / "t.csv", "other": folder / "u.csv", "config": folder / "c.toml"}
    model = make_model(folder / "model")
    make_rows(300).to_csv(places["table"], index=False)
    make_rows(200, 1).to_csv(places["other"], index=False)
    places["config"].write_text("[adapt]\nmax_length = 32\nepochs = 6\nbatch_tokens = 256\n")
    more = ["--model", str(model), *SPEED, "--save-every", "0.0001"]
    return [[*line.format(**places).split(), *more] for line in TINY.values()]


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
    if (out / runs.STUDY).exists():
        return _result_of_study(out)
    files = [out / runs.WEIGHTS, *sorted((out / runs.PREDICTIONS).glob("*.csv"))]
    history = pd.read_csv(out / runs.HISTORY).drop(columns="seconds").to_csv()
    results = without_times(runs.read_json(out / runs.RESULTS))
    return _hashes(files) | {"history": history, "results": results}


def _result_of_study(out: Path) -> dict[str, Any]:
    """The weights and history of step 2, all cells with their predictions, and the verdict."""
    step2 = {f"{p.parent.name}/": result(p.parent) for p in sorted(out.glob(f"*/{runs.WEIGHTS}"))}
    cells = {
        path.name: without_times(runs.read_json(path))
        for path in sorted((out / runs.CELLS).glob("*.json"))
    }
    arms = without_times(runs.read_json(out / runs.VERDICT)["arms"])
    return step2 | cells | _hashes(sorted((out / runs.CELLS).glob("*.csv"))) | {"arms": arms}


def _hashes(files: list[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def without_times(value: Any) -> Any:
    """A JSON value without the keys `TIMES`, at any depth."""
    if isinstance(value, list):
        return [without_times(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: without_times(v) for name, v in value.items() if name not in TIMES}


def ended(out: Path) -> bool:
    """Whether a run has reached its end: its folder is there, of a study with its verdict."""
    return (out / runs.VERDICT).exists() or (out / runs.RESULTS).exists()


def found(out: Path) -> str:
    """What a kill left: the position of the last save, and what was being written."""
    words = []
    for save in (folder / runs.SAVE for folder in _unfinished(out)):
        if save.is_file():
            with safe_open(save, "pt") as stream:
                state = json.loads(stream.metadata()["state"])
            words.append(f"{state['phase']}, {state['train_iter']} of {state['total']}")
    if cells := len(list((out / runs.CELLS).glob("*.json"))):
        words.append(f"{cells} cells")
    words += [aim for aim in AIMS[1:] if _reached(aim, out)]
    return "; ".join(words) or "nothing saved yet"


def _unfinished(out: Path) -> list[Path]:
    """Where saves lie: beside a run, or within a study."""
    return [runs.unfinished(out), *out.glob(f"*{runs.UNFINISHED}")]


def _reached(aim: str, out: Path) -> bool:
    """Whether the process is doing what the kill aims at."""
    patterns = (f".{out.name}.*/{runs.WEIGHTS}", f"{out.name}/.*/{runs.WEIGHTS}")
    try:
        if aim == "while it saves":
            return any(any(folder.glob("*.partial/*")) for folder in _unfinished(out))
        return aim == "any moment" or any(any(out.parent.glob(pattern)) for pattern in patterns)
    except FileNotFoundError:  # it was renamed while we looked: this is over
        return False


def kill(process: BaseProcess, out: Path, aim: str, after: float) -> bool:
    """SIGKILL after some seconds, once the run does what `aim` says; False if it was done before.

    A run is done when its result is there, though its process may live a little longer.
    """
    process.join(0 if aim == "while it writes the folder" else after)
    while process.is_alive() and not _reached(aim, out):
        time.sleep(0.001)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL and not ended(out)


def contest(options: list[str], aims: list[str], seed: int, folder: Path) -> dict[str, Any]:
    """One run undisturbed; then a kill for each of `aims`, and a run to the end after the last one.

    Returns the kills, and for every finished run whether it was equal. Raises RuntimeError, with
    the log, where a run fails.
    """
    finish_imports()
    draw, began = random.Random(seed), time.monotonic()
    expected = finish(start(options, folder / "whole"), folder / "whole")
    seconds = time.monotonic() - began
    say(f"{options[0]}, undisturbed: {seconds:.1f} s")
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
        if len(kills) < len(aims) < len(equal) / 3 - 1:
            raise RuntimeError(f"{options[0]} ends each time before it can be killed")
        ended = True
        if fresh:  # the machine may be less busy than in the first run
            seconds = min(seconds, time.monotonic() - began)
        say(f"finished: {'equal' if equal[-1] else 'DIFFERENT'}; left beside it: {files(out)}")
        shutil.rmtree(out)
    return {"seconds": round(seconds, 1), "kills": kills, "equal": equal, "left": files(out)}


def finish(process: BaseProcess, out: Path) -> dict[str, Any]:
    """The result of a run that reaches its end, or was killed when its folder was already there."""
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL) or not ended(out):
        raise RuntimeError(Path(f"{out}.log").read_text())
    return result(out)


def files(out: Path) -> list[str]:
    """What is in the folder of the saves, complete or not."""
    return sorted(path.name for folder in _unfinished(out) for path in folder.glob("*"))


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
    parser.add_argument("options", nargs="*", help="a command of steep, without --out")
    args = parser.parse_args()
    aims = [AIMS[0]] * args.times + [aim for aim in AIMS[1:] for _ in range(args.aimed)]
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    seen: dict[str, dict[str, Any]] = {}
    for command in [args.options] if args.options else tiny_commands(folder):
        found = contest(command, aims, args.seed, Path(tempfile.mkdtemp(dir=folder)))
        seen[command[0]] = {
            "command": f"steep {' '.join(command)}".replace(f"{folder}/", ""),
            **found,
        }
        if args.out:
            runs.write_json(args.out, {"seed": args.seed, "versions": runs.versions()} | seen)
    kills = sum(len(found["kills"]) for found in seen.values())
    equal = [one for found in seen.values() for one in found["equal"]]
    say(f"{kills} kills, {len(equal)} runs to the end, {sum(equal)} equal")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
