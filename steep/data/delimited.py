"""How is a CSV or TSV file read? Delimiter and quoting are detected; every cell is a text."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from steep.data import files
from steep.data.raw import TEXT, Raw, check_named_once, chunks, record_batch
from steep.errors import SteepError

DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|"}
LONGEST_FIELD = 1 << 26
LONGEST_NAME = 60


@dataclass(frozen=True)
class Dialect:
    """What separates the cells; whether a double quote is an ordinary character."""

    delimiter: str
    literal_quotes: bool = False

    def rows(self, lines: Iterable[str], strict: bool = True) -> Any:
        """The `csv.reader` of these lines."""
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.literal_quotes else csv.QUOTE_MINIMAL
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=strict)


def open_delimited(path: Path) -> Raw:
    """A CSV or TSV file with a header line. Raises SteepError at the first row it cannot read."""
    csv.field_size_limit(LONGEST_FIELD)
    start = files.sample(path)
    dialect = sniff(start, files.suffix(path))
    first = next(dialect.rows(_lines(start), strict=False))
    header = [name.strip() for name in first]
    columns = dict.fromkeys(header, TEXT)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(str(path), header, names)
        places = [header.index(name) for name in names]
        wanted = dict.fromkeys(names, TEXT)
        for rows in chunks(_rows(path, dialect, len(header))):
            yield record_batch(wanted, [[row[place] for place in places] for row in rows])

    literal = f"{path.name}: double quotes do not enclose cells, so they are kept as text"
    notes = (literal,) if dialect.literal_quotes else ()
    return Raw(str(path), columns, batches, (path,), notes)


def sniff(start: str, kind: str) -> Dialect:
    """The dialect that splits most of the first lines into as many cells as the header has."""
    lines = _lines(start)
    whole = lines[:-1] if len(lines) > 1 and len(start) >= files.SAMPLE else lines
    candidates = [Dialect(delimiter) for delimiter in DELIMITERS.get(kind, ",;\t|")]
    best = max(candidates, key=lambda dialect: _fitness(dialect, whole))
    literal = Dialect("\t", literal_quotes=True)
    return literal if best.delimiter == "\t" and _is_literal(literal, whole) else best


def looks_headless(columns: Sequence[str]) -> bool:
    """Whether a header looks like a row of data: a number, or a whole sentence."""
    return any(len(name) > LONGEST_NAME or name.replace(".", "").isdigit() for name in columns)


def _lines(start: str) -> list[str]:
    return list(io.StringIO(start, newline=""))  # str.splitlines also breaks at rare characters


def _rows(path: Path, dialect: Dialect, width: int) -> Iterator[list[str]]:
    """The data rows, without blank lines."""
    number = 0
    with files.open_text(path) as stream:
        rows = dialect.rows(stream)
        try:
            next(rows)
            for row in rows:
                if not row:
                    continue
                number += 1
                if len(row) != width:
                    raise SteepError(_explain_ragged(path, number, len(row), width, rows.line_num))
                yield row
        except csv.Error as error:
            raise SteepError(
                f"{path}, row {number + 1}: {error}. A double quote inside a quoted cell must be "
                f'doubled ("") and every opening quote needs its closing one.'
            ) from None


def _explain_ragged(path: Path, number: int, cells: int, width: int, line: int) -> str:
    return (
        f"{path}, row {number} (line {line}): {cells} cells, but the header has {width}. Put cells "
        "that hold the delimiter or a line break into double quotes."
    )


def _fitness(dialect: Dialect, lines: list[str]) -> tuple[float, int]:
    try:
        widths = [len(row) for row in dialect.rows(lines, strict=False) if row]
    except csv.Error:
        return 0.0, 0
    agreeing = sum(width == widths[0] for width in widths) / len(widths)
    return (agreeing, widths[0]) if widths[0] > 1 else (0.0, 1)


def _is_literal(dialect: Dialect, lines: list[str]) -> bool:
    """Whether every line is a row by itself and some cell opens a quote that it never closes."""
    rows = [row for row in dialect.rows(lines) if row]
    if any(len(row) != len(rows[0]) for row in rows):
        return False
    return any(cell.startswith('"') and not _closes(cell) for row in rows for cell in row)


def _closes(cell: str) -> bool:
    return len(cell) > 1 and cell.count('"') % 2 == 0
