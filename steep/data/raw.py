"""What is a table before its columns have a meaning? The type that every reader returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from steep.errors import SteepError

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
BATCH = 1000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Raw:
    """A table that is opened, but not read yet.

    `where` is what messages call it: its path, or 'DataFrame', or 'Dataset'. `columns` says whether
    a column holds texts (`TEXT`) or lists of texts (`TEXTS`); numbers are texts as they are
    written. `batches(names)` streams these columns in the table's order, all rows, and raises
    SteepError at a row that cannot be read. `files` are what the rows come from: none for a table
    in memory.
    """

    where: str
    columns: Mapping[str, pa.DataType]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What notes and manifests call it: the name of the file, without its folder."""
        return Path(self.where).name


def record_batch(
    columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[Any]]
) -> pa.RecordBatch:
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


def kind_of(kind: pa.DataType) -> pa.DataType:
    """`TEXT`, or `TEXTS` for lists: how a column of this Arrow type is read."""
    return TEXTS if pa.types.is_list(kind) or pa.types.is_large_list(kind) else TEXT


def as_text(array: pa.Array, kind: pa.DataType, where: str, name: str) -> pa.Array:
    """A column as `TEXT` or `TEXTS`; SteepError if its values are neither texts nor numbers."""
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SteepError(
            f"{where}, column '{name}': {array.type} cannot be read as a text or a label."
        ) from None


def check_named_once(where: str, header: Sequence[str], names: Sequence[str]) -> None:
    """Raises SteepError if one of `names` occurs twice in the header."""
    for name in names:
        if header.count(name) > 1:
            raise SteepError(f"{where}: the header names column '{name}' twice. Rename one.")
