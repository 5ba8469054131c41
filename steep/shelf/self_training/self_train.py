"""steep self-train: fit a teacher, pseudo-label a pile of text, and fit a student on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steep import outputs, runs
from steep.args import FitArgs, PredictArgs
from steep.args.table import ColumnArgs
from steep.args.training import ModelArgs
from steep.console import say
from steep.data import budget
from steep.data.corpus import Corpus, Data, Task, join_corpora
from steep.data.duplicates import corpus_hashes
from steep.data.facts import describe
from steep.data.leaks import held_out
from steep.data.load import load
from steep.data.readers import Source
from steep.data.step2_text import without_leaks
from steep.data.tables import read_texts
from steep.errors import SteepError
from steep.models.trained import load_trained_model
from steep.openings import Follower, Openings
from steep.options import as_mapping, change, identity_of
from steep.places import find_place, inputs_of
from steep.shelf.self_training import SelfTrainArgs
from steep.shelf.self_training.pseudo_labels import pseudo_labels, with_pseudo_labels
from steep.stages.fit import adapted, check_fit, fit, splits_of

TEACHER = "teacher"  # OUT.teacher is the folder of the teacher


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

    The teacher is what `fit` makes of the same options; its folder stays beside `out`, as
    OUT.teacher. Texts of the `piles` that give a validation or test row away are left out, and
    those that have a label already. One round (Li et al. 2021, "Task-adaptive Pre-training and
    Self-training are Complementary"). `followers` are told of the student. Raises SteepError for
    whatever is wrong with files, options or checkpoints, or if there are no pseudo-labels.
    """
    fitting = args.fit
    find_place(out, "folder", fitting.output.overwrite, inputs_of(fitting, source, piles))
    data = load(source, fitting.table, fitting.split, splits_of(fitting.start))
    check_fit(data, fitting)
    _check_task(data)
    used = budget.chosen(data, fitting.few, fitting.seed.seed)
    notes = budget.notes(data, used, fitting.few)
    pile, sources = _unlabelled(data, used.train, piles, fitting.table.columns, notes)
    teacher = _teacher(data, fitting, out.with_name(f"{out.name}.{TEACHER}"))
    pseudo = _pseudo_labelled(teacher, pile, data.labelled(), args)
    enlarged = replace(
        data,
        train=with_pseudo_labels(used.train, pseudo.texts, pseudo.labels),
        notes=(*data.notes, *notes, pseudo.note),
    )
    # The labelled rows are drawn already, and the student must not draw from its own.
    student = change(fitting, {"label_budget": None, "shots": None})
    fit(enlarged, out=out, args=student, openings=Openings(followers=followers, options=_own(args)))
    found = {"self_training": pseudo.found, "sources": sources}
    _complete(out, data, fitting.start, found)
    return out


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
    held, corpora, sources = held_out(parts), [], []
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
    if folder.is_dir():
        made, mine = runs.read_manifest(folder, "fit"), identity_of(args)
        theirs = {name: made["args"].get(name) for name in mine}
        if (mine, describe(data)) == (theirs, made.get("data")):
            say(f"teacher: {folder}, as it is")
            return folder
    say("self-training: first the teacher")
    return fit(data, out=folder, args=args)


def _pseudo_labelled(teacher: Path, pile: Corpus, task: Task, args: SelfTrainArgs) -> PseudoLabels:
    """The texts that the teacher labels with confidence; SteepError if there are none."""
    size, asked = PredictArgs().batch.batch_size, args.pseudo
    given = load_trained_model(teacher).predict(pile, size, args.fit.machine, None)
    confident = len(pseudo_labels(task, given, asked.confidence, len(pile))[0])
    if not confident:
        raise SteepError(
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


def _own(args: SelfTrainArgs) -> dict[str, Any]:
    """The options that the student's run is to keep beside those of its fit."""
    return as_mapping(args.pseudo) | as_mapping(args.fit.few)


def _complete(out: Path, data: Data, start: ModelArgs, found: dict[str, Any]) -> None:
    """Add to the finished run what fit cannot know: which rows have labels, which pseudo-labels.

    The manifest describes the table, without pseudo-labels, and so does the model card.
    """
    from steep.models.model_card import write_card

    results = runs.read_json(out / runs.RESULTS) | found
    manifest = runs.read_json(out / runs.MANIFEST)
    manifest |= {"command": "self-train", "data": describe(data)}
    step2 = Path(str(start.model)) if adapted(start) else None
    with outputs.adding(out) as aside:
        runs.write_json(aside / runs.RESULTS, results)
        runs.write_json(aside / runs.MANIFEST, manifest)
        write_card(aside, out.resolve().name, manifest, results, step2)
