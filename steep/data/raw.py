"""What is a table before its columns have a meaning? What readers return, its columns, numbers."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.data.files import LONGEST_TEXT
from steep.errors import SteepError
from steep.wording import brief, quoted, some

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
LISTS = pa.ListType | pa.LargeListType | pa.FixedSizeListType
VIEWS = pa.ListViewType | pa.LargeListViewType
BATCH = 1000
BLANK = ""
NONE_WORDS = ("nan", "null")  # what programs write where nothing is
GAP = r"[.\s'’\u00a0\u202f]"  # between thousands, where the comma is decimal
COMMA = re.compile(rf"[+-]?(\d{{1,3}}({GAP}\d{{3}})+|\d*)(,\d+)?")
THOUSANDS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # 1,234
UNITS = re.compile(r"([+-]?)([$€£¥₹]?)\s*([^$€£¥₹%]*?)\s*([$€£¥₹%]?)")

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
    return TEXTS if isinstance(kind, LISTS | VIEWS) else TEXT


def as_text(array: pa.Array, kind: pa.DataType, where: str, name: str, first: int) -> pa.Array:
    """A part of a column, from row `first` (from 0) on, as `TEXT` or `TEXTS`.

    Raises SteepError if its values are neither texts nor numbers, no UTF-8, or endless.
    """
    rows = f"rows {first + 1:,} to {first + len(array):,}"
    try:
        texts = array.cast(kind)
        texts.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = f"{brief(str(array.type))} cannot be read as a text or a label"
        if "UTF8" in str(error):
            what = "not UTF-8. Write it anew, with texts in UTF-8"
        raise SteepError(f"{where}, column {quoted(name)}, {rows}: {what}.") from None
    flat = texts if kind == TEXT else pc.list_flatten(texts)
    if pc.any(pc.match_substring(flat, "\0")).as_py():
        raise SteepError(
            f"{where}, column {quoted(name)}, {rows}: holds a NUL character, which no text does. "
            "Remove it."
        )
    if kind == TEXT and (pc.max(pc.utf8_length(texts)).as_py() or 0) > LONGEST_TEXT:
        raise SteepError(
            f"{where}, column {quoted(name)}, {rows}: longer than {LONGEST_TEXT:,} characters."
        )
    return texts


def check_named_once(where: str, header: Sequence[str], names: Sequence[str]) -> None:
    """Raises SteepError if one of `names` occurs twice in the header."""
    for name in names:
        if header.count(name) > 1:
            raise SteepError(f"{where}: the header names column {quoted(name)} twice. Rename one.")


@dataclass(frozen=True)
class Column:
    """A column of a table: `cells` (n,) of texts, or lists of them; None where one is empty.

    `source`, `name` and the row numbers `rows`, int64 (n,), say in messages where a cell is.
    """

    source: str
    name: str
    cells: pa.ChunkedArray
    rows: np.ndarray

    @property
    def where(self) -> str:
        return f"{self.source}, column {quoted(self.name)}"

    def place(self, at: int) -> str:
        """Where the cell at this position is, rows counted from 1."""
        return f"{self.source}, row {self.rows[at] + 1:,}, column {quoted(self.name)}"

    def filled(self, as_written: bool = False) -> "Column":
        """The column without whitespace around its texts; SteepError if some are empty.

        The words 'nan' and 'null' stand for empty cells, unless they are taken `as_written`.
        """
        texts = pc.fill_null(pc.utf8_trim_whitespace(self.cells), "")
        missing = (BLANK,) if as_written else (BLANK, *NONE_WORDS)
        empty = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(missing))
        at = np.flatnonzero(np.asarray(empty))
        if len(at):
            words = sorted(set(texts.take(at).to_pylist()) - {BLANK})
            raise SteepError(self._explain_empty(at, list(map(quoted, words))))
        return replace(self, cells=texts)

    def numbers(self, wanted: str, least: float = -np.inf, most: float = np.inf) -> np.ndarray:
        """The cells as numbers, float64 (n,); SteepError at the first that is not what is `wanted`.

        That is a finite number from `least` to `most`.
        """
        distinct = self.distinct()
        read = read_numbers(distinct)
        if read.doubt:
            raise SteepError(explain_doubt(self.where, read.doubt))
        found = dict(zip(distinct, read.values, strict=True))
        texts = pc.fill_null(self.cells, "").to_pylist()
        values = np.empty(len(texts))
        for at, text in enumerate(texts):
            number = found.get(text)
            if number is None or not (np.isfinite(number) and least <= number <= most):
                raise SteepError(f"{self.place(at)}: expected {wanted}, not {quoted(text)}.")
            values[at] = number
        return values

    def number_notes(self) -> tuple[str, ...]:
        """How numbers are written in this column, where that is not plain."""
        note = read_numbers(self.distinct()).note
        return (f"column {quoted(self.name)}: {note}",) if note else ()

    def distinct(self) -> list[str]:
        """Its different texts, empty ones left out."""
        return [text for text in pc.unique(self.cells).to_pylist() if not is_missing(text)]

    def _explain_empty(self, at: np.ndarray, words: list[str]) -> str:
        numbers = some([str(row + 1) for row in self.rows[at]])
        hint = (
            f" {' and '.join(words)} stands for none here; if it is the name of a class, say "
            "--task single."
            if words
            else ""
        )
        return (
            f"{self.where}: {len(at):,} rows have no label (rows {numbers}).{hint} Label them, or "
            "move them to a file of their own; unlabelled text serves step 2."
        )


def explain_doubt(where: str, text: str) -> str:
    """What to do about a number that may be one of two."""
    english, other = text.replace(",", ""), text.replace(",", ".")
    return (
        f"{where}: {quoted(text)} may be {english} or {other}, as its comma stands before three "
        "digits. Write the numbers with a decimal point and nothing between thousands."
    )


def is_missing(text: str | None) -> bool:
    """Whether a cell is empty: blank, or one of the usual words for it."""
    return text is None or text.strip().lower() in (BLANK, *NONE_WORDS)


@dataclass(frozen=True)
class Numbers:
    """Texts as numbers, None for what is none; `note` says how they are written, if not plainly.

    `doubt` is a text that may be one of two numbers; then there are no `values` but None.
    """

    values: list[float | None]
    note: str = ""
    doubt: str = ""


def number_or_none(text: str) -> float | None:
    """The number that a text is, with a decimal point, if it is one."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def read_numbers(texts: Sequence[str]) -> Numbers:
    """The texts of a column as numbers, all of them written in one way.

    Plainly, if some text has no other form; else with a decimal comma, or commas between thousands,
    and with a currency or % that all have.
    """
    values = [number_or_none(text) for text in texts]
    if None not in values or not texts:
        return Numbers(values)
    bare, unit = _without_unit(texts)
    plain = [number_or_none(text) for text in bare]
    if None not in plain:
        return (
            Numbers(plain, _note(texts, plain, "without their sign")) if unit else Numbers(values)
        )
    commas = [text for text in bare if "," in text]
    if commas and all(map(EITHER.fullmatch, commas)) and _all(THOUSANDS, bare):
        return Numbers([None] * len(texts), doubt=commas[0])
    for form, old, new, what in (
        (COMMA, GAP, "", "with a decimal comma"),
        (THOUSANDS, ",", "", "with commas between thousands"),
    ):
        if _all(form, bare):
            found = [number_or_none(re.sub(old, new, text).replace(",", ".")) for text in bare]
            if None not in found:
                return Numbers(found, _note(texts, found, what))
    return Numbers(values)


def _all(form: re.Pattern[str], texts: Sequence[str]) -> bool:
    return all(map(form.fullmatch, texts))


def _without_unit(texts: Sequence[str]) -> tuple[list[str], str]:
    """The texts without the currency or % that they all have, and this sign."""
    parts = [UNITS.fullmatch(text.strip()) for text in texts]
    signs = {(part[2] + part[4]) if part else "" for part in parts}
    if len(signs) > 1 or "" in signs:
        return [text.strip() for text in texts], ""
    return [part[1] + part[3] for part in parts if part], signs.pop()


def _note(texts: Sequence[str], values: Sequence[float | None], what: str) -> str:
    text, value = max(zip(texts, values, strict=True), key=lambda pair: len(pair[0]))
    return f"numbers are read {what}: {quoted(text)} as {value:.15g}"
