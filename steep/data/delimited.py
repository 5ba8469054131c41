"""How is a CSV or TSV file read? Delimiter and quoting are detected; every cell is a text."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from steep.data import files
from steep.data.dialects import NO_DELIMITER, Dialect, Reading, settle
from steep.data.raw import TEXT, Raw, check_named_once, chunks, record_batch

DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|"}
LONGEST_FIELD = 1 << 26
LONGEST_NAME = 60
FOR_EXCEL = re.compile(r'"?sep=(.)"?[\r\n]*')  # a first line that names the delimiter
AGREEING = 0.9  # of the lines have as many cells


def open_delimited(path: Path) -> Raw:
    """A CSV or TSV file with a header line. Raises SteepError at the first row it cannot read."""
    csv.field_size_limit(LONGEST_FIELD)
    start = _start(files.sample(path), files.suffix(path))
    found = settle(Reading(path, Dialect(start.delimiter), start.skipped))
    columns = dict.fromkeys(found.header, TEXT)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(found.where, found.header, names)
        places = [found.header.index(name) for name in names]
        wanted = dict.fromkeys(names, TEXT)
        for rows in chunks(Reading(path, found.dialect, found.skipped).rows()):
            yield record_batch(wanted, [[row[place] for place in places] for row in rows])

    notes = tuple(f"{found.name}: {note}" for note in found.notes())
    return Raw(found.where, columns, batches, (path,), notes)


def looks_headless(columns: Sequence[str]) -> bool:
    """Whether a header looks like a row of data: a number, or a whole sentence."""
    return any(len(name) > LONGEST_NAME or name.replace(".", "").isdigit() for name in columns)


@dataclass(frozen=True)
class _Start:
    """What the first lines say: what separates the cells, and how many lines precede the header."""

    delimiter: str
    skipped: int


def _start(sample: str, kind: str) -> _Start:
    lines = list(io.StringIO(sample, newline=""))  # str.splitlines also breaks at rare characters
    skipped = _blank(lines)
    told = FOR_EXCEL.fullmatch(lines[skipped])
    if told and len(lines) > skipped + 1:
        skipped += 1
        return _Start(told[1], skipped + _blank(lines[skipped:]))
    whole = lines[:-1] if len(lines) > 1 and len(sample) >= files.SAMPLE else lines
    return _Start(_delimiter(whole[skipped:], kind), skipped)


def _blank(lines: Sequence[str]) -> int:
    """How many blank lines come first."""
    return next((at for at, line in enumerate(lines) if line.strip()), 0)


def _delimiter(lines: Sequence[str], kind: str) -> str:
    """What splits most lines into as many cells as the first, or splits no line alike."""
    candidates = DELIMITERS.get(kind, ",;\t|")
    agreement = {sign: _agreement(Dialect(sign), lines) for sign in candidates}
    if max(agreement.values())[0] < AGREEING:  # quotes may not enclose cells
        literal = {sign: _agreement(Dialect(sign, "literal"), lines) for sign in candidates}
        agreement = {sign: max(agreement[sign], literal[sign]) for sign in candidates}
    best = max(candidates, key=lambda sign: agreement[sign])
    if agreement[best][1] > 1 or any(
        _agreement(Dialect(c), lines[1:])[0] > AGREEING for c in candidates
    ):
        return best
    return NO_DELIMITER


def _agreement(dialect: Dialect, lines: Sequence[str]) -> tuple[float, int]:
    """The share of the rows that have as many cells as the first, and this number; 0 if it is 1."""
    try:
        widths = [len(row) for row in dialect.rows(lines, strict=False) if row]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 1
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]
