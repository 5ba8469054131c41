"""Where does a training step's time go: in the Trainer at its best, and in Steep?

    python -m benchmarks.profile --case fit-25

A few steps of each under torch's profiler, after a few that warm up. The time of each operation
itself is added up by kind; the rest of a step's time is Python, data and waiting. The profiler
slows everything a little. Results are added to the results file.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, schedule

from benchmarks import machine, ours, trainer
from benchmarks.cases import CASES, Job, prepare
from benchmarks.contest import Turns
from steep import runs
from steep.args import MachineArgs
from steep.models.devices import choose

RESULTS = Path(__file__).parent / "results"
WARM, STEPS = 12, 8
KINDS = {  # the whole name of an operation has to match
    "matrix products": r"mm|addmm|bmm|baddbmm",
    "attention in one kernel": r"_scaled_dot_product.*",
    "softmax": r"_?(log_)?softmax.*|nll_loss.*",
    "dropout": r"bernoulli_|native_dropout.*|ge_?",
    "gelu": r"gelu.*",
    "layer norm": r"native_layer_norm.*",
    "AdamW and clipping": r"_fused_adamw_|linalg_vector_norm|_foreach.*",
    "copies, casts, zeros": r"copy_|fill_|zero_|cat|index.*|embedding.*",
    "element by element": r"add_?|mul_?|div_?|addcmul_?|sub_?|sum|where|masked_fill_?",
    "dropout bits and calls of Steep": r"_(Linear|Attention|ResidualNorm|Dropout|Cross).*",
}
REST = "all else"


class Profiled(Turns):
    """Stands in for a contest's turns: advances the profiler, and never waits."""

    def __init__(self, profiler: profile) -> None:
        self.profiler, self.ends = profiler, list[float]()

    def ready(self) -> None:
        """There is nothing to wait for."""

    def step(self, tokens: int | Tensor) -> None:
        """A step is done."""
        self.ends.append(time.perf_counter())
        self.profiler.step()


def steps(train: Callable[[Any, Turns], Any], job: Any) -> dict[str, float]:
    """Kind of operation -> milliseconds of a step."""
    plan = schedule(wait=WARM - 1, warmup=1, active=STEPS, repeat=1)
    with profile(activities=[ProfilerActivity.CPU], schedule=plan) as profiler:
        turns = Profiled(profiler)
        train(job, turns)
    found: Counter[str] = Counter()
    for event in profiler.key_averages():
        if not event.key.startswith("ProfilerStep"):
            found[kind(event.key)] += event.self_cpu_time_total / STEPS / 1000
    whole = 1000 * (turns.ends[WARM + STEPS - 1] - turns.ends[WARM - 1]) / STEPS
    return dict(found) | {"Python, data, waiting": whole - found.total(), "a step": whole}


def kind(operation: str) -> str:
    """The kind of an operation, by its name in the profile."""
    name = operation.removeprefix("aten::")
    return next((what for what, names in KINDS.items() if re.fullmatch(names, name)), REST)


def main() -> None:
    """Profile the cases asked for, and add the results to the results file."""
    options = _options()
    torch.set_num_threads(options.threads)
    path = RESULTS / f"{options.name}.json"
    results = runs.read_json(path) if path.is_file() else {"cases": {}}
    results["machine"] = machine.facts(options.threads)
    for name in options.case:
        results.setdefault("profiles", {})[name] = profiles(name, options.attention)
        runs.write_json(path, results)


def profiles(name: str, attention: str) -> dict[str, dict[str, float]]:
    """Contestant -> kind of operation -> milliseconds of a step."""
    case, bf16 = CASES[name], choose(MachineArgs(device="cpu")).bf16
    fits = case.stage == "fit"
    with TemporaryDirectory() as folder:
        job = prepare(Job(case, Path(folder), WARM + STEPS + 1, device="cpu"))
        theirs = trainer.Entry(job, False, bf16, attention)
        found = {
            f"best ({attention})": steps(trainer.fit if fits else trainer.adapt, theirs),
            "steep": steps(ours.fit if fits else ours.adapt, job),
        }
    for who, times in found.items():
        print(f"\n{name}, {who}")
        for what, milliseconds in sorted(times.items(), key=lambda item: -item[1]):
            print(f"{milliseconds:8.1f} ms  {what}")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [name for name, case in CASES.items() if case.stage != "predict"]
    add = parser.add_argument
    add("--case", action="append", choices=names, required=True, help="repeatable")
    add("--attention", choices=("eager", "sdpa"), default="eager", help="of the Trainer")
    add("--name", default="cpu", help="results go to benchmarks/results/NAME.json")
    add("--threads", type=int, default=torch.get_num_threads(), help="threads of each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
