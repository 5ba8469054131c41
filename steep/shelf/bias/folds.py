"""How is every row scored by a fit that did not see it? In folds, near copies and groups together.

Groups are small after a split; out of fold, all rows of a table count. The scores of different fits
stand side by side: that their scales differ a little is in the metrics, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steep import runs
from steep.args import FitArgs
from steep.args.table import TableArgs
from steep.args.training import ModelArgs
from steep.data.corpus import Corpus, Data
from steep.data.duplicates import row_hashes
from steep.data.leaks import find_leaks, held_out, rows_of
from steep.data.load import read_table
from steep.data.readers import Source
from steep.data.splits import PARTS, Origin, Splits
from steep.errors import SteepError
from steep.metrics.predictions import WITHOUT, read_predictions
from steep.models.trained import Trained
from steep.seeds import numbers
from steep.shelf.bias import BiasArgs
from steep.shelf.bias.bias import examined, read_rows, scored
from steep.shelf.bias.findings import Found
from steep.stages.fit import already_fitted, fit
from steep.study.cells import outputs_in
from steep.wording import counted

VALID = 0.1  # of the rows that a fit may see, for validation
PASSES = 20  # over all folds, at most, until no copy of a row is in another


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold of each row of a corpus, and which rows stay together: int64 (n,) both."""

    corpus: Corpus
    table: TableArgs
    places: np.ndarray
    units: np.ndarray
    seed: int

    def data(self, fold: int) -> Data:
        """The corpus with this fold as its test rows."""
        test = self.places == fold
        drawn = numbers(self.seed, "folds", "valid", fold).random(self.units.max() + 1)
        valid = ~test & (drawn < VALID)[self.units]
        masks, own = (~test & ~valid, valid, test), self.corpus
        train, held, tested = (own.take(np.flatnonzero(mask)) for mask in masks)
        origins = dict.fromkeys(PARTS, Origin.of(own))
        splits = Splits(train.rows(), held.rows(), tested.rows(), origins, self.seed)
        return Data(train, held, tested, own.task, splits, own.notes, self.table)


def folds_of(corpus: Corpus, table: TableArgs, folds: int, seed: int) -> Folds:
    """So many folds, stratified by label, with copies and groups in one fold.

    Copies are those of `steep.data.leaks`; what is found in two folds moves into one, until nothing
    is found. Raises SteepError where there are fewer things to part than folds.
    """
    codes = corpus.group_codes()
    pairs = [_alike(row_hashes(corpus)), *([] if codes is None else [_alike(codes)])]
    units, firsts = _together(len(corpus), pairs)
    if not 2 <= folds <= len(firsts):
        raise SteepError(f"folds: choose from 2 to {len(firsts)}, not {folds}.")
    labels = corpus.labels()
    harmful = (labels if labels.ndim == 1 else labels[:, 0]) >= 0.5
    order = numbers(seed, "folds").permutation(len(firsts))
    order = order[np.argsort(harmful[firsts[order]], kind="stable")]
    places = np.empty(len(firsts), np.int64)
    places[order] = np.arange(len(order)) % folds
    places = places[units]
    for _ in range(PASSES):
        if not (found := _copies(corpus, places, folds)):
            break
        pairs += found
        units, firsts = _together(len(corpus), pairs)
        places = places[firsts][units]
    return Folds(corpus, table, places, units, seed)


def _alike(keys: np.ndarray) -> np.ndarray:
    """Each row with the first one of the same key, int64 (2, n)."""
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    return np.stack([np.arange(len(keys)), first[same]])


def _together(rows: int, pairs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows stay together that pairs join, (2, n) each: a number a row, and the first row."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ours, theirs = np.concatenate(pairs, axis=1)
    joined = coo_matrix((np.ones(len(ours)), (ours, theirs)), (rows, rows))
    units = connected_components(joined, directed=False)[1].astype(np.int64)
    return units, np.unique(units, return_index=True)[1]


def _copies(corpus: Corpus, places: np.ndarray, folds: int) -> list[np.ndarray]:
    """Rows that copy rows of other folds, with these: (2, n) each."""
    pairs = []
    for fold in range(folds):
        inside, outside = np.flatnonzero(places == fold), np.flatnonzero(places != fold)
        held = held_out([rows_of(corpus.take(inside))])
        leaks = find_leaks(rows_of(corpus.take(outside)), held)
        if leaks.found.any():
            pairs.append(np.stack([outside[leaks.found], inside[leaks.row[leaks.found]]]))
    return pairs


def out_of_fold(
    models: Mapping[str, Path], source: Source, out: Path | None, args: BiasArgs
) -> Found:
    """The findings about fits of `models`, checkpoints, with every row held out once.

    Finished fits stay in OUT.folds, so that a killed command goes on.
    """
    if out is None:
        raise SteepError("folds: name a folder with --out, beside which the fits are kept.")
    if args.target.label is None:
        raise SteepError("folds: name the column of labels with --label.")
    table = TableArgs(
        columns=args.columns, target=args.target, groups=args.groups, labels=args.labels
    )
    corpus = read_table(source, table)
    folds, arms = folds_of(corpus, table, args.bias.folds, args.seed.seed), []
    stand_in = Trained(Path(), folds.data(0).labelled(), table, 0, "head")
    rows = read_rows(source, corpus, stand_in, args)
    fits = counted(args.bias.folds, "fit")
    rows.notes.append(f"out of fold: {fits} of each model; copies of a row stay in one fold")
    known = np.isin(corpus.rows(), rows.corpus.rows())
    for number, (name, model) in enumerate(models.items(), 1):
        place = out.with_name(f"{out.name}.folds") / f"model-{number}"
        outputs, notes = _fitted(model, folds, place, args)
        rows.notes.extend(f"{name}: {note}" for note in notes)
        arms.append(scored(name, stand_in.task, [outputs[known]], rows, args))
    return examined(rows, arms, args)


def _fitted(
    model: Path, folds: Folds, folder: Path, args: BiasArgs
) -> tuple[np.ndarray, list[str]]:
    """What the fits of a checkpoint predict for the fold that they did not see, (n, labels).

    And what the checkpoint saw of it, as the first fit notes it.
    """
    start = ModelArgs(model=str(model))
    own = FitArgs(table=folds.table, start=start, tune=args.fit, seed=args.seed)
    own, parts, notes = replace(own, machine=args.machine), [], list[str]()
    for fold in range(args.bias.folds):
        data, place = folds.data(fold), folder.with_name(f"{folder.name}-fold-{fold + 1}")
        if not already_fitted(place, data, own):
            fit(data, out=place, args=own)
        parts.append(fold_outputs(place, data))
        made = runs.read_manifest(place, "fit").get("notes", [])
        notes = notes or [note for note in made if note.startswith("transductive")]
    found = np.zeros((len(folds.places), parts[0].shape[1]))
    for fold, outputs in enumerate(parts):
        found[folds.places == fold] = outputs
    return found, notes


def fold_outputs(folder: Path, data: Data) -> np.ndarray:
    """What a fit of `data` predicted for its test rows, float64 (n, labels)."""
    path, task = folder / runs.PREDICTIONS / "test.csv", data.labelled()
    return outputs_in(read_predictions(path, task.described(), WITHOUT), task, path)
