"""What is each part of ULMFiT worth on your rows? Its ablations as one command, on a BERT.

    python -m benchmarks.ablation trec.csv --label label --test test.csv --model DIR \\
        --label-budget 500 --out ablation

Howard and Ruder 2018, table 7 (how the classifier is fine-tuned) and table 6 (what step 2 does
before it). Every arm tries every rate with the first seed, takes the one that is best on the
validation rows, and runs with it for the other seeds. It is compared, paired by seed, with plain
fine-tuning of all layers (table 6: with no step 2). A finished run is a file, so the same command
goes on where it was stopped.

What differs from the paper: a BERT in place of an LSTM; test rows in place of validation rows; the
rate chosen for each arm; table 7 starts from the checkpoint, without step 2, unless --encoder
names an adapted one; step 2 has no constant rate, so in table 6 the rate of "full" falls in a line
from the start, and "stlr" adds the rise before it.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from transformers import AutoConfig, AutoModel

from benchmarks import paired, rates
from steep import runs
from steep import options as config
from steep.args import AdaptArgs, FitArgs
from steep.args.data import DataArgs
from steep.args.run import RunArgs
from steep.options import option
from steep.console import say
from steep.data.corpus import Data, Task
from steep.data.load import load
from steep.errors import SteepError
from steep.metrics.scores import primary
from steep.models.checkpoints import load_tokenizer
from steep.models.devices import choose
from steep.models.hub import find
from steep.flags import command
from steep.seeds import derive
from steep.stages import facts
from steep.stages.adapt import adapt
from steep.study.begin import test_of
from steep.stages.fit import splits_of
from steep.study.design import Cell, read, write
from steep.study.cells import run
from steep.study.verdict import CellResult
from steep.train import engine, phases

STEADY: dict[str, Any] = {"schedule": "constant", "warmup": 0.0, "decay": 1.0, "unfreeze": "none"}
STLR = {"schedule": "slanted", "warmup": 0.1}
COS = {"schedule": "cosine", "warmup": 0.0}
FREEZ = {"unfreeze": "gradual"}
DISCR = {"decay": 1 / 2.6}
WHOLE = FREEZ | DISCR | STLR
CLASSIFIER: dict[str, dict[str, Any]] = {  # table 7: what an arm differs by from STEADY
    "from scratch": {},
    "full": {},
    "full+discr": DISCR,
    "last": {"unfreeze": "never"},
    "chain-thaw": {"unfreeze": "chain-thaw"},
    "freez": FREEZ,
    "freez+discr": FREEZ | DISCR,
    "freez+stlr": FREEZ | STLR,
    "freez+cos": FREEZ | COS,
    "freez+discr+stlr": WHOLE,
}
LANGUAGE: dict[str, dict[str, Any]] = {  # table 6: step 2; the classifier is always WHOLE
    "LM full": {"warmup": 0.0, "decay": 1.0},
    "LM full+discr": {"warmup": 0.0} | DISCR,
    "LM full+discr+stlr": {"warmup": 0.1} | DISCR,
}
SCRATCH, PLAIN, NO_STEP2 = "from scratch", "full", "freez+discr+stlr"
PAPER = {  # validation error in per cent: IMDb, TREC-6, AG
    "from scratch": (9.93, 13.36, 6.81), "full": (6.87, 6.86, 5.81),
    "full+discr": (5.57, 6.21, 5.62), "last": (6.49, 16.09, 8.38),
    "chain-thaw": (5.39, 6.71, 5.90), "freez": (6.37, 6.86, 5.81),
    "freez+discr": (5.39, 5.86, 6.04), "freez+stlr": (5.04, 6.02, 5.35),
    "freez+cos": (5.70, 6.38, 5.29), "freez+discr+stlr": (5.00, 5.69, 5.38),
    "LM none": (6.99, 6.38, 6.09), "LM full": (5.86, 6.54, 5.61),
    "LM full+discr": (5.55, 6.36, 5.47), "LM full+discr+stlr": (5.00, 5.69, 5.38),
}  # fmt: skip


Starts = dict[tuple[str, int], Path | None]


@dataclass(frozen=True, kw_only=True)
class AblationArgs(DataArgs, RunArgs):
    """What all arms share; the rest of an arm is its row of the table."""

    model: str | None = option(None, "Checkpoint to start from: a folder or a hub name.")
    encoder: Path | None = option(None, "Folder of 'steep adapt' that table 7 starts from.")
    seeds: int = option(3, "Seeds; every arm runs once with each.", least=1)
    rates: tuple[float, ...] = option((1e-4, 1e-3), "Learning rates to try (repeatable).")
    label_budget: int | None = option(None, "Use only this many training labels.", least=1)
    epochs: int = option(10, "Passes over the labelled rows.", least=1)
    batch_size: int = option(16, "Rows in a step of the optimiser.", least=1)
    max_length: int = option(128, "Longest input in tokens.", least=8)
    pooling: str = option("concat", "What the head reads; ULMFiT's is concat.")
    adapt_epochs: float = option(
        10.0, "Passes over the text in step 2; 0 leaves table 6 out.", least=0
    )
    adapt_learning_rate: float = option(3e-4, "Highest learning rate of step 2.", least=0)
    results: Path | None = option(None, "Write the figures to this JSON file, too.")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path, typer.Option("--out", help="Folder for the runs and the table.")]


@command(app, AblationArgs, stopped="Finished runs are kept; run it again to go on.")
def ablation(file: Path, out: Out, args: AblationArgs) -> None:
    """ULMFiT's ablations (tables 6 and 7) on a table of your own."""
    data, fitting = prepared(file, out, args)
    test, task = test_of(data), data.labelled()
    starts = encoders(data, out, args)
    chosen: dict[str, float] = {}
    results: list[CellResult] = []
    for arm in dict.fromkeys(arm for arm, _ in starts):
        finished = partial(_cell, arm, starts, data, fitting, out)
        seeds = range(args.seed, args.seed + args.seeds)
        chosen[arm], cells = rates.settled(finished, args.rates, seeds, out, task)
        results += [replace(read(cell, out, task), arm=arm) for cell in cells]
    lines = tables(task, test.labels(), results, chosen)
    for place in filter(None, (out / "ablation.json", args.results)):
        runs.write_json(place, runs.read_json(out / runs.STUDY) | {"lines": lines})
    typer.echo(table(lines, primary(task)))


