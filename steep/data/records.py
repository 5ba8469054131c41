"""How are Parquet files, DataFrames and data sets of Hugging Face read? As columns of Arrow."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steep.data import files
from steep.data.raw import BATCH, TEXT, TEXTS, Raw, as_text, check_named_once, kind_of
from steep.errors import SteepError
from steep.wording import brief, quoted, some

HUB = "hub:"
# A loading script, which `datasets` runs no more, is a RuntimeError.
HUB_ERRORS = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
LONGEST_REASON = 300  # characters of what Arrow says that a message shows
NAME = "Dataset"  # of one in memory
FRAME = "DataFrame"
SEQUENCES = (list, tuple, set, np.ndarray)


def open_parquet(path: Path) -> Raw:
    """A Parquet file; one of `datasets` says how its classes are called."""
    where = files.shown_path(path)
    with _explained(where, "not a Parquet file that can be read"):
        file = pq.ParquetFile(path, memory_map=True)
        schema = file.schema_arrow
        columns = {field.name: kind_of(field.type) for field in schema}
    features = _features_of(schema)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(where, schema.names, names)
        row = 0
        for group in _groups(where, file.iter_batches(BATCH, columns=list(names))):
            arrays = [_named(group.column(n), features.get(n), where, n, row) for n in names]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))
            row += len(group)

    return Raw(where, columns, batches, (path,))


def _features_of(schema: pa.Schema) -> dict[str, Any]:
    """What `datasets` wrote of the columns; nothing where it wrote none, or in another version."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    try:
        return dict(datasets.Features.from_arrow_schema(schema))
    except (ValueError, TypeError, LookupError, AttributeError):
        return {}


def open_saved(path: Path) -> Raw:
    """A folder written by `save_to_disk` of Hugging Face `datasets`."""
    where = files.shown_path(path)
    if (path / "dataset_dict.json").is_file():
        parts = some(sorted(child.name for child in path.iterdir() if child.is_dir()))
        raise SteepError(f"{where}: a data set of several parts ({parts}). Name one: {where}/train")
    with _explained(where, "the Hugging Face data set cannot be read"):
        table = datasets.load_from_disk(str(path))
    return open_dataset(table, where, _files_of(table))


def is_saved(path: Path) -> bool:
    """Whether a folder was written by Hugging Face `datasets`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def is_hub_name(path: Path) -> bool:
    """Whether a name that is no file here may be a data set on the hub: hub:name or owner/name."""
    name = str(path)
    if name.startswith(HUB):
        return True
    owner = re.fullmatch(r"([\w-]{1,96})/[\w.-]{1,96}(#\w+)?", name)
    return owner is not None and not Path(owner[1]).exists()


def open_hub(path: Path) -> Raw:
    """A data set of the hub; `owner/name#test` names its part, by default train."""
    name, _, part = str(path).removeprefix(HUB).partition("#")
    if not name.strip("/ "):
        raise SteepError(f"{path}: names no data set; expected {HUB}owner/name, or a file.")
    try:
        table = datasets.load_dataset(name, split=part or "train")
    except HUB_ERRORS as error:
        reason = brief(str(error).strip().partition("\n")[0], LONGEST_REASON)
        raise SteepError(
            f"{files.shown_name(path)}: there is no such file here, and the Hugging Face hub did "
            f"not give a data set of that name: {reason}. Check the name and the connection."
        ) from None
    return open_dataset(table, files.shown_path(path), _files_of(table))


def open_dataset(
    table: datasets.Dataset, where: str = NAME, files_of: tuple[Path, ...] = ()
) -> Raw:
    """A data set of Hugging Face `datasets`; `files_of` is empty for one in memory.

    Class indices come as the names that the data set has for them.
    """
    if not len(table):
        raise SteepError(f"{where}: it has no rows.")
    columns = {name: kind_of(table.data.schema.field(name).type) for name in table.column_names}

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        chosen = table.select_columns(list(names)).with_format("arrow")
        row = 0
        for group in _groups(where, chosen.iter(BATCH)):
            whole = [group.column(n).combine_chunks() for n in names]
            arrays = [
                _named(column, table.features[n], where, n, row)
                for n, column in zip(names, whole, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))
            row += len(group)

    return Raw(where, columns, batches, files_of)


def _files_of(table: datasets.Dataset) -> tuple[Path, ...]:
    return tuple(Path(file["filename"]) for file in table.cache_files)


def _named(column: pa.Array, feature: Any, where: str, name: str, row: int) -> pa.Array:
    """A column as text, class indices by name; `row` is the number of its first."""
    inner = feature.feature if isinstance(feature, datasets.List | datasets.LargeList) else feature
    if not isinstance(inner, datasets.ClassLabel):
        return as_text(column, kind_of(column.type), where, name, row)
    try:
        if inner is feature:
            return _look_up(column, inner)
        lists = column.cast(pa.list_(column.type.value_type))
        return pa.ListArray.from_arrays(lists.offsets, _look_up(lists.values, inner))
    except pa.ArrowIndexError:
        raise SteepError(
            f"{where}, column {quoted(name)}: some class has no name among the "
            f"{len(inner.names):,} that the data set has."
        ) from None


def _look_up(indices: pa.Array, feature: datasets.ClassLabel) -> pa.Array:
    known = pc.if_else(pc.greater_equal(indices, 0), indices, None)  # -1 stands for "no label"
    return pc.take(pa.array(feature.names, TEXT), known)


def _groups(where: str, groups: Iterable[Any]) -> Iterator[Any]:
    """The groups of rows of a file, one by one; SteepError where it is damaged."""
    rest = iter(groups)
    while True:
        with _explained(where, "the file is damaged, or was written by a newer version"):
            group = next(rest, None)
        if group is None:
            return
        yield group


@contextmanager
def _explained(where: str, what: str) -> Iterator[None]:
    """What Arrow says against a file, as SteepError."""
    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        reason = brief(str(error).rstrip("."), LONGEST_REASON)
        raise SteepError(f"{where}: {what}: {reason}.") from None


def open_dataframe(frame: pd.DataFrame) -> Raw:
    """A DataFrame, without its index. NaN, NaT, None and NA are empty cells."""
    if not len(frame):
        raise SteepError(f"{FRAME}: it has no rows.")
    header = [str(name) for name in frame.columns]
    columns = {name: _kind_of_column(frame.iloc[:, at]) for at, name in enumerate(header)}

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(FRAME, header, names)
        for start in range(0, len(frame), BATCH):
            rows = frame.iloc[start : start + BATCH]
            parts = [rows.iloc[:, header.index(name)] for name in names]
            arrays = [
                as_text(_arrow(part, start, name), columns[name], FRAME, name, start)
                for name, part in zip(names, parts, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))

    return Raw(FRAME, columns, batches)


def _kind_of_column(column: pd.Series) -> pa.DataType:
    """By its type; of a column of Python objects, by the first that is there."""
    if isinstance(column.dtype, pd.ArrowDtype):
        return kind_of(column.dtype.pyarrow_dtype)
    if column.dtype != object:
        return TEXT
    first = int(column.notna().to_numpy().argmax())
    return TEXTS if isinstance(column.iloc[first], SEQUENCES) else TEXT


def _arrow(part: pd.Series, start: int, name: str) -> pa.Array:
    """A part of a column, which begins at row `start`, by the Arrow type of its values."""
    try:
        array = pa.array(part, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise SteepError(
            f"{FRAME}, column {quoted(name)}, rows {start + 1} to {start + len(part)}: cannot be "
            f"read as texts or labels of one type: {brief(str(error))}."
        ) from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
