"""How are labels written in cells? As lists, which may have become texts, and in several spellings.

A list, such as "['a', 'b']" or "[0 1 0]" in a CSV file, holds names of labels, a 0 or 1 for each,
or numbers by their place. 1, 1.0 and 01, or Positive and positive, are one label.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa

from steep.args.table import LabelArgs
from steep.data.corpus import Task
from steep.data.raw import TEXT, TEXTS, Column, number_or_none
from steep.errors import SteepError
from steep.wording import listed, quoted, some

BRACKETS = re.compile(r"\s*(?:frozenset\(|set\()?(?:\[(.*)\]|\((.*)\)|\{(.*)\}|)\)?\s*", re.DOTALL)
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
PIECE = re.compile(rf"({QUOTED})|(,)|([^\s,'\"\[\](){{}}]+)|\s+", re.DOTALL)
NUMPY = re.compile(rf"np\.\w+\(({QUOTED}|[^()'\"]*)\)")  # np.str_('a'), np.int64(1)
HOT = re.compile(r"\s*[01]([\s,;|]+[01]){2,}\s*")
ESCAPED = re.compile(r"\\(['\"\\])")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
Spellings = dict[str, str]  # from a spelling to the one that is used for it
OPENING = ("[", "(", "{", "set(", "frozenset(")
ZERO_ONE = dict.fromkeys(("0", "0.0", "0.", "false"), 0.0)
ZERO_ONE |= dict.fromkeys(("1", "1.0", "1.", "true"), 1.0)


def unfold(
    columns: Sequence[Column], args: LabelArgs, task: Task | None
) -> tuple[Sequence[Column], tuple[str, ...]]:
    """The columns, one of lists as what it means; and notes on that.

    Lists that are texts become lists, unless the task is said to be of kind single. Lists of 0 and
    1, or of one number for each label or target, become a column for each, named by its place from
    0. `task` is that of the training rows. Raises SteepError at lists that do not fit each other.
    """
    if len(columns) > 1:
        return columns, ()
    column = columns[0]
    notes: tuple[str, ...] = ()
    kind = args.task if task is None else task.kind
    numbers = args.soft or kind == "regression"
    if kind == "single" and not numbers:
        return columns, ()
    if column.cells.type == TEXT:
        column, notes = _parsed(column)
    if column.cells.type != TEXTS:
        return columns, ()
    if numbers:
        return _by_place(column, "a number for each place"), notes
    if _is_multi_hot(column, task):
        told = f"label {quoted(column.name)}: its lists hold a 0 or 1 for each label"
        note = f"{told}, and labels are named by their place from 0"
        return _by_place(column, "a 0 or 1 for each label"), (*notes, note)
    _check_names(column)
    return [column], notes


def parse_list(text: str) -> list[str | None] | None:
    """The items of a list that was written as text by Python, numpy or JSON; None if it is none.

    Three and more 0 and 1 are a list without brackets, too.
    """
    if HOT.fullmatch(text):
        return re.findall("[01]", text)
    found = BRACKETS.fullmatch(text)
    if found is None or not text.lstrip().startswith(OPENING):
        return None
    body = NUMPY.sub(r"\1", next((group for group in found.groups() if group is not None), ""))
    parts = _parts(body)
    if parts is None:
        return None
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # a comma at the end
    if len(parts) == 1 and all(map(_is_closed, parts[0])):
        return [_item([piece]) for piece in parts[0]]  # numpy sets no commas
    if any(not part or (len(part) > 1 and any(map(_is_quoted, part))) for part in parts):
        return None
    if not text.lstrip().startswith("[") and not all(_is_closed(part[0]) for part in parts):
        return None
    return [_item(part) for part in parts]


def _parts(body: str) -> list[list[str]] | None:
    """What stands between commas, each as its quoted and bare pieces; None where it is no list."""
    parts: list[list[str]] = [[]]
    at = 0
    while at < len(body):
        piece = PIECE.match(body, at)
        if piece is None:
            return None
        at = piece.end()
        if piece[2]:
            parts.append([])
        elif text := piece[1] or piece[3]:
            parts[-1].append(text)
    return parts


def _is_quoted(piece: str) -> bool:
    return piece[0] in "'\""


def _is_closed(piece: str) -> bool:
    """Whether a piece is an item by itself, not a word of several."""
    return _is_quoted(piece) or number_or_none(piece) is not None


def _item(pieces: list[str]) -> str | None:
    if pieces == ["None"]:
        return None
    if _is_quoted(pieces[0]):
        return ESCAPED.sub(r"\1", pieces[0][1:-1])
    return " ".join(pieces)


def _parsed(column: Column) -> tuple[Column, tuple[str, ...]]:
    """A column of texts as one of lists, if most of them are such, and some cannot be else."""
    distinct = column.distinct()
    opening = (text.lstrip().startswith(OPENING) or HOT.fullmatch(text) for text in distinct)
    if 2 * sum(map(bool, opening)) <= len(distinct):
        return column, ()
    lists = {text: parse_list(text) for text in distinct}
    telling = [
        text
        for text, items in lists.items()
        if items is not None and (len(items) != 1 or "'" in text or '"' in text)
    ]
    if 2 * sum(items is None for items in lists.values()) >= len(lists) or not telling:
        return column, ()
    how = "To take each cell as the name of a class, as it is written, say --task single"
    for text, items in lists.items():
        if items is None:
            at = column.cells.index(text).as_py()
            raise SteepError(
                f"{column.place(at)}: expected a list, as in other rows, not {quoted(text)}. {how}."
            )
    cells = [lists.get(text) for text in column.cells.to_pylist()]
    told = f"texts such as {quoted(max(telling, key=len))} are read as lists"
    note = f"label {quoted(column.name)}: {told}. {how}"
    return replace(column, cells=pa.chunked_array([pa.array(cells, TEXTS)])), (note,)


def _is_multi_hot(column: Column, task: Task | None) -> bool:
    """Whether lists hold a 0 or 1 for each label: they are of one length, or hold one twice."""
    rows = column.cells.to_pylist()
    filled = [row for row in rows if row]
    if not filled or any(
        str(item).strip().lower() not in ZERO_ONE for row in filled for item in row
    ):
        return False
    if any(len(set(row)) < len(row) for row in filled):
        return True
    widths = {len(row) for row in rows if row is not None}
    fits = task is None or widths == {len(task.labels)}
    return len(widths) == 1 and widths != {1} and fits


def _by_place(column: Column, what: str) -> list[Column]:
    """A column for each place of the lists; SteepError if some are longer than others."""
    rows = column.cells.to_pylist()
    width = len(next((row for row in rows if row), []))
    for at, row in enumerate(rows):
        if row and len(row) != width:
            raise SteepError(
                f"{column.place(at)}: lists of {what} are of one length, which is {width:,} in the "
                f"first row, not {len(row):,}."
            )
    places = [[row[i] if row else None for row in rows] for i in range(width)]
    arrays = [pa.chunked_array([pa.array(cells, TEXT)]) for cells in places]
    return [replace(column, name=str(i), cells=cells) for i, cells in enumerate(arrays)]


def _check_names(column: Column) -> None:
    """Raises SteepError if the items of lists of one length are fractions."""
    filled = [row for row in column.cells.to_pylist() if row]
    numbers = [number_or_none(item or "") for row in filled for item in row]
    fractions = None not in numbers and any(n % 1 for n in numbers if n is not None)
    if fractions and len({len(row) for row in filled}) == 1:
        raise SteepError(
            f"{column.where}: holds lists of fractions. If they are probabilities of labels, say "
            "--soft; if they are targets, say --task regression."
        )


def one_for_each(counts: Mapping[str, int]) -> Spellings:
    """The spellings, with their numbers of rows, that give way to another of the same label.

    Of numbers the shortest is kept, of words the one of most rows.
    """
    found: Spellings = {}
    for spellings in _alike(counts).values():
        rows = {text: 0 if NUMBER.fullmatch(text) else -counts[text] for text in spellings}
        best = min(spellings, key=lambda text: (rows[text], len(text), text))
        found |= {text: best for text in spellings if text != best}
    return found


def known_ones(texts: Iterable[str], labels: Sequence[str]) -> Spellings:
    """Those of the texts that are one of the labels in another spelling."""
    known = {key: spelled[0] for key, spelled in _alike(labels).items() if len(spelled) == 1}
    keys = {text: _key(text) for text in texts if text not in labels}
    return {text: known[key] for text, key in keys.items() if key in known}


def spelling_notes(name: str, spellings: Spellings, kind: str) -> tuple[str, ...]:
    """What is read as what, and how to keep it apart."""
    if not spellings:
        return ()
    groups: dict[str, list[str]] = defaultdict(list)
    for text, best in spellings.items():
        groups[best].append(quoted(text))
    told = [f"{listed(texts)} as {quoted(best)}" for best, texts in groups.items()]
    return (
        f"label {quoted(name)}: different spellings are read as one label: {some(told, 8)}. To "
        f"keep them apart, say --task {kind}",
    )


def _alike(texts: Iterable[str]) -> dict[Decimal | str, list[str]]:
    groups: dict[Decimal | str, list[str]] = defaultdict(list)
    for text in texts:
        groups[_key(text)].append(text)
    return groups


def _key(text: str) -> Decimal | str:
    """What spellings of one label have in common: its value, or its letters."""
    if NUMBER.fullmatch(text):
        return Decimal(text)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
