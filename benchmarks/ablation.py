"""What is each part of ULMFiT worth on your rows? Its ablations as one command, on a BERT.

    python -m benchmarks.ablation trec.csv --label label --test test.csv --model DIR \\
        --label-budget 500 --out ablation

Howard and Ruder 2018, table 7 (how the classifier is fine-tuned) and table 6 (what step 2 does
before it). Every arm tries every learning rate with the first seed, takes the one that is best on
the validation rows, and runs with it for the other seeds. It is compared, paired by seed, with
plain fine-tuning of all layers (table 6: with no step 2). Every finished run is kept in a file, so
the same command resumes an ablation that was stopped.

What differs from the paper: a BERT in place of an LSTM; test rows in place of validation rows; the
learning rate is chosen for each arm; table 7 starts from the checkpoint, without step 2, unless
--model names a folder of 'steep adapt'; step 2 has no constant rate, so in table 6 the rate of
"full" decays linearly from the start, and "stlr" adds a warm-up before that.
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

import steep
from benchmarks import paired, rates
from steep import outputs, runs
from steep.args import MachineArgs, OverwriteArgs, SeedArgs, TuneArgs
from steep.args.chosen import options_for
from steep.args.pretraining import SeedsArgs
from steep.args.table import SplitArgs, TableArgs
from steep.args.training import BaseArgs, BatchArgs, EpochArgs, LayerArgs, LengthArgs, ModelArgs
from steep.console import say
from steep.data.corpus import Data, Task, describe
from steep.data.load import load
from steep.errors import SteepError
from steep.flags import command
from steep.metrics.predictions import prediction_lines
from steep.metrics.scores import primary
from steep.models.checkpoints import load_tokenizer
from steep.models.devices import choose
from steep.models.hub import find
from steep.options import Part, as_mapping, change, identity_of, option
from steep.seeds import derive
from steep.study.arms import Arm, CellInput, fine_tune
from steep.study.begin import test_of
from steep.study.cells import CellJob, keep_cell, kept_cell, run_cell
from steep.study.design import Cell, Start, start_of
from steep.study.verdict import CellResult
from steep.train import classify, phases

STEADY = {"schedule": "constant", "warmup_ratio": 0.0, "layer_decay": 1.0, "unfreeze": "none"}
STLR = {"schedule": "slanted", "warmup_ratio": 0.1}
COS = {"schedule": "cosine", "warmup_ratio": 0.0}
FREEZ = {"unfreeze": "gradual"}
DISCR = {"layer_decay": 1 / 2.6}
WHOLE = FREEZ | DISCR | STLR
CLASSIFIER: dict[str, dict[str, Any]] = {  # table 7: how an arm differs from STEADY
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
    "LM full": {"warmup_ratio": 0.0, "layer_decay": 1.0},
    "LM full+discr": {"warmup_ratio": 0.0} | DISCR,
    "LM full+discr+stlr": {"warmup_ratio": 0.1} | DISCR,
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
FITTED = Arm("ablation", "the checkpoint, fine-tuned", fine_tune)

Starts = dict[tuple[str, int], Path | None]
"""What each arm and seed starts from: a folder, or None for the checkpoint itself."""


@dataclass(frozen=True, kw_only=True)
class ArmsArgs(Part):
    """Ablation."""

    rates: tuple[float, ...] = option(
        (1e-4, 1e-3), "Learning rates to try (repeatable).", common=True
    )
    label_budget: int | None = option(
        None, "Use only this many training labels.", least=1, common=True
    )
    pooling: str = option("concat", "What the head reads; ULMFiT's is concat.", common=True)
    adapt_epochs: float = option(
        10.0, "Passes over the text in step 2; 0 leaves table 6 out.", least=0, common=True
    )
    adapt_learning_rate: float = option(3e-4, "Peak learning rate of step 2.", least=0, common=True)
    results: Path | None = option(
        None, "Write the results to this JSON file, too.", common=True, harmless=True
    )


@dataclass(frozen=True, kw_only=True)
class AblationArgs:
    """What all arms share; an arm is its row of the table besides."""

    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    base: BaseArgs = BaseArgs()
    seeds: SeedsArgs = SeedsArgs(seeds=3)
    arms: ArmsArgs = ArmsArgs()
    epochs: EpochArgs = EpochArgs(epochs=10)
    batch: BatchArgs = BatchArgs(batch_size=16)
    length: LengthArgs = LengthArgs(max_length=128)
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()

    @property
    def tune(self) -> TuneArgs:
        """Step 3, but for what an arm changes."""
        layers = LayerArgs(pooling=self.arms.pooling)
        whole = TuneArgs(epochs=self.epochs, batch=self.batch, length=self.length, layers=layers)
        return change(whole, STEADY)


@dataclass(frozen=True)
class Ablation:
    """What the runs of an ablation share; `out` is the folder in which they are kept."""

    common: CellInput
    tune: TuneArgs
    starts: Starts
    labels: int | None
    out: Path

    def cell(self, arm: str, rate: float, seed: int) -> Cell:
        """A run of an arm, which is done first unless it is finished."""
        cell, metric = Cell(rates.name(arm, rate), seed, self.labels), self.common.metric
        if not cell.path(self.out).is_file():
            tune = change(self.tune, CLASSIFIER.get(arm, WHOLE) | {"learning_rate": rate})
            job = CellJob(cell, FITTED, self.starts[arm, seed], tune)
            found, test = run_cell(self.common, job), self.common.test
            lines = prediction_lines(test, self.common.data.labelled(), found.test)
            keep_cell(cell, self.out, found.facts, lines)
            say(f"{cell}: {metric} {found.facts['test'].get(metric, math.nan):.4f}")
        return cell


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path, typer.Option("--out", help="Folder for the runs and the table.")]


@command(app, AblationArgs, stopped="Finished runs are kept; run it again to resume.")
def ablation(file: Path, out: Out, **options: Any) -> None:
    """ULMFiT's ablations (tables 6 and 7) on a table of your own."""
    args = options_for(AblationArgs, "ablation", options)
    start = start_of(args.start.model, args.base.base)
    data = load(file, args.table, args.split, start.splits)
    test, task = test_of(data), data.labelled()
    begin_ablation(data, start, out, args)
    starts = starts_of(data, start, out, args)
    common = CellInput(data, test, start.base, primary(task), args.machine)
    whole = Ablation(common, args.tune, starts, args.arms.label_budget, out)
    chosen: dict[str, float] = {}
    results: list[CellResult] = []
    for arm in dict.fromkeys(arm for arm, _ in starts):
        finished = partial(whole.cell, arm)
        chosen[arm], cells = rates.settled(finished, args.arms.rates, seeds_of(args), out, task)
        kept = (kept_cell(cell, out, task, test.rows()) for cell in cells)
        results += [replace(cell, arm=arm) for cell in kept]
    lines = tables(task, test.labels(), results, chosen)
    for place in filter(None, (out / "ablation.json", args.arms.results)):
        runs.write_json(place, runs.read_json(out / runs.STUDY) | {"lines": lines})
    typer.echo(table(lines, primary(task)))


