"""What does a first model add to the labels? Its sure answers to a pile of unlabelled text."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import FitArgs, PredictArgs
from steep.config import as_mapping, part
from steep.console import say
from steep.data import pseudo
from steep.data.corpus import Corpus, Data, Task, join
from steep.data.duplicates import corpus_hashes
from steep.data.leaks import held_out
from steep.data.tables import read_texts
from steep.errors import SteepError
from steep.stages import facts
from steep.stages.corpora import clean
from steep.stages.predict import load


@dataclass(frozen=True)
class SelfTraining:
    """The training rows with those that the first model labelled, and what is to be told of it."""

    train: Corpus
    found: dict[str, Any]
    notes: list[str]


def check(data: Data, args: FitArgs) -> None:
    """Raises SteepError if the task has no answers that could be labels."""
    if not args.self_train:
        return
    if data.labelled().kind == "regression":
        raise SteepError("self_train needs classes or labels; this is regression. Leave it out.")
    if data.train.has_pairs:
        raise SteepError("self_train reads single texts, not pairs. Leave it out.")


def self_train(
    data: Data, used: Data, args: FitArgs, out: Path, fit: Callable[[FitArgs, Path], Path]
) -> SelfTraining:
    """Label the pile `args.self_train` by a first model, and take what that is sure of.

    The first model is what `fit` makes of the same options without a pile; its folder stays beside
    `out`, as OUT.teacher. Texts that give a validation or test row away are left out, and those
    that have a label already. One round (Li et al. 2021, "Task-adaptive Pre-training and
    Self-training are Complementary"). Raises SteepError if nothing is sure.
    """
    notes: list[str] = []
    pile = _pile(data, used.train, args, notes)
    folder = _teacher(data, replace(args, self_train=(), track="none"), out, fit)
    given = load(folder).predict(pile, part(args, PredictArgs, without=("batch_size", "text")))
    task = data.labelled()
    sure_of = pseudo.sure if task.kind == "single" else pseudo.sure_of_all
    sure = len(sure_of(given, args.confidence, len(pile))[0])
    if not sure:
        raise SteepError(
            f"self_train: the first model ({folder}) is sure of no text at confidence "
            f"{args.confidence:g}. Lower it, or give more labels."
        )
    places, labels = sure_of(given, args.confidence, args.per_class)
    kept = _counts(labels, task)
    shown = ", ".join(f"{name} {count:,}" for name, count in kept.items())
    notes.append(
        f"self-training: of {len(pile):,} unlabelled texts the first model is sure of {sure:,} "
        f"({args.confidence:g} or more); {len(places):,} are learnt from ({shown})"
    )
    found = {"texts": len(pile), "sure": sure, "kept": kept, "teacher": folder.name}
    return SelfTraining(pseudo.grown(used.train, pile.take(places), labels), found, notes)


def _counts(labels: np.ndarray, task: Task) -> dict[str, int]:
    """How many texts got each class, or each label; of several labels, also how many got none."""
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=len(task.labels))
        return dict(zip(task.labels, counts.tolist(), strict=True))
    named = dict(zip(task.labels, labels.sum(axis=0).tolist(), strict=True))
    return named | {"none of them": int((labels.sum(axis=1) == 0).sum())}


def _pile(data: Data, train: Corpus, args: FitArgs, notes: list[str]) -> Corpus:
    """The unlabelled texts that may be learnt from."""
    kept = [corpus for name, corpus in data.parts.items() if name != "train" and len(corpus)]
    held, corpora = held_out(kept), []
    for path in args.self_train:
        corpus = read_texts([path], args)
        notes += corpus.notes
        corpora.append(clean(corpus, held, notes.append))
    pile = join(corpora)
    known = np.isin(corpus_hashes(pile), corpus_hashes(train))
    if known.any():
        notes.append(f"self-training: {known.sum():,} texts of the pile have a label already")
    if known.all():
        raise SteepError("self_train: every text has a label already. Give other texts.")
    return pile.take(np.flatnonzero(~known))


def _teacher(data: Data, args: FitArgs, out: Path, fit: Callable[[FitArgs, Path], Path]) -> Path:
    """The folder of the first model; made, unless it is there from a run that was killed."""
    folder = out.with_name(f"{out.name}.teacher")
    if folder.is_dir():
        made = runs.read_manifest(folder, "fit")
        known = [(as_mapping(args), facts.describe(data)), (made["args"], made["data"])]
        mine, theirs = (
            ({n: v for n, v in options.items() if n not in facts.HARMLESS}, of)
            for options, of in known
        )
        if mine == theirs:
            say(f"first model: {folder}, as it is")
            return folder
    say("self-training: first the model that labels")
    return fit(args, folder)
