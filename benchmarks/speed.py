"""How fast does Steep train and predict, beside Hugging Face's Trainer and pipeline?

    python -m benchmarks.speed                       all cases (--help says how long each takes)
    python -m benchmarks.speed --case fit-25         one of them
    python -m benchmarks.speed --short               three cases, few steps: 3 to 15 minutes
    python -m benchmarks.speed --gpu                 BERT-base on a GPU: fit on mixed lengths, adapt

Each contestant has a process of its own, and they take turns: while one works, the others wait. All
start from the same weights and take as many steps on the same text. Only tokens of text are
counted, not padding, [CLS] and [SEP]. Every finished case is added to the results file, so that the
same command resumes where it was stopped; `python -m benchmarks.page` makes the tables of
benchmarks/README.md from that file.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import machine, ours, predict, trainer
from benchmarks.cases import CASES, GPU, SHORT, Case, Job, operations, prepare, shrunk
from benchmarks.contest import Contestant, contest
from benchmarks.summary import show, summary
from steep import runs
from steep.args import MachineArgs
from steep.errors import SteepError
from steep.models.devices import Machine, choose

RESULTS = Path(__file__).parent / "results"
TRIAL = 2  # steps of each kind of attention, of which the faster is taken
# Measured (for "base": estimated) before "steep --plain" joined: training cases now take longer.
MINUTES = {  # two cores without AMX, default options
    "adapt-128": 12, "fit-25": 6, "fit-120": 6, "fit-512": 12, "predict-25": 6, "predict-120": 6,
    "predict-512": 6, "base-adapt-128": 25, "base-fit-25": 12, "base-fit-120": 12,
    "base-fit-512": 12, "base-fit-mixed": 60, "base-predict-120": 6,
}  # fmt: skip


def main() -> None:
    """Run the cases asked for; print a line for each contestant, and keep everything as JSON."""
    options = _options()
    try:
        choose(MachineArgs(device=options.device, precision=options.precision))
    except SteepError as error:  # before anything is made
        raise SystemExit(f"{error}") from None
    path = RESULTS / f"{options.name}.json"
    path.parent.mkdir(exist_ok=True)
    found = runs.read_json(path) if path.is_file() else {"cases": {}}
    found["machine"] = machine.facts(options.threads)
    for name in options.case or (SHORT if options.short else GPU if options.gpu else CASES):
        if name in found["cases"] and not options.again:
            print(f"{name}: in {path.name} already (--again measures it anew)", flush=True)
            continue
        started = time.monotonic()
        case = shrunk(CASES[name], options.size, options.steps, options.rows)
        found["cases"][name] = run(case, options) | {
            "minutes": round((time.monotonic() - started) / 60, 1)
        }
        runs.write_json(path, found)
        show(name, found["cases"][name])


def run(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """What was measured in the contests of a case, one a seed."""
    chosen = choose(MachineArgs(device=options.device, precision=options.precision))
    steps = case.steps * (options.rounds + 1)
    seeds = 1 if case.stage == "predict" else options.seeds
    with TemporaryDirectory() as folder:
        job = Job(case, Path(folder), steps, 0, options.precision, chosen.device.type)
        prepare(job)
        entries = predictors if case.stage == "predict" else trainers
        make = entries(job, chosen, options)
        scores = [
            contest(make(replace(job, seed=seed)), options.rounds, case.steps, options.threads)
            for seed in range(seeds)
        ]
        length = _mean_length(job)
    peak = machine.peaks(options.threads, chosen.device.type, chosen.bf16)
    work = operations(case, length)
    return {
        "stage": case.stage,
        "size": case.size,
        "mean_tokens": round(length, 1),
        "rows": case.rows,
        "steps": steps,
        "precision": "bf16" if chosen.bf16 else "fp32",
        "peak_gflops": peak,
        "contestants": summary(scores, work, peak),
    }


def trainers(
    job: Job, chosen: Machine, options: argparse.Namespace
) -> Callable[[Job], list[Contestant]]:
    """The Trainer, stock and best, and Steep; if it has faster layers here, also without them."""
    theirs, own = (
        (trainer.fit, ours.fit) if job.case.stage == "fit" else (trainer.adapt, ours.adapt)
    )
    attention = options.attention or _faster_attention(job, chosen, options, theirs)

    def make(job: Job) -> list[Contestant]:
        best = trainer.Entry(job, False, chosen.bf16, attention, options.compile)
        plain = [Contestant("steep --plain", own, replace(job, plain=True))] if chosen.fast else []
        return [
            Contestant("stock", theirs, trainer.Entry(job, True, False, "sdpa")),
            Contestant(f"best ({attention})", theirs, best),
            *plain,
            Contestant("steep", own, job),
        ]

    return make


def _faster_attention(
    job: Job, chosen: Machine, options: argparse.Namespace, train: Callable[..., Any]
) -> str:
    """sdpa or eager, whichever is faster for the Trainer here; on a GPU always sdpa."""
    if chosen.device.type != "cpu":
        return "sdpa"
    trial = replace(job, steps=2 * TRIAL)
    entries = [
        Contestant(name, train, trainer.Entry(trial, False, chosen.bf16, name))
        for name in ("sdpa", "eager")
    ]
    scores = contest(entries, 1, TRIAL, options.threads)
    return max(scores, key=lambda name: scores[name].rates[0])


def predictors(
    job: Job, chosen: Machine, options: argparse.Namespace
) -> Callable[[Job], list[Contestant]]:
    """Steep, the pipeline in fp32 and bf16, ONNX Runtime in fp32 and int8 (on a CPU)."""
    predict.make_model(job)

    def make(job: Job) -> list[Contestant]:
        pipelines = [
            Contestant(f"pipeline {form}", predict.by_pipeline, predict.Entry(job, form))
            for form in (("fp32", "bf16") if chosen.bf16 else ("fp32",))
        ]
        onnx = [
            Contestant(f"ONNX Runtime {form}", predict.by_onnx, predict.Entry(job, form))
            for form in (("fp32", "int8") if chosen.device.type == "cpu" else ())
        ]
        entry = predict.Entry(job, "bf16" if chosen.bf16 else "fp32")
        return [*pipelines, *onnx, Contestant("steep", predict.by_steep, entry)]

    return make


def _mean_length(job: Job) -> float:
    """Mean number of tokens of a text as the models see it, special ones included."""
    if job.case.stage == "adapt":
        return float(job.case.max_length)
    data = ours.table(job)
    rows = ours.classifier_rows(job, data.train)
    return float(rows.lengths.mean())


def _options() -> argparse.Namespace:
    times = "\n".join(f"  {name:18} about {minutes} min" for name, minutes in MINUTES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        epilog=f"cases, and how long each takes on two cores:\n{times}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--case", action="append", choices=CASES, help="only this case (repeatable)")
    add("--name", default="cpu", help="results go to benchmarks/results/NAME.json")
    add("--size", choices=("minilm", "base", "tiny"), help="another model than the case's own")
    add("--rounds", type=int, default=3, help="turns of each contestant and seed (default 3)")
    add("--steps", type=int, help="steps in a turn (default: the case's own)")
    add("--rows", type=int, help="texts in a step (default: the case's own)")
    add("--seeds", type=int, default=3, help="seeds of order, masks and dropout (default 3)")
    add("--threads", type=int, default=torch.get_num_threads(), help="threads of each contestant")
    add(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default="auto",
        help="precision of best and Steep",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    add(
        "--attention",
        choices=("eager", "sdpa"),
        help="attention of best (default: the faster in a trial)",
    )
    add("--compile", action="store_true", help="best uses torch.compile, too")
    add("--again", action="store_true", help="measure anew what the results file has already")
    add("--gpu", action="store_true", help="cases for a GPU, anew, in bf16 or what it has")
    add("--short", action="store_true", help="three cases, one seed, two rounds of two steps")
    options = parser.parse_args()
    if options.gpu:
        options.device, options.name, options.again = "cuda", "gpu", True
    if options.short:
        options.rounds, options.seeds, options.name = 2, 1, f"{options.name}-short"
        options.steps, options.again = options.steps or 2, True
    return options


if __name__ == "__main__":
    main()