def seeds_of(args: AblationArgs) -> range:
    """The seeds with which every arm runs."""
    return range(args.seed.seed, args.seed.seed + args.seeds.seeds)


def begin_ablation(data: Data, start: Start, out: Path, args: AblationArgs) -> None:
    """Make the folder, or check that the one there is of the same ablation.

    Raises SteepError for whatever is wrong, before anything is trained.
    """
    machine = choose(args.machine)
    learn = classify.learner(data, start.base, args.tune, machine, args.seed.seed)
    phases.unfreezing("chain-thaw", args.epochs.count, len(learn.splitter(learn.model)))
    described = describe(data)
    if (out / runs.STUDY).is_file() and not args.output.overwrite:
        known = runs.read_json(out / runs.STUDY)
        asked = identity_of(args)
        given = {name: known["args"].get(name) for name in asked}
        if (given, known["data"]) != (asked, described):
            raise SteepError(f"{out} holds an ablation with other options or rows.")
        return
    outputs.make(out, args.output.overwrite)
    study = runs.manifest("ablation", args) | {"data": described, "computing": str(machine)}
    runs.write_json(out / runs.STUDY, study)


def starts_of(data: Data, start: Start, out: Path, args: AblationArgs) -> Starts:
    """What each arm and seed starts from; random weights and the encoders of step 2 are made."""
    found: Starts = {}
    for seed in seeds_of(args):
        found |= {(arm, seed): start.given for arm in CLASSIFIER}
        found[SCRATCH, seed] = random_weights(start.base, out / f"scratch-seed{seed}", seed)
    for arm, options in LANGUAGE.items() if args.arms.adapt_epochs else ():
        folder = out / arm.replace(" ", "-")
        if not folder.is_dir():
            step2 = step2_options(args) | options
            steep.adapt(data, start.base, out=folder, **step2)
        found |= {(arm, seed): folder for seed in seeds_of(args)}
    return found


def random_weights(model: str, folder: Path, seed: int) -> Path:
    """A checkpoint of the shape of `model` that has learnt nothing."""
    if not (folder / runs.WEIGHTS).is_file():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "scratch"))
            AutoModel.from_config(AutoConfig.from_pretrained(find(model))).save_pretrained(folder)
        load_tokenizer(model).save_pretrained(folder)
    return folder


def step2_options(args: AblationArgs) -> dict[str, Any]:
    """The options of step 2 that all arms of table 6 share."""
    budget = {"epochs": args.arms.adapt_epochs, "learning_rate": args.arms.adapt_learning_rate}
    return budget | as_mapping(args.length) | as_mapping(args.seed) | as_mapping(args.machine)


def tables(
    task: Task, labels: np.ndarray, results: list[CellResult], chosen: dict[str, float]
) -> list[dict[str, Any]]:
    """One line an arm: its learning rate, its values and its gain; table 7's lines, then 6's."""
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
    """The lines in Markdown, in a table for each of the paper's."""
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
