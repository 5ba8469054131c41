"""How fast is a large text read and tokenised, and in how much memory and disk?

    python -m benchmarks.tokenising FOLDER --megabytes 300
    python -m benchmarks.tokenising FOLDER --megabytes 300 --cores 1

The text is made of the words of the bundled reviews, and tokenised by the demo's checkpoint, in a
process of its own with an empty cache. On a machine with other work the seconds of the processor
say more than those of the clock. Memory is what that process and those that help it hold
together, without counting twice what they share (Pss): anonymous memory apart from mapped pages of
files, which the system takes back as soon as it needs them. Results are added to the results file.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine
from benchmarks.memory import make_text
from steep import runs
from steep.stages.demo import checkpoint

RESULTS = Path(__file__).parent / "results"
PAUSE = 0.2  # seconds between two measurements
WORK = """
import json, os, sys, time
from steep.args.table import ColumnArgs
from steep.data.load import read_texts
from steep.data.tokens import tokenize
from steep.models.checkpoints import load_tokenizer

path, model, cores = sys.argv[1:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
tokenizer = load_tokenizer(model)
now = lambda: (time.monotonic(), sum(os.times()[:4]))  # also of processes that have helped
started = now()
corpus = read_texts([path], ColumnArgs(unit="paragraph"))
read = now()
tokens = tokenize(corpus, tokenizer)
done = now()
found = {"documents": len(tokens), "tokens": len(tokens.ids)}
for kind, name in enumerate(("seconds", "processor_seconds")):
    found[name] = {"read": read[kind] - started[kind], "tokenise": done[kind] - read[kind]}
print(json.dumps(found))
"""


def measure(folder: Path, megabytes: int, cores: int) -> dict[str, Any]:
    """Rates, peak memory and disk, of one size of text on so many cores."""
    path = folder / f"text-{megabytes}mb.txt"
    if not path.is_file():
        make_text(path, megabytes)
    model = str(checkpoint(install=False))
    with TemporaryDirectory(dir=folder) as cache:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(path), model, str(cores)],
            env=os.environ | {"HF_DATASETS_CACHE": cache, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        peak, most = {"Pss_Anon": 0.0, "Pss": 0.0}, 0.0
        while process.poll() is None:
            now = held(process.pid)
            peak = {kind: max(peak[kind], now[kind]) for kind in peak}
            most = max(most, on_disk(Path(cache)))
            time.sleep(PAUSE)
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
        kept = {kind: on_disk(Path(cache) / "steep" / kind) for kind in ("read", "tokens")}
    sizes = {"peak_mb": peak, "kept_mb": kept, "disk_mb": most}
    return found | {"megabytes": megabytes, "cores": cores} | sizes


def held(process: int) -> dict[str, float]:
    """Megabytes that a process and its children hold, what they share counted once."""
    root = Path("/proc") / str(process)
    try:
        lines = (root / "smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
        children = (root / "task" / str(process) / "children").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return {"Pss_Anon": 0.0, "Pss": 0.0}
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    own = {kind: int(sizes[kind].split()[0]) / 1024 for kind in ("Pss_Anon", "Pss")}
    for child in children:
        theirs = held(int(child))
        own = {kind: own[kind] + theirs[kind] for kind in own}
    return own


def on_disk(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except FileNotFoundError:  # it was renamed meanwhile
                continue
    return total / 1e6


def main() -> None:
    """Measure each size, print a line of it, and add it to the results file."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{options.name}.json"
    results = runs.read_json(path) if path.is_file() else {}
    results.setdefault("machine", machine.facts(options.cores))
    for megabytes in options.megabytes:
        found = measure(options.folder, megabytes, options.cores)
        results.setdefault("tokenising", {})[f"{megabytes}-{options.cores}"] = found
        runs.write_json(path, results)
        print(_line(found), flush=True)


def _line(found: dict[str, Any]) -> str:
    """What was measured, in words."""
    size, peak, kept = found["megabytes"], found["peak_mb"], found["kept_mb"]
    clock, processor = found["seconds"], found["processor_seconds"]
    rates = [
        f"{name} {size / clock[name]:.1f} MB/s ({size / processor[name]:.1f} MB a second of a core)"
        for name in clock
    ]
    return (
        f"{size:,} MB, {found['documents']:,} documents, {found['tokens']:,} tokens, "
        f"{found['cores']} cores: {', '.join(rates)}; at most {peak['Pss_Anon']:,.0f} MB of "
        f"memory, {peak['Pss']:,.0f} with mapped files; on the disk {kept['read']:,.0f} MB of "
        f"text and {kept['tokens']:,.0f} of tokens, at most {found['disk_mb']:,.0f} in all"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tokenising",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, help="where the text is made, and an empty cache for each run")
    add("--megabytes", type=int, nargs="+", default=[300], help="sizes of text (default 300)")
    add("--cores", type=int, default=len(os.sched_getaffinity(0)), help="cores (default all)")
    add("--name", default="tokenising", help="results go to benchmarks/results/NAME.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
