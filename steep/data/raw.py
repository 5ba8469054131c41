"""What is a file of rows before its columns have a meaning? The type that every reader returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
BATCH = 1000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Raw:
    """An opened file of rows, not read yet.

    `columns` says whether a column holds a text (`TEXT`) or lists of texts (`TEXTS`); numbers come
    as they are written. `batches(names)` streams these columns in the file's order, all rows, and
    raises SteepError at a row that cannot be read. `files` are what the rows come from.
    """

    columns: Mapping[str, pa.DataType]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def batch(columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Rows of texts (or None, or lists of texts) as Arrow."""
    fields = zip(*rows, strict=True)
    arrays = [
        pa.array(cells, type=kind) for cells, kind in zip(fields, columns.values(), strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def chunks(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """The items, `size` at a time."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
