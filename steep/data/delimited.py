"""How is a CSV or TSV file read? Delimiter and quoting are detected; every cell is a text.

What its double quotes mean is tried on all of it, not only on its start. In the order: they enclose
cells, and one within a cell is doubled (RFC 4180); the same, but one within a cell has a backslash
before it; they are ordinary characters, which a TSV file may have.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from steep.data import files
from steep.data.raw import TEXT, Raw, check_named_once, chunks, record_batch
from steep.errors import SteepError

Quotes = Literal["doubled", "backslash", "literal"]

NO_DELIMITER = "\x1f"  # of a file with one column
LINE_END = re.compile(r"\r\n|\r|\n")
BACKSLASHED = re.compile(r'\\(["\\])')
MANY_LINES = 10  # of one cell, where it is suspicious that each would be a row by itself
LABELS = 0.1  # of the number of rows are different labels at most
MEANINGS: dict[Quotes, tuple[str, ...]] = {
    "doubled": (),
    "backslash": ('\\" within a cell is read as a double quote',),
    "literal": ("double quotes do not enclose cells, so they are kept as text",),
}
DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|"}
LONGEST_FIELD = files.LONGEST_TEXT
FOR_EXCEL = re.compile(r'"?sep=(.)"?[\r\n]*')  # a first line that names the delimiter
AGREEING = 0.9  # of the lines have as many cells


@dataclass(frozen=True)
class Dialect:
    """What separates the cells; how a double quote within an enclosed cell is written.

    With `literal` quotes no cell is enclosed.
    """

    delimiter: str
    quotes: Quotes = "doubled"

    def rows(self, lines: Iterable[str], strict: bool = True) -> Any:
        """The `csv.reader` of these lines."""
        if self.quotes == "backslash":
            lines = (
                BACKSLASHED.sub(lambda f: '""' if f[1] == '"' else "\\", line) for line in lines
            )
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.quotes == "literal" else csv.QUOTE_MINIMAL
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=strict)


def open_delimited(path: Path) -> Raw:
    """A CSV or TSV file with a header line. Raises SteepError at the first row it cannot read."""
    csv.field_size_limit(LONGEST_FIELD)
    delimiter, skipped = _start(files.sample(path), files.suffix(path))
    found = settle(Reading(path, Dialect(delimiter), skipped))
    columns = dict.fromkeys(found.header, TEXT)

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        check_named_once(found.where, found.header, names)
        places = [found.header.index(name) for name in names]
        wanted = dict.fromkeys(names, TEXT)
        for rows in chunks(Reading(path, found.dialect, found.skipped).rows()):
            yield record_batch(wanted, [[row[place] for place in places] for row in rows])

    notes = tuple(f"{found.name}: {note}" for note in found.notes())
    return Raw(found.where, columns, batches, (path,), notes)


def _start(sample: str, kind: str) -> tuple[str, int]:
    """What separates the cells, and how many lines precede the header, as the first lines say."""
    lines = list(io.StringIO(sample, newline=""))  # str.splitlines also breaks at rare characters
    skipped = _blank(lines)
    told = FOR_EXCEL.fullmatch(lines[skipped])
    if told and len(lines) > skipped + 1:
        skipped += 1
        return told[1], skipped + _blank(lines[skipped:])
    whole = lines[:-1] if len(lines) > 1 and len(sample) >= files.SAMPLE else lines
    return _delimiter(whole[skipped:], kind), skipped


def _blank(lines: Sequence[str]) -> int:
    """How many blank lines come first."""
    return next((at for at, line in enumerate(lines) if line.strip()), 0)


def _delimiter(lines: Sequence[str], kind: str) -> str:
    """What splits most lines into as many cells as the first, or splits no line alike."""
    candidates = DELIMITERS[kind]
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


@dataclass
class Reading:
    """One pass over a file, whose first line after those `skipped` is the header.

    What the pass has met so far: the `header`, a number of data rows, after how many of them there
    were blank lines, and the rows over several lines of which each would be a row by itself: the
    number of the first line, and the lines.
    """

    path: Path
    dialect: Dialect
    skipped: int = 0
    header: list[str] = field(default_factory=list)
    count: int = 0
    blank: list[int] = field(default_factory=list)
    joined: list[tuple[int, list[str]]] = field(default_factory=list)

    @property
    def where(self) -> str:
        return files.shown_path(self.path)

    @property
    def name(self) -> str:
        return Path(self.where).name

    def rows(self) -> Iterator[list[str]]:
        """The data rows; SteepError at the first that cannot be read.

        A blank line is a row of a file with one column, and none of a file with more.
        """
        reader = self.dialect.rows(islice(files.lines(self.path), self.skipped, None))
        done, first = self.skipped, self.skipped + 1  # lines
        try:
            self.header = [name.strip().lstrip("\ufeff") for name in next(reader)]
            width, done = len(self.header), self.skipped + reader.line_num
            for row in reader:
                first, done = done + 1, self.skipped + reader.line_num
                if len(row) == width or (row := self._odd(row, first)):
                    self.count += 1
                    if done > first:
                        self._look_at(row, first)
                    yield row
        except csv.Error as error:
            raise SteepError(
                f"{self._place(done + 1)}: {error}. A double quote inside a quoted cell must be "
                'doubled ("") and every opening quote needs its closing one.'
            ) from None

    def notes(self) -> list[str]:
        """What to say after a whole pass."""
        notes = [*MEANINGS[self.dialect.quotes]]
        if blank := sum(after < self.count for after in self.blank):
            notes.append(f"{blank:,} blank lines are no rows")
        least = 2 if self.dialect.delimiter == "\t" else MANY_LINES  # texts hold commas, no tabs
        if suspicious := [(line, len(held)) for line, held in self.joined if len(held) >= least]:
            line, lines = max(suspicious, key=lambda found: found[1])
            notes.append(
                f"{len(suspicious):,} rows hold line breaks, and each of their lines would be a "
                f"row by itself (line {line:,}: {lines:,} lines). If the quote that begins there "
                'does not enclose them, double it ("")'
            )
        return notes

    def _odd(self, row: list[str], line: int) -> list[str]:
        """A row of another width than the header's: nothing if the line is blank, else refused."""
        width = len(self.header)
        if len(row) < 2 and not "".join(row).strip():
            if width == 1:
                return [""]
            self.blank.append(self.count)
            return []
        raise SteepError(
            f"{self._place(line)}: {len(row):,} cells, but the header has {width:,}. Put cells "
            "that hold the delimiter or a line break into double quotes."
        )

    def _look_at(self, row: list[str], first: int) -> None:
        """Whether each line of a row over several lines would be a row by itself."""
        sign = self.dialect.delimiter
        lines = LINE_END.split(sign.join(row))  # as they are in the file, but for quotes
        if all(line.count(sign) == len(row) - 1 for line in lines):
            self.joined.append((first, lines))

    def _place(self, line: int) -> str:
        return f"{self.where}, row {self.count + 1:,} (line {line:,})"


