"""Which reader opens a source? By what it is: a table in memory, a file, a folder, or a name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import datasets
import numpy as np
import pandas as pd

from steep.args.table import Unit
from steep.data import files
from steep.data.raw import Raw
from steep.errors import SteepError
from steep.wording import some

JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", *JSON, ".parquet")
KNOWN = TABLES + files.PLAIN

Source: TypeAlias = str | Path | pd.DataFrame | datasets.Dataset
Texts: TypeAlias = Sequence[str] | Sequence[tuple[str, str]] | np.ndarray | pd.Series
"""A list of texts, or of pairs of texts, where a command takes these, too."""


def open_raw(source: Source, unit: Unit) -> Raw:
    """The rows of a file, a folder, a DataFrame, or a data set of Hugging Face; not read yet.

    A data set is one in memory, or named on the hub. Raises SteepError if there is no such thing,
    or it is of no known kind.
    """
    if isinstance(source, str | Path):
        return _open_path(Path(source), unit)
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
    return isinstance(source, Sequence | np.ndarray | pd.Series) and not isinstance(source, str)


def listed(texts: Texts | pd.DataFrame) -> list[Any]:
    """The items of a list, an array or a Series; rows of an array or a DataFrame are lists."""
    plain = isinstance(texts, np.ndarray | pd.Series | pd.DataFrame)
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


def _open_path(path: Path, unit: Unit) -> Raw:
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
        return records.open_saved(path) if records.is_saved(path) else _open_folder(path, unit)
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


def _open_folder(path: Path, unit: Unit) -> Raw:
    from steep.data import documents

    tables = _tables_in(path)
    if tables and not documents.text_files(path):
        raise SteepError(
            f"{files.shown_name(path)}: a folder of tables. Name one of them: {some(tables)}."
        )
    return documents.open_folder(path, unit)


def _tables_in(folder: Path) -> list[str]:
    with files.readable(folder):
        return [file.name for file in sorted(folder.iterdir()) if files.suffix(file) in TABLES]
