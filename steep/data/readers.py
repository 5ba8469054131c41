"""Which reader opens a file, a folder or a name? By its suffix and what lies inside."""

from pathlib import Path

from steep.args import TableArgs
from steep.data import delimited, documents, files, records
from steep.data.raw import Raw
from steep.errors import SteepError

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
KNOWN = TABLES + documents.PLAIN


def open_raw(path: Path, args: TableArgs) -> Raw:
    """The rows of a file, a folder, or a data set of the Hugging Face hub, not read yet.

    Raises SteepError if there is no such thing, or it is of no known kind.
    """
    if path.is_dir():
        return records.open_saved(path) if records.is_saved(path) else _open_folder(path, args)
    if not path.exists():
        return _open_missing(path)
    kind = files.suffix(path)
    if kind in delimited.DELIMITERS:
        return delimited.open_delimited(path)
    if kind in (".jsonl", ".ndjson", ".json"):
        return records.open_json_lines(path)
    if kind == ".parquet":
        return records.open_parquet(path)
    if kind in documents.PLAIN:
        return documents.open_plain(path, args.unit)
    raise SteepError(
        f"{path}: what kind of file is this? Known endings are {', '.join(KNOWN)}, also with .gz "
        "or .xz. Rename the file to what it is."
    )


def is_by_class(path: Path) -> bool:
    """Whether `path` is a folder of text files whose sub-folders are classes."""
    return path.is_dir() and not records.is_saved(path) and documents.is_by_class(path)


def is_plain(path: Path) -> bool:
    """Whether `path` is plain text, which has no columns and so no labels."""
    if path.is_dir():
        tables = any(files.suffix(file) in TABLES for file in path.iterdir())
        return not (tables or records.is_saved(path) or documents.is_by_class(path))
    return path.is_file() and files.suffix(path) in documents.PLAIN


def _open_folder(path: Path, args: TableArgs) -> Raw:
    tables = [f.name for f in sorted(path.iterdir()) if files.suffix(f) in TABLES]
    if tables and not documents.text_files(path):
        raise SteepError(f"{path}: a folder of tables. Name one of them: {', '.join(tables[:5])}.")
    return documents.open_folder(path, args.unit)


def _open_missing(path: Path) -> Raw:
    if files.suffix(path) not in KNOWN and records.is_hub_name(path):
        return records.open_hub(path)
    raise SteepError(f"{path}: there is no such file or folder.")
