"""Where does a table lie once it has been read? In a memory-mapped Arrow file of the cache folder.

The cache is `datasets.config.HF_DATASETS_CACHE`/steep. A table that has changed has another key, so
what lies there is never out of date; the folder may be deleted at any time.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep import runs
from steep.data import files
from steep.data.raw import TEXT, Raw
from steep.errors import SteepError

BLOCK = 1 << 16  # rows copied together
FIXED = {"row": pa.int64(), "id": TEXT, "text": TEXT}


def scratch(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of this process, in a file without a name, so that the system can page it out."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as file:
        return (
            np.memmap(file, dtype, "w+", shape=shape) if np.prod(shape) else np.empty(shape, dtype)
        )


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


def table_key(raw: Raw, roles: Mapping[str, str], *options: object) -> str:
    """A key that changes with the place, size or time of a file, with a role, or with an option.

    The key of a table that lies in no file changes with the content of its columns; it is read
    once for that.
    """
    names = list(dict.fromkeys(roles.values()))
    kinds = {name: str(raw.columns[name]) for name in names}
    key = hashlib.blake2b(repr((raw.where, roles, kinds, options)).encode(), digest_size=12)
    for path in raw.files:
        key.update(files.state_of(path).encode())
    if not raw.files:
        for group in raw.batches(names):
            key.update(group.serialize())
    return key.hexdigest()


def stored(
    key: str, raw: Raw, roles: Mapping[str, str], keep_empty: bool
) -> tuple[datasets.Dataset, int, int]:
    """The rows that have a text (with `keep_empty` all), how many there are, how many lack one.

    `roles` names the column of the table behind each of `id` (may be lacking: the row number is
    taken), `text`, `pair` (may be lacking) and any further ones.
    """
    path = _folder() / "tables" / f"{key}.arrow"
    if not path.with_suffix(".json").is_file():
        try:
            _write(path, raw, roles, keep_empty)
        except OSError as error:
            raise SteepError(
                f"{path}: the cache cannot be written: {error.strerror or error}."
            ) from None
    counts = runs.read_json(path.with_suffix(".json"))
    return datasets.Dataset.from_file(str(path)), counts["rows"], counts["empty"]


def _folder() -> Path:
    return Path(datasets.config.HF_DATASETS_CACHE) / "steep"


def _write(path: Path, raw: Raw, roles: Mapping[str, str], keep_empty: bool) -> None:
    """The Arrow file, written aside and renamed; then a file beside it that says it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    kinds = {role: raw.columns[name] for role, name in roles.items()}
    schema = pa.schema(FIXED | kinds)
    number = empty = 0
    try:
        with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for group in raw.batches(list(dict.fromkeys(roles.values()))):
                rows = _shape(group, number, roles, schema)
                full = rows.filter(_filled(rows))
                writer.write_batch(rows if keep_empty else full)
                number += len(rows)
                empty += len(rows) - len(full)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    runs.write_json(path.with_suffix(".json"), {"rows": number, "empty": empty})


def _shape(
    group: pa.RecordBatch, first: int, roles: Mapping[str, str], schema: pa.Schema
) -> pa.RecordBatch:
    """The batch under the names of the roles; a missing text is an empty one."""
    numbers = pa.array(np.arange(first, first + len(group)))
    columns = {role: group.column(name) for role, name in roles.items()} | {"row": numbers}
    names = numbers.cast(TEXT)
    columns["id"] = _or_else(columns["id"], names) if "id" in columns else names
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


def _or_else(column: pa.Array, names: pa.Array) -> pa.Array:
    return pc.if_else(_has_text(column), column, names)
