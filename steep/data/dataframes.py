"""How is a pandas DataFrame read? As a Parquet file that it was written to would be."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from steep.data.raw import BATCH, TEXT, TEXTS, Raw, as_text, check_named_once, kind_of
from steep.errors import SteepError
from steep.wording import brief, quoted

NAME = "DataFrame"
LISTS = (list, tuple, set, np.ndarray)


def open_dataframe(frame: pd.DataFrame) -> Raw:
    """A DataFrame, without its index. NaN, NaT, None and NA are empty cells."""
    if not len(frame):
        raise SteepError(f"{NAME}: it has no rows.")
    header = [str(name) for name in frame.columns]
    columns = {name: _kind_of_column(frame.iloc[:, at]) for at, name in enumerate(header)}

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(NAME, header, names)
        for start in range(0, len(frame), BATCH):
            rows = frame.iloc[start : start + BATCH]
            parts = [rows.iloc[:, header.index(name)] for name in names]
            arrays = [
                as_text(_arrow(part, start, name), columns[name], NAME, name, start)
                for name, part in zip(names, parts, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))

    return Raw(NAME, columns, batches)


def _kind_of_column(column: pd.Series) -> pa.DataType:
    """By its type; of a column of Python objects, by the first that is there."""
    if isinstance(column.dtype, pd.ArrowDtype):
        return kind_of(column.dtype.pyarrow_dtype)
    if column.dtype != object:
        return TEXT
    first = int(column.notna().to_numpy().argmax())
    return TEXTS if isinstance(column.iloc[first], LISTS) else TEXT


def _arrow(part: pd.Series, start: int, name: str) -> pa.Array:
    """A part of a column, which begins at row `start`, by the Arrow type of its values."""
    try:
        array = pa.array(part, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise SteepError(
            f"{NAME}, column {quoted(name)}, rows {start + 1} to {start + len(part)}: cannot be "
            f"read as texts or labels of one type: {brief(str(error))}."
        ) from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
