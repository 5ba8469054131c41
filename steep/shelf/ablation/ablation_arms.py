"""Which arms does an ablation add to a study? Other options, random weights, other texts."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from steep.args.table import SplitArgs
from steep.args.training import LengthArgs, ModelArgs
from steep.console import say, track
from steep.data.corpus import Corpus
from steep.data.load import load, read_texts
from steep.errors import SteepError
from steep.openings import AblationArgs, CompareCommand
from steep.options import as_mapping
from steep.seeds import derive, numbers
from steep.shelf.ablation.tables import OWN_FILE, Ablation, Row, needed, read_ablation
from steep.study.arms import Arm, CellInput, CellOutput, Step2Job, arm_of_tables, fine_tune

OPTIONS = ("ablation", "pile", "curated", "tables")


def ablation_arms(args: CompareCommand) -> list[Arm]:
    """The arms that the ablation of `args` makes; those that it leaves out are said.

    Raises SteepError where an option gives texts that none of them reads, or an arm would learn
    from more labels than the label budgets allow.
    """
    given, budgets = args.ablation, args.core.study.label_budgets
    assert given.ablation is not None
    found, values = read_ablation(given.ablation), as_mapping(args)
    needs = {name: option for name, row in found.rows.items() if (option := needed(name, row))}
    for option in OPTIONS[1:]:
        if values[option] and option not in needs.values():
            raise SteepError(f"option '{option}': no arm of {found.source} reads these files.")
    if given.tables and budgets:
        raise SteepError(
            "option 'tables': the arm multitask learns from all training labels, whatever the "
            "label budget. Leave out --tables or --label-budgets."
        )
    left = [f"{n} (--{o.replace('_', '-')} FILE)" for n, o in needs.items() if not values[o]]
    if left:
        say(f"{found.paper}: left out, for lack of texts: {', '.join(left)}")
    rows = found.rows_with(values)
    return [_arm(name, row, found, given) for name, row in rows.items() if row.is_own]


def _arm(name: str, row: Row, found: Ablation, args: AblationArgs) -> Arm:
    """The arm of a row of the ablation."""
    own_text = row.step2 not in (None, "random weights")
    own: dict[str, dict[str, Any]] = {"adapt": {}} if own_text else {}
    arm = arm_of_tables(name, own | row.tables, found.source)
    known = {option: args.__dict__[option] for option in OPTIONS}
    if str(args.ablation).endswith(OWN_FILE):
        known["ablation"] = Path(str(args.ablation))  # compared by what it holds
    about = f"{row.place}: {arm.about}" if row.tables else row.place
    arm = replace(arm, about=about, options=known)
    k = row.neighbours
    match row.step2:
        case "random weights":
            return replace(arm, fit=from_scratch, pretrain=None, rival=True)
        case "curated":
            return replace(arm, texts=args.curated)
        case "nearest texts":
            reader = partial(pretrain_on_nearest, args.pile, k)
            return replace(arm, pretrain=reader, texts=args.pile, drawn=k)
        case "random texts":
            reader = partial(pretrain_on_random, args.pile, k)
            return replace(arm, pretrain=reader, texts=args.pile, drawn=k)
        case "multitask":
            return replace(arm, pretrain=partial(pretrain_on_tables, args.tables), timed=False)
    return arm


def from_scratch(cell: CellInput) -> CellOutput:
    """Step 3 of an encoder with random weights, others for each seed."""
    with TemporaryDirectory() as folder:
        random = random_weights(cell.base, Path(folder), cell.seed)
        return fine_tune(replace(cell, encoder=random))


def random_weights(model: str, folder: Path, seed: int) -> Path:
    """A checkpoint of the shape of `model` that has learnt nothing, written to `folder`."""
    import torch
    from transformers import AutoConfig, AutoModel

    from steep.models.checkpoints import load_tokenizer
    from steep.models.hub import find

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "scratch"))
        AutoModel.from_config(AutoConfig.from_pretrained(find(model))).save_pretrained(folder)
    load_tokenizer(model).save_pretrained(folder)
    return folder


def pretrain_on_nearest(pile: tuple[Path, ...], k: int, job: Step2Job) -> None:
    """Step 2 on the task's text and the `k` texts of `pile` nearest to each of its training rows.

    Gururangan et al. 2020, section 5.2 (kNN-TAPT).
    """
    read = _pile(pile, job)
    _pretrain_with(read, nearest_texts(read, k, job), pile, job)


def pretrain_on_random(pile: tuple[Path, ...], k: int, job: Step2Job) -> None:
    """Step 2 on the task's text and as many texts of `pile`, at random, as `pretrain_on_nearest`.

    Gururangan et al. 2020, section 5.2 (RAND-TAPT).
    """
    read = _pile(pile, job)
    count = len(nearest_texts(read, k, job))
    drawn = numbers(job.args.seed.seed, "random texts").choice(len(read), count, replace=False)
    _pretrain_with(read, np.sort(drawn), pile, job)


def _pile(files: tuple[Path, ...], job: Step2Job) -> Corpus:
    """The texts of these files, each once."""
    from steep.shelf.select.select import without_repeats

    return without_repeats(read_texts(files, job.args.table.columns))[0]


def nearest_texts(pile: Corpus, k: int, job: Step2Job) -> np.ndarray:
    """Positions in `pile` of the texts nearest to the training rows, each once, ascending."""
    from steep.shelf.select.select import CHUNK, find_neighbours, tfidf_vectors

    train, seed = job.data.train, job.args.seed.seed
    found = find_neighbours(train, pile, k, tfidf_vectors(train, pile, seed))
    *_, last = track(found, -(-len(pile) // CHUNK), "comparing")
    return last.selected


def _pretrain_with(read: Corpus, chosen: np.ndarray, pile: tuple[Path, ...], job: Step2Job) -> None:
    """Step 2 on the files of the job, with those texts in place of the whole pile."""
    from steep.stages.adapt import adapt

    say(f"{job.out.name}: {len(chosen):,} of {len(read):,} texts of the pile")
    texts = [text for batch in read.take(chosen).texts() for text in batch]
    column = job.args.table.columns.text or "text"
    others = [path for path in job.files if path not in pile]
    drawn = pd.DataFrame({column: texts})
    adapt(job.data, out=job.out, args=job.args, unlabelled=[*others, drawn])


def pretrain_on_tables(tables: tuple[Path, ...], job: Step2Job) -> None:
    """Train one encoder on the task's training rows and those of other labelled tables at once.

    Sun et al. 2019, section 5.5. Raises SteepError where a table has other columns.
    """
    from steep.shelf.multitask import MultitaskArgs, TaskArgs
    from steep.shelf.multitask.multitask import apart, train_sets

    args, how = job.args, SplitArgs(shares=job.args.split.shares, leaks=job.args.split.leaks)
    sets = {"task": job.data} | {path.stem: load(path, args.table, how) for path in tables}
    columns = TaskArgs(text=(args.table.text,), label=(args.table.target.label or "label",))
    whole = MultitaskArgs(
        tasks=columns,
        start=ModelArgs(model=args.start.model),
        length=LengthArgs(max_length=args.pretrain.length.max_length),
        seed=args.seed,
        machine=args.machine,
        saving=args.saving,
    )
    train_sets(apart(sets), job.out, whole)
