"""How does a file become the data of a run? Read, split once, checked for texts in two parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from steep.args import DataArgs
from steep.data import duplicates, readers
from steep.data.corpus import Corpus, Data
from steep.data.splits import Origin, Splits, load_splits, split
from steep.data.tables import read_table
from steep.errors import SteepError


def read(
    source: str | Path,
    text: str | None = None,
    label: str | None = None,
    args: DataArgs | None = None,
) -> Data:
    """A table of texts, read and split: what every function of Steep takes.

    `text` and `label` are the columns to read; further options are in `args`. Raises SteepError
    for whatever is wrong with the file or the options.
    """
    options = args or DataArgs()
    text = options.text if text is None else text
    label = options.label if label is None else label
    return load(Path(source), replace(options, text=text, label=label))


def load(file: Path, args: DataArgs, like: Path | None = None) -> Data:
    """The data of a run: the parts of `file`, and of `args.valid` and `args.test` if given.

    Splits as `args.splits` says, else as the splits.json `like` if that was drawn from this file,
    else by shares and seed. The sub-folders of a folder of texts are its classes, without a
    `--label`. Raises SteepError for whatever is wrong.
    """
    if args.label is None and readers.is_by_class(file):
        args = replace(args, label="label")
    whole = read_table(file, args)
    own_files = {"valid": args.valid, "test": args.test}
    own = {
        part: read_table(path, replace(args, sample_weight=None), whole.task)
        for part, path in own_files.items()
        if path is not None
    }
    if like is not None and not own and not args.splits and _serves(like, whole):
        args = replace(args, splits=like)
    splits = _load(args.splits, whole, own) if args.splits else _split(whole, own, args)
    parts = {p: _take(own.get(p, whole), rows) for p, rows in splits.parts.items()}
    notes = dict.fromkeys(note for corpus in (whole, *own.values()) for note in corpus.notes)
    how = f"split as {args.splits}" if args.splits else f"split seed {splits.seed}"
    sizes = ", ".join(f"{len(rows):,} {part}" for part, rows in splits.parts.items())
    data = Data(
        train=parts["train"],
        valid=parts["valid"],
        test=parts.get("test"),
        task=whole.task,
        splits=splits,
        notes=(*notes, f"rows: {sizes} ({how})", *splits.notes),
    )
    leaks = duplicates.find(data, near=False).notes() if own or args.splits else ()
    return replace(data, notes=data.notes + leaks)


def _split(whole: Corpus, own: dict[str, Corpus], args: DataArgs) -> Splits:
    """The whole file split by shares, and the rows of the parts that have a file of their own."""
    splits = split(whole, args)
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
