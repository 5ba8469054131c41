"""How does a source become the data of a run? Read, split once, checked for texts in two parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from steep.args.table import SplitArgs, TableArgs
from steep.data.corpus import Corpus, Data
from steep.data.duplicates import find_duplicates
from steep.data.readers import Source, is_by_class
from steep.data.splits import Origin, Splits, load_splits, split_rows
from steep.data.tables import read_table
from steep.errors import SteepError
from steep.options import change


def load(source: Source | Data, table: TableArgs, how: SplitArgs, like: Path | None = None) -> Data:
    """The data of a run: the parts of `source`, and of the files of validation and test rows.

    Data that was read before is returned as it is. Splits as `how` says, else as the splits.json
    `like` if that was drawn from this source, else by shares and seed. The sub-folders of a folder
    of texts are its classes, without a label column. Raises SteepError for whatever is wrong.
    """
    if isinstance(source, Data):
        return source
    if table.target.label is None and is_by_class(source):
        table = change(table, {"label": "label"})
    whole = read_table(source, table)
    own = _own_files(table, how, whole)
    given = how.files.splits
    if like is not None and not own and not given and _serves(like, whole):
        given = like
    splits = _load(given, whole, own) if given else _split(whole, own, how)
    parts = {p: _take(own.get(p, whole), rows) for p, rows in splits.parts.items()}
    notes = dict.fromkeys(note for corpus in (whole, *own.values()) for note in corpus.notes)
    said = f"split as {given}" if given else f"split seed {splits.seed}"
    sizes = ", ".join(f"{len(rows):,} {part}" for part, rows in splits.parts.items())
    data = Data(
        train=parts["train"],
        valid=parts["valid"],
        test=parts.get("test"),
        task=whole.task,
        splits=splits,
        notes=(*notes, f"rows: {sizes} ({said})", *splits.notes),
        table=table,
        split=change(how, {"splits": given}),
    )
    leaks = find_duplicates(data, near=False).notes() if own or given else ()
    return replace(data, notes=data.notes + leaks)


def _own_files(table: TableArgs, how: SplitArgs, whole: Corpus) -> dict[str, Corpus]:
    """The parts that have a file of their own; only training rows need weights."""
    unweighted = change(table, {"sample_weight": None})
    paths = {"valid": how.files.valid, "test": how.files.test}
    return {
        part: read_table(path, unweighted, whole.task)
        for part, path in paths.items()
        if path is not None
    }


def _split(whole: Corpus, own: dict[str, Corpus], how: SplitArgs) -> Splits:
    """The whole file split by shares, and the rows of the parts that have a file of their own."""
    splits = split_rows(whole, how)
    return replace(
        splits,
        valid=own["valid"].rows() if "valid" in own else splits.valid,
        test=own["test"].rows() if "test" in own else splits.test,
        origins=splits.origins | {part: Origin.of(corpus) for part, corpus in own.items()},
    )


def _load(path: Path, whole: Corpus, own: dict[str, Corpus]) -> Splits:
    """The splits of an earlier run, if they were drawn from these files."""
    splits = load_splits(path)
    for part in own:
        if part not in splits.parts:
            raise SteepError(f"{path}: has no {part} rows, so --{part} cannot go with it.")
    for part, rows in splits.parts.items():
        if len(rows):
            splits.check(part, own.get(part, whole))
    return splits


def _serves(path: Path, whole: Corpus) -> bool:
    """Whether splits.json was drawn from this one file, and holds out rows for validation."""
    splits, own = load_splits(path), Origin.of(whole).fingerprint
    same = all(origin.fingerprint == own for origin in splits.origins.values())
    return same and len(splits.valid) > 0


def _take(corpus: Corpus, rows: np.ndarray) -> Corpus:
    return corpus.take(np.flatnonzero(np.isin(corpus.rows(), rows)))