def settle(first: Reading) -> Reading:
    """A finished pass in the dialect of `first`, or with other quotes if the whole file says so.

    Raises SteepError if the file can be read in no way, or rows seem to be swallowed by a quote.
    """
    fault = _fault(first)
    if fault is None and not first.joined:
        return first
    if fault is not None:
        escaped = Reading(first.path, Dialect(first.dialect.delimiter, "backslash"), first.skipped)
        if _fault(escaped) is None and not escaped.joined:
            return escaped
    if first.dialect.delimiter == "\t":
        literal = Reading(first.path, Dialect("\t", "literal"), first.skipped)
        if _is_unquoted(literal, first):
            return literal
    if fault is not None:
        raise fault
    if swallowed := _swallowed(first):
        line, lines = swallowed
        raise SteepError(
            f"{first.where}, line {line:,}: a double quote begins a cell of {len(lines):,} lines, "
            "but each of them would be a row by itself, as others are. If it does not enclose a "
            'cell, put the cell into double quotes, and double the one within ("").'
        )
    return first


def _fault(reading: Reading) -> SteepError | None:
    try:
        for _ in reading.rows():
            pass
    except SteepError as error:
        return error
    return None


def _is_unquoted(literal: Reading, other: Reading) -> bool:
    """Whether a literal reading serves, and the header and most rows have no cell in quotes."""
    enclosed = 0
    try:
        for row in literal.rows():
            enclosed += any(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in row)
    except SteepError:
        return False
    return literal.header == other.header and enclosed <= literal.count / 2


def _swallowed(reading: Reading) -> tuple[int, list[str]] | None:
    """The first of the `joined` rows whose lines all begin, or all end, as other rows do.

    That is in a first or last column of labels, which has few values.
    """
    if len(reading.header) < 2:
        return None
    again = Reading(reading.path, reading.dialect, reading.skipped)
    begins, ends = set[str](), set[str]()
    for row in again.rows():
        for values, cell in ((begins, row[0]), (ends, row[-1])):
            if len(values) <= reading.count * LABELS:
                values.add(cell)
    begins, ends = (v if len(v) <= reading.count * LABELS else set() for v in (begins, ends))
    sign = reading.dialect.delimiter
    for first, lines in reading.joined:
        if begins.issuperset(line.split(sign)[0] for line in lines[1:]) or ends.issuperset(
            line.split(sign)[-1] for line in lines[:-1]
        ):
            return first, lines
    return None
