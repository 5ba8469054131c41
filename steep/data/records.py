"""How are JSON lines, Parquet files and Hugging Face data sets read?"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steep.data import files
from steep.data.raw import BATCH, TEXT, TEXTS, Raw, as_text, chunks, kind_of, record_batch
from steep.errors import SteepError

HUB = "hub:"
LOOKED_AT = 1000
NAME = "Dataset"  # of one in memory


def open_json_lines(path: Path) -> Raw:
    """One JSON object a line. A column is known if one of the first 1,000 objects has it."""
    if files.sample(path).lstrip().startswith("["):
        raise SteepError(
            f"{path}: one JSON array, where one object a line is expected. Convert it, for "
            f"instance: jq -c '.[]' {path.name} > {path.stem}.jsonl"
        )
    columns: dict[str, pa.DataType] = {}
    for _, record in islice(_objects(path), LOOKED_AT):
        for name, value in record.items():
            kind = TEXTS if isinstance(value, list) else TEXT
            if value is not None and columns.get(name) != TEXTS:
                columns[name] = kind
            columns.setdefault(name, kind)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = {name: columns[name] for name in names}
        for records in chunks(_objects(path)):
            rows = [_cells(path, number, record, wanted) for number, record in records]
            yield record_batch(wanted, rows)

    return Raw(str(path), columns, batches, (path,))


def open_parquet(path: Path) -> Raw:
    """A Parquet file."""
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise SteepError(f"{path}: not a Parquet file: {error}.") from None
    columns = {field.name: kind_of(field.type) for field in file.schema_arrow}

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for group in file.iter_batches(BATCH, columns=list(names)):
            arrays = [as_text(group.column(n), columns[n], str(path), n) for n in names]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))

    return Raw(str(path), columns, batches, (path,))


def open_saved(path: Path) -> Raw:
    """A folder written by `save_to_disk` of Hugging Face `datasets`."""
    if (path / "dataset_dict.json").is_file():
        parts = ", ".join(sorted(child.name for child in path.iterdir() if child.is_dir()))
        raise SteepError(f"{path}: a data set of several parts ({parts}). Name one: {path}/train")
    try:
        table = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
        raise SteepError(f"{path}: the Hugging Face data set cannot be read: {error}.") from None
    return open_dataset(table, str(path), _files_of(table))


def is_saved(path: Path) -> bool:
    """Whether a folder was written by Hugging Face `datasets`."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def is_hub_name(path: Path) -> bool:
    """Whether a name that is no file here may be a data set on the hub: hub:name or owner/name."""
    name = str(path)
    if name.startswith(HUB):
        return True
    owner = re.fullmatch(r"([\w-]+)/[\w.-]+(#\w+)?", name)
    return owner is not None and not Path(owner[1]).exists()


def open_hub(path: Path) -> Raw:
    """A data set of the hub; `owner/name#test` names its part, by default train."""
    name, _, part = str(path).removeprefix(HUB).partition("#")
    try:
        table = datasets.load_dataset(name, split=part or "train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0]
        raise SteepError(
            f"{path}: there is no such file here, and the Hugging Face hub did not give a data set "
            f"of that name: {reason}. Check the name and the connection."
        ) from None
    return open_dataset(table, str(path), _files_of(table))


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
        for group in chosen.iter(BATCH):
            arrays = [_named(group.column(n), table.features[n], where, n) for n in names]
            yield pa.RecordBatch.from_arrays(arrays, names=list(names))

    return Raw(where, columns, batches, files_of)


def _files_of(table: datasets.Dataset) -> tuple[Path, ...]:
    return tuple(Path(file["filename"]) for file in table.cache_files)


def _named(chunked: pa.ChunkedArray, feature: Any, where: str, name: str) -> pa.Array:
    """A column as text, class indices by name."""
    column = chunked.combine_chunks()
    if isinstance(feature, datasets.ClassLabel):
        return _look_up(column, feature)
    if isinstance(feature, datasets.List) and isinstance(feature.feature, datasets.ClassLabel):
        names = _look_up(column.values, feature.feature)
        return pa.ListArray.from_arrays(column.offsets, names)
    return as_text(column, kind_of(column.type), where, name)


def _look_up(indices: pa.Array, feature: datasets.ClassLabel) -> pa.Array:
    known = pc.if_else(pc.greater_equal(indices, 0), indices, None)  # -1 stands for "no label"
    return pc.take(pa.array(feature.names, TEXT), known)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row number from 1, and the object, of every line that is not blank."""
    number = 0
    with files.open_text(path) as stream:
        for line_number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            number += 1
            where = f"{path}, row {number} (line {line_number})"
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise SteepError(f"{where}: not valid JSON: {error}.") from None
            if not isinstance(record, dict):
                raise SteepError(f"{where}: expected a JSON object, not {line.strip()[:40]}.")
            yield number, record


def _cells(
    path: Path, number: int, record: Mapping[str, Any], columns: Mapping[str, pa.DataType]
) -> list[Any]:
    cells = []
    for name, kind in columns.items():
        value = record.get(name)
        if value is not None and isinstance(value, list) != (kind == TEXTS):
            raise SteepError(
                f"{path}, row {number}, column '{name}': some rows hold a list and others do not."
            )
        where = f"{path}, row {number}, column '{name}'"
        cells.append(
            [_cell(v, where) for v in value] if kind == TEXTS and value else _cell(value, where)
        )
    return cells


def _cell(value: Any, where: str) -> Any:
    """A JSON value as text; None and the empty list stay."""
    if value is None or value == []:
        return value
    if isinstance(value, dict | list):
        raise SteepError(f"{where}: expected a text or a number, not {str(value)[:60]}.")
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SteepError(
            f"{where}: half of a surrogate pair (\\ud800 to \\udfff) is no text."
        ) from None
    return text