def prepared(file: Path, out: Path, args: AblationArgs) -> tuple[Data, FitArgs]:
    """The data, and the options that all arms share; makes or checks the folder.

    Raises SteepError for whatever is wrong, before anything is trained.
    """
    if args.model is None:
        raise SteepError("Name a checkpoint with --model.")
    data = load(file, args, splits_of(args.encoder))
    test_of(data)
    fitting = replace(config.part(args, FitArgs, without=("encoder",)), **STEADY)
    learn = engine.learner(data, args.model, fitting)
    phases.plan("chain-thaw", args.epochs, len(learn.splitter(learn.model)))
    study = runs.manifest("ablation", replace(args, overwrite=False, results=None))
    study |= {"data": facts.describe(data), "computing": str(choose(args))}
    if (out / runs.STUDY).is_file() and not args.overwrite:
        known = runs.read_json(out / runs.STUDY)
        if any(known[name] != study[name] for name in ("args", "data")):
            raise SteepError(f"{out} holds an ablation with other options or rows.")
        return data, fitting
    runs.make(out, args.overwrite)
    runs.write_json(out / runs.STUDY, study)
    return data, fitting


def encoders(data: Data, out: Path, args: AblationArgs) -> Starts:
    """What each arm and seed starts from: random weights, step 2's, or the checkpoint's (None)."""
    found: Starts = {}
    seeds = range(args.seed, args.seed + args.seeds)
    for seed in seeds:
        found |= {(arm, seed): args.encoder for arm in CLASSIFIER}
        found[SCRATCH, seed] = random_weights(str(args.model), out / f"scratch-seed{seed}", seed)
    for arm, options in LANGUAGE.items() if args.adapt_epochs else ():
        folder = out / arm.replace(" ", "-")
        if not folder.is_dir():
            adapt(data, out=folder, args=adapting(args, options))
        found |= {(arm, seed): folder for seed in seeds}
    return found


