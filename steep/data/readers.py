"""Which reader opens a source? By what it is: a table in memory, a file, a folder, or a name."""

from pathlib import Path
from typing import TypeAlias

import datasets
import pandas as pd

from steep.args.table import Unit
from steep.data import delimited, documents, files, json_files, records
from steep.data.dataframes import open_dataframe
from steep.data.raw import Raw
from steep.errors import SteepError
from steep.wording import some

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
KNOWN = TABLES + documents.PLAIN

Source: TypeAlias = str | Path | pd.DataFrame | datasets.Dataset


def open_raw(source: Source, unit: Unit) -> Raw:
    """The rows of a file, a folder, a DataFrame, or a data set of Hugging Face; not read yet.

    A data set is one in memory, or named on the hub. Raises SteepError if there is no such thing,
    or it is of no known kind.
    """
    if isinstance(source, pd.DataFrame):
        return open_dataframe(source)
    if isinstance(source, datasets.Dataset):
        return records.open_dataset(source)
    if isinstance(source, str | Path):
        return _open_path(Path(source), unit)
    part = " Choose one of its parts, such as data['train']." if isinstance(source, dict) else ""
    raise SteepError(
        f"{type(source).__name__}: expected a path, a pandas DataFrame or a datasets.Dataset.{part}"
    )


def is_by_class(source: Source) -> bool:
    """Whether `source` is a folder of text files whose sub-folders are classes."""
    path = _path_of(source)
    if path is None or files.what_is_at(path) != "folder" or records.is_saved(path):
        return False
    return documents.has_class_folders(path)


def is_plain(source: Source) -> bool:
    """Whether `source` is plain text, which has no columns and so no labels."""
    path = _path_of(source)
    if path is None:
        return False
    what = files.what_is_at(path)
    if what == "folder":
        return not (_tables_in(path) or records.is_saved(path) or documents.has_class_folders(path))
    return what == "file" and files.suffix(path) in documents.PLAIN


def _path_of(source: Source) -> Path | None:
    return Path(source) if isinstance(source, str | Path) else None


def _open_path(path: Path, unit: Unit) -> Raw:
    what = files.what_is_at(path)
    if what == "folder":
        return records.open_saved(path) if records.is_saved(path) else _open_folder(path, unit)
    if what == "nothing":
        return _open_missing(path)
    kind = files.suffix(path)
    if kind in delimited.DELIMITERS:
        return delimited.open_delimited(path)
    if kind in (".jsonl", ".ndjson", ".json"):
        return json_files.open_json(path)
    if kind == ".parquet":
        return records.open_parquet(path)
    if kind in documents.PLAIN:
        return documents.open_plain(path, unit)
    raise SteepError(
        f"{files.shown_name(path)}: what kind of file is this? Known endings are "
        f"{', '.join(KNOWN)}, also with .gz or .xz. Rename the file to what it is."
    )


def _open_folder(path: Path, unit: Unit) -> Raw:
    tables = _tables_in(path)
    if tables and not documents.text_files(path):
        raise SteepError(
            f"{files.shown_name(path)}: a folder of tables. Name one of them: {some(tables)}."
        )
    return documents.open_folder(path, unit)


def _tables_in(folder: Path) -> list[str]:
    with files.readable(folder):
        return [file.name for file in sorted(folder.iterdir()) if files.suffix(file) in TABLES]


def _open_missing(path: Path) -> Raw:
    if files.suffix(path) not in KNOWN and records.is_hub_name(path):
        return records.open_hub(path)
    raise SteepError(f"{files.shown_name(path)}: there is no such file or folder.")
