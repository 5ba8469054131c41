"""How does a file become a corpus? Its columns get their meaning; what is dropped is said."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
from pandas.util import hash_array

from steep.args import TableArgs
from steep.data import delimited, files, labels, readers, soft, store, weights
from steep.data.corpus import Corpus, Task, join
from steep.data.raw import TEXT, TEXTS, Raw
from steep.errors import SteepError


def read_table(
    path: Path, args: TableArgs, task: Task | None = None, keep_empty: bool = False
) -> Corpus:
    """A table of texts, with labels if `args.label` names some.

    Rows without a text are dropped, unless `keep_empty` makes empty texts of them; both are noted.

    With `task` (of the training rows) the labels must be labels of that task. Raises SteepError
    for a file that cannot be read, a missing column, or a label that does not fit.
    """
    raw = readers.open_raw(path, args)
    columns = _label_columns(path, raw, args)
    roles = _roles(path, raw, args) | {f"label {i}": name for i, name in enumerate(columns)}
    if columns and args.sample_weight is not None:
        _check_column(path, raw, args.sample_weight)
        roles["raw weight"] = args.sample_weight
    corpus = _corpus(path, raw, roles, args, keep_empty)
    if not columns:
        return corpus
    cells = {name: corpus.table.data.column(f"label {i}") for i, name in enumerate(columns)}
    kind = soft if args.soft else labels
    encoded = kind.encode(cells, corpus.rows(), args, str(path), task)
    found = {"label": encoded.values} | _weights(path, corpus, args)
    if encoded.soft is not None:
        found["soft"] = encoded.soft
    table = corpus.table.select_columns([n for n in corpus.table.column_names if " " not in n])
    table = datasets.concatenate_datasets([table, _as_columns(found)], axis=1)
    return replace(corpus, table=table, task=encoded.task, notes=corpus.notes + encoded.notes)


def _weights(path: Path, corpus: Corpus, args: TableArgs) -> dict[str, np.ndarray]:
    if args.sample_weight is None:
        return {}
    cells = corpus.table.data.column("raw weight")
    return {"weight": weights.read(cells, corpus.rows(), str(path), args.sample_weight)}


def read_texts(paths: Sequence[Path], args: TableArgs) -> Corpus:
    """Text without labels from files of any kind, in the order given.

    A table without the column `args.text` may have a column 'text', or one column of text only.
    Several files are joined: their rows are numbered anew, from 0.
    """
    if not paths:
        raise SteepError("No file of text is given.")
    corpora = [_read_unlabelled(path, args) for path in paths]
    return corpora[0] if len(corpora) == 1 else join(corpora)


def _read_unlabelled(path: Path, args: TableArgs) -> Corpus:
    raw = readers.open_raw(path, args)
    notes = raw.notes
    if args.text not in raw.columns:
        found = _only_text(path, raw, args)
        notes += (f"{path.name}: no column '{args.text}', so '{found}' is read",)
        args = replace(args, text=found)
    plain = replace(args, pair=None, id=args.id if args.id in raw.columns else None)
    raw = replace(raw, notes=notes)
    return _corpus(path, raw, _roles(path, raw, plain), plain)


def _only_text(path: Path, raw: Raw, args: TableArgs) -> str:
    texts = [name for name, kind in raw.columns.items() if kind == TEXT and name != "id"]
    if "text" in texts:
        return "text"
    if len(texts) == 1:
        return texts[0]
    raise SteepError(_explain_missing(path, raw, args.text))


def _corpus(
    path: Path, raw: Raw, roles: dict[str, str], args: TableArgs, keep_empty: bool = False
) -> Corpus:
    """The corpus of these columns, from the cache if the file was read before."""
    key = files.fingerprint(raw.files, str(path), roles, args.unit, keep_empty)
    table, rows, empty = store.stored(key, raw, roles, keep_empty)
    if not len(table):
        raise SteepError(f"{path}: no row with a text in column '{args.text}' ({rows:,} rows).")
    notes = list(raw.notes)
    if empty:
        what = "text" if args.pair is None else "text or pair"
        fate = "kept as empty texts" if keep_empty else "dropped"
        notes.append(f"{path.name}: {empty:,} of {rows:,} rows have no {what}: {fate}")
    twice = _repeated(table) if "id" in roles else 0  # row numbers are all different
    if twice:
        notes.append(f"{path.name}: {twice:,} rows share their id with an earlier row")
    return Corpus(table, source=path.name, notes=tuple(notes))


def _repeated(table: datasets.Dataset) -> int:
    """How many rows share their id with an earlier one; a hash each is held, not the ids."""
    chunks = table.data.column("id").iterchunks()
    hashes = [hash_array(chunk.to_numpy(zero_copy_only=False)) for chunk in chunks]
    return len(table) - len(np.unique(np.concatenate(hashes)))


def _roles(path: Path, raw: Raw, args: TableArgs) -> dict[str, str]:
    """Which column of the file is the text, the pair and the identifier."""
    roles = {"text": args.text}
    if args.pair is not None:
        roles["pair"] = args.pair
    if args.id is not None or "id" in raw.columns:
        roles["id"] = args.id or "id"
    for name in roles.values():
        _check_column(path, raw, name)
        if raw.columns[name] == TEXTS:
            raise SteepError(f"{path}, column '{name}': holds lists, where texts are expected.")
    return roles


def _label_columns(path: Path, raw: Raw, args: TableArgs) -> list[str]:
    """The columns behind `args.label`: one, or several joined by commas."""
    if args.label is None:
        return []
    if args.label in raw.columns:
        return [args.label]
    names = [name.strip() for name in args.label.split(",") if name.strip()]
    for name in names:
        _check_column(path, raw, name)
    return names


def _check_column(path: Path, raw: Raw, name: str) -> None:
    if name not in raw.columns:
        raise SteepError(_explain_missing(path, raw, name))


def _explain_missing(path: Path, raw: Raw, name: str) -> str:
    there = ", ".join(f"'{column[:40]}'" for column in raw.columns)
    near = difflib.get_close_matches(name, raw.columns, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if delimited.looks_headless(list(raw.columns)):
        hint = " The first line looks like data: add a header line that names the columns."
    return f"{path}: there is no column '{name}'. The columns are {there}.{hint}"


def _as_columns(arrays: dict[str, np.ndarray]) -> datasets.Dataset:
    """Arrays (n,) or (n, labels) as a table, by the names of its columns."""
    kinds = {name: datasets.Value(str(values.dtype)) for name, values in arrays.items()}
    features = {n: datasets.List(k) if arrays[n].ndim == 2 else k for n, k in kinds.items()}
    return datasets.Dataset.from_dict(arrays, features=datasets.Features(features))
