"""Where does a table lie once it has been read? In a memory-mapped Arrow file of the cache folder.

A table that has changed has another key, so what lies there is never out of date.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep import __version__
from steep.data.cache_files import (
    Facts,
    cache_folder,
    disk_state,
    explained,
    fingerprint,
    kept_table,
    key_of,
    remove_left_over,
)
from steep.data.files import readable
from steep.data.raw import BATCH, TEXT, Raw
from steep.errors import SteepError

BLOCK = 1 << 16  # rows copied together
ZEROS = memoryview(bytes(1 << 20))
FIXED = {"row": pa.int64(), "id": TEXT, "text": TEXT}


def scratch(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros, in a file without a name, so that the system can page it out.

    The file is written before it is mapped: where the disk is full, a page of it that lies nowhere
    would end the process. Raises SteepError if it cannot be written.
    """
    size, folder = int(np.prod(shape)) * np.dtype(dtype).itemsize, cache_folder()
    if not size:
        return np.empty(shape, dtype)
    remove_left_over(folder)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            for begin in range(0, size, len(ZEROS)):
                file.write(ZEROS[: size - begin])
            file.flush()
            return np.memmap(file, dtype, "r+", shape=shape)


def select_rows(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chosen rows, as a `scratch` array; all of them as they are."""
    if chosen.all():
        return rows
    found, filled = scratch((int(chosen.sum()), *rows.shape[1:]), rows.dtype), 0
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK][chosen[first : first + BLOCK]]
        found[filled : filled + len(part)] = part
        filled += len(part)
    return found


def flattened(table: datasets.Dataset) -> datasets.Dataset:
    """A table of chosen rows (`select`) as one of its own, kept in the cache; another as it is.

    `datasets` would write one wherever columns are added, and read it again unseen.
    """
    if table._indices is None:
        return table
    schema = table.features.arrow_schema

    def write(writer: Any) -> Facts:
        for group in table.with_format("arrow").iter(BATCH):
            writer.write_table(group.combine_chunks().cast(schema))  # else a batch a row
        return {"rows": len(table)}

    return kept_table(f"rows/{key_of(table._fingerprint)}", schema, write)[0]


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
