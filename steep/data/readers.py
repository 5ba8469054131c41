"""Which reader opens a source, by what it is, and where does what was read lie?

In a memory-mapped Arrow file of the cache folder. A table that has changed has another key, so what
lies there is never out of date.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from steep import __version__
from steep.args.table import Unit
from steep.data import files
from steep.data.cache_files import (
    Facts,
    disk_state,
    fingerprint,
    kept_table,
)
from steep.data.files import readable
from steep.data.raw import TEXT, Raw
from steep.errors import SteepError
from steep.wording import some

JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", *JSON, ".parquet")
KNOWN = TABLES + files.PLAIN

Source: TypeAlias = str | Path | pd.DataFrame | datasets.Dataset
Texts: TypeAlias = Sequence[str] | Sequence[tuple[str, str]] | np.ndarray | pd.Series
"""A list of texts, or of pairs of texts, where a command takes these, too."""

ARRAYS: TypeAlias = np.ndarray | pd.Series | pd.Index | pd.api.extensions.ExtensionArray
FIXED = {"row": pa.int64(), "id": TEXT, "text": TEXT}


def open_raw(source: Source, unit: Unit, classes: bool = True) -> Raw:
    """The rows of a file, a folder, a DataFrame, or a data set of Hugging Face; not read yet.

    A data set is one in memory, or named on the hub. Without `classes` the sub-folders of a folder
    of texts are none. Raises SteepError if there is no such thing,
    or it is of no known kind.
    """
    if isinstance(source, str | Path):
        return _open_path(Path(source), unit, classes)
    from steep.data import records

    if isinstance(source, pd.DataFrame):
        return records.open_dataframe(source)
    if isinstance(source, datasets.Dataset):
        return records.open_dataset(source)
    part = " Choose one of its parts, such as data['train']." if isinstance(source, dict) else ""
    raise SteepError(
        f"{type(source).__name__}: expected a path, a pandas DataFrame or a datasets.Dataset.{part}"
    )


def is_texts(source: Source | Texts) -> TypeGuard[Texts]:
    """Whether `source` is a list of texts, or of pairs, and no table."""
    return isinstance(source, Sequence | ARRAYS) and not isinstance(source, str)


def listed(texts: Texts | pd.DataFrame) -> list[Any]:
    """The items of a list, an array or a Series; rows of an array or a DataFrame are lists."""
    plain = isinstance(texts, ARRAYS | pd.DataFrame)
    return np.asarray(texts).tolist() if plain else list(texts)


def is_by_class(source: Source) -> bool:
    """Whether `source` is a folder of text files whose sub-folders are classes."""
    if not isinstance(source, str | Path) or files.what_is_at(Path(source)) != "folder":
        return False
    from steep.data import documents, records

    path = Path(source)
    return not records.is_saved(path) and documents.has_class_folders(path)


def is_plain(source: Source) -> bool:
    """Whether `source` is plain text, which has no columns and so no labels."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    what = files.what_is_at(path)
    if what != "folder":
        return what == "file" and files.suffix(path) in files.PLAIN
    from steep.data import documents, records

    return not (_tables_in(path) or records.is_saved(path) or documents.has_class_folders(path))


def _open_path(path: Path, unit: Unit, classes: bool) -> Raw:
    """The file, folder or data set of this name; its reader is loaded only where it is needed."""
    what, kind = files.what_is_at(path), files.suffix(path)
    if what == "file" and kind in (".csv", ".tsv"):
        from steep.data.delimited import open_delimited

        return open_delimited(path)
    if what == "file" and kind in JSON:
        from steep.data.json_files import open_json

        return open_json(path)
    from steep.data import documents, records

    if what == "folder":
        return (
            records.open_saved(path)
            if records.is_saved(path)
            else _open_folder(path, unit, classes)
        )
    if what == "nothing":
        if kind not in KNOWN and records.is_hub_name(path):
            return records.open_hub(path)
        raise SteepError(f"{files.shown_name(path)}: there is no such file or folder.")
    if kind == ".parquet":
        return records.open_parquet(path)
    if kind in files.PLAIN:
        return documents.open_plain(path, unit)
    raise SteepError(
        f"{files.shown_name(path)}: what kind of file is this? Known endings are "
        f"{', '.join(KNOWN)}, also with .gz or .xz. Rename the file to what it is."
    )


