"""How does a source become a corpus, and the data of a run?

Its columns get their meaning, it is split once, and copies in two parts are looked for; what is
dropped is said.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
from pandas.util import hash_array

from steep.args.table import ColumnArgs, SplitArgs, TableArgs, Unit
from steep.data.batches import example_weights
from steep.data.corpus import Corpus, Data, Task, join_corpora
from steep.data.duplicates import find_conflicts, repeat_notes
from steep.data.guard import guarded
from steep.data.labels import encode_labels
from steep.data.raw import TEXT, TEXTS, Column, Raw, check_named_once
from steep.data.readers import Source, is_by_class, open_raw, stored, table_key
from steep.data.splits import Origin, Splits, load_splits, split_rows
from steep.errors import SteepError
from steep.options import change, nearest
from steep.wording import LONGEST_QUOTE, brief, quoted, some, split_at_commas

USUAL = "text"  # the column of texts, where none is named
MANY = 30  # columns that messages name
LONGEST_NAME = 60  # of a column; what is longer, or a number, is a row of data


def load(source: Source | Data, table: TableArgs, how: SplitArgs, like: Path | None = None) -> Data:
    """The data of a run: the parts of `source`, and of the files of validation and test rows.

    Data that was read before is returned as it is. Splits as `how` says, else as the splits.json
    `like` if that was drawn from these files, else by shares and seed. Without a label column the
    sub-folders of a folder are its classes. Raises SteepError for whatever is wrong.
    """
    if isinstance(source, Data):
        return source
    if table.target.label is None and is_by_class(source):
        table = change(table, {"label": "label"})
    whole = read_table(source, table)
    return split_data(whole, _own_files(table, how, whole), table, how, like)


def split_data(
    whole: Corpus, own: dict[str, Corpus], table: TableArgs, how: SplitArgs, like: Path | None
) -> Data:
    """The data of corpora that were read: `whole`, and those of parts that have a file `own`."""
    given = how.files.splits
    if like is not None and not given and _serves(like, whole, own):
        given = like
    group = table.groups.group
    if group is not None:
        from steep.data.groups import check_several, group_notes  # only where it is needed

        for corpus in (whole, *([own["test"]] if "test" in own else [])):
            check_several(corpus, group)
    splits = _load(given, whole, own) if given else _split(whole, own, how)
    parts = {p: _take(own.get(p, whole), rows) for p, rows in splits.parts.items()}
    notes = dict.fromkeys(note for corpus in (whole, *own.values()) for note in corpus.notes)
    said = f"split as {given}" if given else f"split seed {splits.seed}"
    sizes = ", ".join(f"{len(rows):,} {part}" for part, rows in splits.parts.items())
    grouped = group_notes(parts, group, splits.left_out) if group is not None else []
    told = (*notes, f"rows: {sizes} ({said})", *grouped, *splits.notes)
    split = change(how, {"splits": given})
    train, valid, test = parts["train"], parts["valid"], parts.get("test")
    data = Data(train, valid, test, whole.task, splits, told, table, split)
    repeats = (repeat_notes(data) if own or given else ()) + find_conflicts(parts.values()).notes()
    return guarded(replace(data, notes=data.notes + repeats))


def _own_files(table: TableArgs, how: SplitArgs, whole: Corpus) -> dict[str, Corpus]:
    """The parts that have a file of their own; only training rows need weights."""
    unweighted = change(table, {"sample_weight": None})
    paths = {"valid": how.files.valid, "test": how.files.test}
    return {
        p: read_table(path, unweighted, whole.task) for p, path in paths.items() if path is not None
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


def _serves(path: Path, whole: Corpus, own: dict[str, Corpus]) -> bool:
    """Whether splits.json was drawn from these files, and holds out rows for validation."""
    splits, mine = load_splits(path), Origin.of(whole)
    files = dict.fromkeys(splits.parts, mine) | {p: Origin.of(c) for p, c in own.items()}
    prints = {part: origin.fingerprint for part, origin in files.items()}
    same = prints == {part: origin.fingerprint for part, origin in splits.origins.items()}
    return same and len(splits.valid) > 0


def _take(corpus: Corpus, rows: np.ndarray) -> Corpus:
    return corpus.take(np.flatnonzero(np.isin(corpus.rows(), rows)))


def read_table(
    source: Source, table: TableArgs, task: Task | None = None, keep_empty: bool = False
) -> Corpus:
    """A table of texts, with labels if `table.target` names some.

    Rows without a text are dropped, unless `keep_empty` makes empty texts of them; both are noted.

    With `task` (of the training rows) the labels must be labels of that task. Raises SteepError
    for a source that cannot be read, a missing column, or a label that does not fit.
    """
    raw = open_raw(source, table.columns.unit)
    names = _label_columns(raw, table.target.label)
    roles = _roles(raw, table.columns) | {f"label {i}": name for i, name in enumerate(names)}
    if (group := table.groups.group) is not None:
        from steep.data.groups import check_group_column, check_groups  # only where it is needed

        check_group_column(raw, group)
        roles["group"] = group
    weight = table.labels.sample_weight if names else None
    if weight is not None:
        check_column(raw, weight)
        roles["raw weight"] = weight
    corpus = _corpus(raw, roles, table.columns, keep_empty)
    if group is not None:
        check_groups(corpus, raw.where, group)
    if not names:
        return corpus
    columns = [_column(raw, corpus, f"label {i}", name) for i, name in enumerate(names)]
    encode = encode_labels
    if table.labels.soft:
        from steep.data.soft import encode_soft as encode
    encoded = encode(columns, table.labels, task)
    found, notes = {"label": encoded.values}, encoded.notes
    if weight is not None:
        counts = _column(raw, corpus, "raw weight", weight)
        found["weight"] = example_weights(counts)
        notes += counts.number_notes()
    if encoded.soft is not None:
        found["soft"] = encoded.soft
    rows = corpus.table.select_columns([n for n in corpus.table.column_names if " " not in n])
    rows = datasets.concatenate_datasets([rows, _as_columns(found)], axis=1)
    return replace(corpus, table=rows, task=encoded.task, notes=corpus.notes + notes)


def read_texts(sources: Sequence[Source], columns: ColumnArgs) -> Corpus:
    """Text without labels from sources of any kind, in the order given.

    A table without the column `columns.text` may have a column 'text', or one column of text only.
    Several sources are joined: their rows are numbered anew, from 0.
    """
    if not sources:
        raise SteepError("No file of text is given.")
    corpora = [_read_unlabelled(source, columns) for source in sources]
    return corpora[0] if len(corpora) == 1 else join_corpora(corpora)


def read_columns(source: Source, unit: Unit) -> dict[str, list[Any]]:
    """All columns of a table, every row in its order; texts, but of a DataFrame as they are."""
    raw = open_raw(source, unit)
    if isinstance(source, pd.DataFrame):
        check_named_once(raw.where, list(map(str, source.columns)), list(raw.columns))
        return {str(name): column.tolist() for name, column in source.items()}
    found: dict[str, list[Any]] = {name: [] for name in raw.columns}
    for batch in raw.batches(list(found)):
        for name, cells in found.items():
            cells += batch.column(name).to_pylist()
    return found


def _read_unlabelled(source: Source, columns: ColumnArgs) -> Corpus:
    raw, text = open_raw(source, columns.unit, classes=False), columns.text or "text"
    if text not in raw.columns:
        found = _only_text(raw, text)
        notes = (*raw.notes, f"{raw.name}: no column {quoted(text)}, so {quoted(found)} is read")
        raw, text = replace(raw, notes=notes), found
    identifier = columns.id if columns.id in raw.columns else None
    plain = ColumnArgs(text=text, id=identifier, unit=columns.unit)
    return _corpus(raw, _roles(raw, plain), plain)


def _only_text(raw: Raw, wanted: str) -> str:
    texts = [name for name, kind in raw.columns.items() if kind == TEXT and name != "id"]
    if "text" in texts:
        return "text"
    if len(texts) == 1:
        return texts[0]
    raise SteepError(_explain_missing(raw, wanted))


def _corpus(
    raw: Raw, roles: dict[str, str], columns: ColumnArgs, keep_empty: bool = False
) -> Corpus:
    """The corpus of these columns, from the cache if the same was read before."""
    key = table_key(raw, roles, columns.unit, keep_empty)
    table, counts = stored(key, raw, roles, keep_empty)
    rows, empty, unnamed = (counts[name] for name in ("rows", "empty", "unnamed"))
    if not len(table):
        raise SteepError(
            f"{raw.where}: no row with a text in column {quoted(roles['text'])} ({rows:,} rows)."
        )
    notes = list(raw.notes)
    if empty:
        what = "text or pair" if "pair" in roles else "text"
        fate = "kept as empty texts" if keep_empty else "dropped"
        notes.append(f"{raw.name}: {empty:,} of {rows:,} rows have no {what}: {fate}")
    if unnamed:
        notes.append(
            f"{raw.name}: {unnamed:,} of {rows:,} rows have an empty cell in column "
            f"{quoted(roles['id'])}: the row number is their id"
        )
    twice = _repeated(table) if "id" in roles else 0  # row numbers are all different
    if twice:
        notes.append(f"{raw.name}: {twice:,} rows share their id with an earlier row")
    return Corpus(table, source=raw.name, notes=tuple(notes))


def _repeated(table: datasets.Dataset) -> int:
    """How many rows share their id with an earlier one; a hash of each is held, not the ids."""
    chunks = table.data.column("id").iterchunks()
    hashes = [hash_array(chunk.to_numpy(zero_copy_only=False)) for chunk in chunks]
    return len(table) - len(np.unique(np.concatenate(hashes)))


def _roles(raw: Raw, columns: ColumnArgs) -> dict[str, str]:
    """Which column of the table is the text, the pair and the identifier."""
    roles = {"text": columns.text or USUAL}
    if columns.pair is not None:
        roles["pair"] = columns.pair
    if columns.id is not None or "id" in raw.columns:
        roles["id"] = columns.id or "id"
    for name in roles.values():
        check_column(raw, name)
        if raw.columns[name] == TEXTS:
            raise SteepError(
                f"{raw.where}, column {quoted(name)}: holds lists, where texts are expected."
            )
    return roles


def _label_columns(raw: Raw, label: str | None) -> list[str]:
    """The columns behind `label`: one, or several joined by commas; names may hold commas."""
    if label is None:
        return []
    if label in raw.columns:
        return [label]
    commas = max((name.count(",") for name in raw.columns), default=0)
    names = split_at_commas(label, lambda name: name in raw.columns, commas)
    for name in filter(None, names):
        check_column(raw, name)
    return list(dict.fromkeys(filter(None, names)))


def _column(raw: Raw, corpus: Corpus, role: str, name: str) -> Column:
    return Column(raw.where, name, corpus.table.data.column(role), corpus.rows())


def check_column(raw: Raw, name: str) -> None:
    """Raises SteepError if the table has no such column."""
    if name not in raw.columns:
        raise SteepError(_explain_missing(raw, name))


def _explain_missing(raw: Raw, name: str) -> str:
    there = list(raw.columns)
    shown = some([f"'{brief(column, 40)}'" for column in there], MANY)
    hint = nearest(name, there[:MANY]) if len(name) <= LONGEST_QUOTE else ""
    if not hint and name == USUAL:
        hint = " Say with --text which of them holds the texts."
    headless = (len(column) > LONGEST_NAME or column.replace(".", "").isdigit() for column in there)
    if raw.files and any(headless):
        hint = " The first line looks like data: add a header line that names the columns."
    return f"{raw.where}: there is no column {quoted(name)}. The columns are {shown}.{hint}"


def _as_columns(arrays: dict[str, np.ndarray]) -> datasets.Dataset:
    """Arrays (n,) or (n, labels) as a table, by the names of its columns."""
    kinds = {name: datasets.Value(str(values.dtype)) for name, values in arrays.items()}
    features = {n: datasets.List(k) if arrays[n].ndim == 2 else k for n, k in kinds.items()}
    return datasets.Dataset.from_dict(arrays, features=datasets.Features(features))