def random_weights(model: str, folder: Path, seed: int) -> Path:
    """A checkpoint of the shape of `model` that has learnt nothing."""
    if not (folder / runs.WEIGHTS).is_file():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "scratch"))
            AutoModel.from_config(AutoConfig.from_pretrained(find(model))).save_pretrained(folder)
        load_tokenizer(model).save_pretrained(folder)
    return folder


def adapting(args: AblationArgs, options: dict[str, Any]) -> AdaptArgs:
    """The options of step 2 for an arm of table 6."""
    shared = config.part(args, AdaptArgs, without=("encoder", "epochs", "overwrite", "model"))
    rate = {"learning_rate": args.adapt_learning_rate, "epochs": args.adapt_epochs}
    return replace(shared, model=str(args.model), **(rate | options))


def _cell(
    arm: str, starts: Starts, data: Data, fitting: FitArgs, out: Path, rate: float, seed: int
) -> Cell:
    """A run of an arm, which is done first where it is not finished."""
    cell = Cell(rates.name(arm, rate), seed, fitting.label_budget)
    if not cell.path(out).is_file():
        options = replace(fitting, **CLASSIFIER.get(arm, WHOLE), learning_rate=rate)
        test, task = test_of(data), data.labelled()
        found = run(cell, data, test, starts[arm, seed], options)
        write(cell, out, found.facts, facts.prediction_lines(test, task, found.test))
        say(f"{cell}: {primary(task)} {found.facts['test'].get(primary(task), math.nan):.4f}")
    return cell


def tables(
    task: Task, labels: np.ndarray, results: list[CellResult], chosen: dict[str, float]
) -> list[dict[str, Any]]:
    """One line an arm: its rate, its values and its gain; table 7's lines, then 6's."""
    language = [arm for arm in LANGUAGE if arm in chosen]
    parts = [(7, PLAIN, list(CLASSIFIER)), (6, NO_STEP2, [NO_STEP2, *language])]
    lines = []
    for number, against, arms in parts if language else parts[:1]:
        own = [result for result in results if result.arm in arms]
        for line in paired.lines(task, labels, own, primary(task), against):
            arm = line["arm"]
            line["arm"] = "LM none" if (number, arm) == (6, NO_STEP2) else arm
            line["paper"] = PAPER[line["arm"]]
            lines.append({"table": number, "rate": chosen[arm]} | line)
    return lines


def table(lines: list[dict[str, Any]], metric: str) -> str:
    """The lines in Markdown, a table of its own for each of the paper's."""
    text = []
    for number, against in ((7, PLAIN), (6, "LM none")):
        own = [line for line in lines if line["table"] == number]
        if own:
            text += ["", f"| table {number} | rate | {metric}, mean (seeds) | "]
            text[-1] += f"gain over {against} (95 %) | p (Holm) | seconds | paper: IMDb, TREC |"
            text.append("|---|---|---|---|---|---|---|")
            text += [_row(line) for line in own]
    return "\n".join(text[1:])


def _row(line: dict[str, Any]) -> str:
    imdb, trec, _ = line["paper"]
    shown = f"| {line['arm']} | {line['rate']:g} | {paired.values(line)} | {paired.gain(line)} | "
    return shown + f"{paired.chance(line)} | {line['seconds']:.0f} | {imdb:.2f}, {trec:.2f} |"


if __name__ == "__main__":
    app()