def _open_folder(path: Path, unit: Unit, classes: bool) -> Raw:
    from steep.data import documents

    tables = _tables_in(path)
    if tables and not documents.text_files(path):
        raise SteepError(
            f"{files.shown_name(path)}: a folder of tables. Name one of them: {some(tables)}."
        )
    return documents.open_folder(path, unit, classes)


def _tables_in(folder: Path) -> list[str]:
    with files.readable(folder):
        return [file.name for file in sorted(folder.iterdir()) if files.suffix(file) in TABLES]


def table_key(raw: Raw, roles: Mapping[str, str], *options: object) -> str:
    """A key that changes with the content of a file, with a role, an option, or Steep's version.

    The key of a table that lies in no file changes with the content of its columns; it is read
    once for that.
    """
    names = list(dict.fromkeys(roles.values()))
    kinds = {name: str(raw.columns[name]) for name in names}
    about = (raw.where, roles, kinds, options, __version__)
    key = hashlib.blake2b(repr(about).encode(), digest_size=12)
    for path in raw.files:
        key.update(fingerprint(path).encode())
    if not raw.files:
        for group in raw.batches(names):
            key.update(group.serialize())
    return key.hexdigest()


def stored(
    key: str, raw: Raw, roles: Mapping[str, str], keep_empty: bool
) -> tuple[datasets.Dataset, Facts]:
    """The rows that have a text (with `keep_empty` all), and counts of all of them.

    These are "rows", "empty" (without a text) and "unnamed" (with an empty cell for an id).
    `roles` names the column of the table behind each of `id` (may be lacking: the row number is
    taken), `text`, `pair` (may be lacking) and any further ones.
    """
    schema = pa.schema(FIXED | {role: raw.columns[name] for role, name in roles.items()})

    def write(writer: Any) -> Facts:
        number = empty = unnamed = 0
        for group in _read(raw, list(dict.fromkeys(roles.values()))):
            if "id" in roles:
                unnamed += len(group) - (pc.sum(_has_text(group.column(roles["id"]))).as_py() or 0)
            rows = _shape(group, number, roles, schema)
            full = rows.filter(_filled(rows))
            writer.write_batch(rows if keep_empty else full)
            number += len(rows)
            empty += len(rows) - len(full)
        return {"rows": number, "empty": empty, "unnamed": unnamed}

    return kept_table(f"read/{key}", schema, write)


def _read(raw: Raw, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The table's batches; SteepError if it cannot be read, or changes meanwhile."""
    with readable(Path(raw.where)):  # else an OSError would pass for one of the cache
        before = [disk_state(path) for path in raw.files]
        yield from raw.batches(names)
        after = [disk_state(path) for path in raw.files]
    if before != after:
        raise SteepError(f"{raw.where}: has changed while it was read. Run it again.")


def _shape(
    group: pa.RecordBatch, first: int, roles: Mapping[str, str], schema: pa.Schema
) -> pa.RecordBatch:
    """The batch under the names of the roles; a missing text is an empty one."""
    numbers = pa.array(np.arange(first, first + len(group)))
    columns = {role: group.column(name) for role, name in roles.items()} | {"row": numbers}
    names = numbers.cast(TEXT)
    given = columns.get("id", names)
    columns["id"] = pc.if_else(_has_text(given), given, names)
    for role in {"text", "pair"} & set(columns):
        columns[role] = pc.fill_null(columns[role], "")
    arrays = [columns[field.name].cast(field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _filled(rows: pa.RecordBatch) -> pa.Array:
    """Which rows have a text, and a pair if there are pairs."""
    full = _has_text(rows.column("text"))
    pairs = "pair" in rows.schema.names
    return pc.and_(full, _has_text(rows.column("pair"))) if pairs else full


def _has_text(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False)
