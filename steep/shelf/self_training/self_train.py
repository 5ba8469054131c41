"""steep self-train: fit a teacher, pseudo-label a pile of text, and fit a student on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import runs
from steep.args import FitArgs, PredictArgs
from steep.args.table import ColumnArgs
from steep.args.training import ModelArgs
from steep.console import say
from steep.data import budget
from steep.data.corpus import Corpus, Data, Task, describe, join_corpora
from steep.data.duplicates import corpus_hashes
from steep.data.enlarged import with_rows
from steep.data.leaks import held_out, texts_of
from steep.data.load import load, read_texts
from steep.data.readers import Source
from steep.data.step2_text import without_leaks
from steep.errors import SteepError
from steep.models.trained import load_trained_model
from steep.openings import Follower, Openings
from steep.options import as_mapping, change
from steep.places import find_place, inputs_of
from steep.shelf.self_training import SelfTrainArgs
from steep.stages.fit import already_fitted, amend, check_fit, fitted, say_result, splits_of

TEACHER = "teacher"  # OUT.teacher is the folder of the teacher


class NoPseudoLabels(SteepError):
    """The teacher is confident of no text, so there is no student."""


@dataclass(frozen=True)
class PseudoLabels:
    """Texts with pseudo-labels, int64 (n,) or (n, L); what results.json and a note say of them."""

    texts: Corpus
    labels: np.ndarray
    found: dict[str, Any]
    note: str


def self_train(
    source: Source | Data,
    piles: Source | Sequence[Source],
    *,
    out: Path,
    args: SelfTrainArgs,
    followers: Sequence[Follower] = (),
) -> Path:
    """Fit a student on labels and pseudo-labels; returns its folder `out`, as that of `fit`.

    Texts of the `piles` that give a validation or test row away are left out, and those that have a
    label already. One round (Li et al. 2021, "Task-adaptive Pre-training and Self-training are
    Complementary"). `followers` are told of the student. Raises SteepError for whatever is wrong
    with files, options or checkpoints, or if there are no pseudo-labels.
    """
    teacher = out.with_name(f"{out.name}.{TEACHER}")
    say_result(out, student(source, piles, teacher, out=out, args=args, followers=followers))
    return out


def student(
    source: Source | Data,
    piles: Source | Sequence[Source],
    teacher: Path,
    *,
    out: Path,
    args: SelfTrainArgs,
    followers: Sequence[Follower] = (),
) -> dict[str, Any]:
    """What `self_train` does before it says what it found; returns the results of the student.

    The folder `teacher` holds what `fit` makes of the same options, or is written.
    """
    fitting = args.fit
    find_place(out, "folder", fitting.output.overwrite, inputs_of(fitting, source, piles))
    data = load(source, fitting.table, fitting.split, splits_of(fitting.start))
    check_fit(data, fitting)
    _check_task(data)
    used = budget.chosen(data, fitting.few, fitting.seed.seed)
    notes = budget.notes(data, used, fitting.few)
    pile, sources = _unlabelled(data, used.train, piles, fitting.table.columns, notes)
    pseudo = _pseudo_labelled(_teacher(data, fitting, teacher), pile, data.labelled(), args)
    enlarged = replace(
        data,
        train=with_rows(used.train, pseudo.texts, pseudo.labels),
        notes=(*data.notes, *notes, pseudo.note),
    )
    # The labelled rows are drawn already, and the student must not draw from its own.
    all_rows = change(fitting, {"label_budget": None, "shots": None})
    own = as_mapping(args.pseudo) | as_mapping(fitting.few)  # to be kept beside those of the fit
    results = fitted(
        enlarged, out=out, args=all_rows, openings=Openings(followers=followers, options=own)
    )
    found = {"self_training": pseudo.found, "sources": sources}
    _complete(out, data, fitting.start, results | found)
    return results | found


def _check_task(data: Data) -> None:
    """Raises SteepError if no prediction of the task can be a pseudo-label."""
    if data.labelled().kind == "regression":
        raise SteepError("Self-training needs classes or labels, and this is a regression.")
    if data.train.has_pairs:
        raise SteepError("Self-training reads single texts, not pairs.")


def _unlabelled(
    data: Data,
    train: Corpus,
    piles: Source | Sequence[Source],
    columns: ColumnArgs,
    notes: list[str],
) -> tuple[Corpus, list[dict[str, Any]]]:
    """The texts that may get pseudo-labels, and the name and counts of each of the `piles`."""
    parts = [corpus for name, corpus in data.parts.items() if name != "train" and len(corpus)]
    held, corpora, sources = held_out(texts_of(parts)), [], []
    for pile in piles if isinstance(piles, list | tuple) else [piles]:
        whole = read_texts([pile], columns)
        notes += whole.notes
        kept = without_leaks(whole, held, notes.append)
        corpora.append(kept)
        counts = {"documents": len(kept), "left_out": len(whole) - len(kept)}
        sources.append({"name": whole.source, **counts})
    if not corpora:
        raise SteepError("Self-training needs a file of unlabelled text.")
    texts = join_corpora(corpora)
    known = np.isin(corpus_hashes(texts), corpus_hashes(train))
    if known.any():
        notes.append(f"self-training: {known.sum():,} of the unlabelled texts have a label already")
    if known.all():
        raise SteepError("Self-training: every text has a label already. Give other texts.")
    return texts.take(np.flatnonzero(~known)), sources


def _teacher(data: Data, args: FitArgs, folder: Path) -> Path:
    """The folder of the teacher: fitted, unless it is there already from a run of the same kind."""
    if already_fitted(folder, data, args):
        say(f"teacher: {folder}, as it is")
        return folder
    say("self-training: first the teacher")
    fitted(data, out=folder, args=args)
    return folder


def _pseudo_labelled(teacher: Path, pile: Corpus, task: Task, args: SelfTrainArgs) -> PseudoLabels:
    """The texts that the teacher labels with confidence; SteepError if there are none."""
    size, asked = PredictArgs().batch.size, args.pseudo
    given = load_trained_model(teacher).predict(pile, size, args.fit.machine, None)
    confident = len(pseudo_labels(task, given, asked.confidence, len(pile))[0])
    if not confident:
        raise NoPseudoLabels(
            f"Self-training: the teacher ({teacher}) labels no text with confidence "
            f"{asked.confidence:g}. Lower it, or give more labels."
        )
    places, labels = pseudo_labels(task, given, asked.confidence, asked.per_class)
    kept = _counts(labels, task)
    shown = ", ".join(f"{name} {count:,}" for name, count in kept.items())
    note = (
        f"self-training: of {len(pile):,} unlabelled texts the teacher labels {confident:,} with "
        f"confidence {asked.confidence:g} or more; {len(places):,} are pseudo-labels ({shown})"
    )
    found = {"texts": len(pile), "confident": confident, "kept": kept, "teacher": teacher.name}
    return PseudoLabels(pile.take(places), labels, found, note)


def _counts(labels: np.ndarray, task: Task) -> dict[str, int]:
    """How many texts got each class, or each label; of several labels, also how many got none."""
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=len(task.labels))
        return dict(zip(task.labels, counts.tolist(), strict=True))
    named = dict(zip(task.labels, labels.sum(axis=0).tolist(), strict=True))
    return named | {"none of them": int((labels.sum(axis=1) == 0).sum())}


def _complete(out: Path, data: Data, start: ModelArgs, results: dict[str, Any]) -> None:
    """Add to the finished run what fit cannot know: which rows have labels, which pseudo-labels.

    The manifest describes the table, without pseudo-labels, and so does the model card.
    """
    manifest = runs.read_json(out / runs.MANIFEST)
    manifest |= {"command": "self-train", "data": describe(data)}
    amend(out, out.resolve().name, manifest, results, start)


def pseudo_labels(
    task: Task, probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that get a pseudo-label, ascending, and their labels.

    `most` bounds the rows of a class, or of a label. Lee 2013, "Pseudo-Label".
    """
    choose = one_label if task.kind == "single" else several_labels
    return choose(probabilities, confidence, most)


def one_label(
    probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, ascending, of the rows predicted with confidence, and their classes; int64 (k,).

    `probabilities` is (n, classes). A row counts if its class has a probability of `confidence` or
    more; of each class at most `most`, the most confident first, so that the class which the
    teacher prefers does not crowd out the others.
    """
    classes, best = probabilities.argmax(axis=1), probabilities.max(axis=1)
    kept = []
    for number in range(probabilities.shape[1]):
        own = np.flatnonzero((classes == number) & (best >= confidence))
        kept.append(own[np.argsort(-best[own], kind="stable")][:most])
    places = np.sort(np.concatenate(kept))
    return places, classes[places]


def several_labels(
    probabilities: np.ndarray, confidence: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, ascending, of the rows of which every label is predicted with confidence.

    `probabilities` is (n, L); also returns the labels, 0/1, int64 (k, L). A row counts if each
    label has a probability of `confidence` or more, or of 1 - `confidence` or less. The most
    confident come first, by their least certain label, and one is taken while any of its labels,
    or the rows without a label, has fewer than `most`.
    """
    labels = (probabilities >= 0.5).astype(np.int64)
    least = np.maximum(probabilities, 1 - probabilities).min(axis=1)
    none = 1 - labels.max(axis=1, keepdims=True)
    counted = np.concatenate([labels, none], axis=1).astype(bool)  # what a row counts towards
    taken, places = np.zeros(counted.shape[1], np.int64), []
    for row in np.argsort(-least, kind="stable"):
        if least[row] < confidence:
            break
        if (taken[counted[row]] < most).any():
            places.append(int(row))
            taken += counted[row]
    places.sort()
    return np.array(places, np.int64), labels[places]
