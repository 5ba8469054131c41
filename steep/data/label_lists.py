"""What do several labels a row mean? In columns of 0 and 1, in lists, in texts with a delimiter.

A list, such as "['a', 'b']" or "[0 1 0]" in a CSV file, holds names of labels, a 0 or 1 for each,
or numbers by their place.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.args.table import LabelArgs
from steep.data.corpus import Task
from steep.data.labels import (
    HOT,
    MANY,
    NAMED,
    OPENING,
    Encoded,
    in_order,
    known_ones,
    names_of,
    one_for_each,
    spelling_notes,
    unseen,
)
from steep.data.raw import TEXT, TEXTS, Column, is_missing, number_or_none
from steep.errors import SteepError
from steep.wording import listed, quoted, some

BRACKETS = re.compile(r"\s*(?:frozenset\(|set\()?(?:\[(.*)\]|\((.*)\)|\{(.*)\}|)\)?\s*", re.DOTALL)
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
PIECE = re.compile(rf"({QUOTED})|(,)|([^\s,'\"\[\](){{}}]+)|\s+", re.DOTALL)
NUMPY = re.compile(rf"np\.\w+\(({QUOTED}|[^()'\"]*)\)")  # np.str_('a'), np.int64(1)
ESCAPED = re.compile(r"\\(['\"\\])")
ZERO_ONE = dict.fromkeys(("0", "0.0", "0.", "false"), 0.0)
ZERO_ONE |= dict.fromkeys(("1", "1.0", "1.", "true"), 1.0)


def unfold_lists(
    column: Column, args: LabelArgs, task: Task | None
) -> tuple[Sequence[Column], tuple[str, ...]]:
    """A column of lists, which may be texts, as the columns that it means; and notes on that.

    Lists that are texts become lists, unless the task is said to be of kind single. Lists of 0 and
    1, or of one number for each label or target, become a column for each, named by its place from
    0. `task` is that of the training rows. Raises SteepError at lists that do not fit each other.
    """
    columns = [column]
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


def encode_several(columns: Sequence[Column], args: LabelArgs, task: Task | None) -> Encoded:
    """Labels in columns of 0 and 1, in lists, or in texts with a delimiter, as 0/1 (n, labels)."""
    first = columns[0]
    if len(columns) == 1 and (first.cells.type == TEXTS or args.label_delimiter):
        return _lists(first, args, task)
    labels = names_of(columns)
    check_same_labels(labels, task, first.source)
    if len(labels) == 1 and task is None:
        raise SteepError(
            f"{first.where}: one column of 0 and 1 is a task of kind 'single'. Name several "
            "columns, or say what separates the labels with --label-delimiter."
        )
    values = np.stack([_zero_one(column.filled()) for column in columns], axis=1)
    return _several(values, labels, f"{len(labels)} columns of 0 and 1", task)


def _zero_one(column: Column) -> np.ndarray:
    texts = pc.utf8_lower(column.cells)
    places = pc.index_in(texts, value_set=pa.array(list(ZERO_ONE)))
    for at in np.flatnonzero(np.asarray(pc.is_null(places)))[:1].tolist():
        told = f"expected 0 or 1, not {quoted(texts[at].as_py())}"
        raise SteepError(f"{column.place(at)}: {told}.")
    return np.array(list(ZERO_ONE.values()), np.float32)[np.asarray(places)]


def _lists(column: Column, args: LabelArgs, task: Task | None) -> Encoded:
    """Labels in lists, or in one text with a delimiter; a row may have none."""
    items, notes = _items(column, args)
    counts = Counter(label for row in items for label in row)
    if args.task != "multi":
        spellings = one_for_each(counts) if task is None else known_ones(counts, task.labels)
        items = [[spellings.get(label, label) for label in row] for row in items]
        notes = (*notes, *spelling_notes(column.name, spellings, "multi"))
    labels = task.labels if task is not None else in_order({x for row in items for x in row})
    if len(labels) < 2:
        raise SteepError(
            f"{column.where}: two labels are needed; found: {some(labels, NAMED) or 'none'}."
        )
    place = {label: index for index, label in enumerate(labels)}
    values = np.zeros((len(items), len(labels)), np.float32)
    unknown = [at for at, row in enumerate(items) if not place.keys() >= {*row}]
    if unknown:
        there = Counter(x for at in unknown for x in dict.fromkeys(items[at]) if x not in place)
        raise unseen(column.place(unknown[0]), there, len(items), labels)
    for at, row in enumerate(items):
        values[at, [place[label] for label in row]] = 1
    found = _several(values, tuple(labels), f"column {quoted(column.name)}", task)
    return replace(found, notes=(*found.notes, *notes))


def _items(column: Column, args: LabelArgs) -> tuple[list[list[str]], tuple[str, ...]]:
    """The labels of each row; and a note on words that stand for none."""
    cells = column.cells
    if cells.type == TEXTS:
        rows = [[(x or "").strip() for x in row or ()] for row in cells.to_pylist()]
    else:
        texts = [(text or "").split(args.label_delimiter) for text in cells.to_pylist()]
        rows = [[x.strip() for x in row] for row in texts]
    words = Counter(x for row in rows for x in row if x and is_missing(x))
    if args.task == "multi" or not words:
        return [[x for x in row if x] for row in rows], ()
    told = f"{listed([quoted(word) for word in words])} ({words.total():,} times)"
    note = f"{told} stands for no label; if it is the name of one, say --task multi"
    rows = [[x for x in row if not is_missing(x)] for row in rows]
    return rows, (f"label {quoted(column.name)}: {note}",)


def _several(values: np.ndarray, labels: tuple[str, ...], where: str, task: Task | None) -> Encoded:
    counts = zip(labels, values.sum(axis=0).astype(int), strict=True)
    named = some([f"{label} {count:,}" for label, count in counts], NAMED)
    none = f"{(~values.any(axis=1)).sum():,} rows with none"
    note = f"{len(labels)} labels in {where}, any number a row ({named}); {none}"
    return Encoded(Task("multi", labels), values, (note,) if task is None else ())


def check_same_labels(labels: tuple[str, ...], task: Task | None, source: str) -> None:
    """Raises SteepError if these are not the labels of `task`, in its order."""
    if task is not None and labels != task.labels:
        raise SteepError(
            f"{source}: the labels must be {some(task.labels, MANY)}, not {some(labels, MANY)}."
        )


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
