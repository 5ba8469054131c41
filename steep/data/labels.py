"""What do the labels mean? Kind of task, class names, labels as numbers; one spelling of each.

1, 1.0 and 01, or Positive and positive, are one label. Several labels a row: `label_lists`.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.args.table import LabelArgs
from steep.data.corpus import Task
from steep.data.raw import (
    TEXT,
    TEXTS,
    Column,
    explain_doubt,
    number_or_none,
    read_numbers,
)
from steep.errors import SteepError
from steep.wording import brief, listed, quoted, some

NAMED = 8  # labels that messages name
MANY = 30  # the same, where all of them matter
MOST_GRADES = 20
HOT = re.compile(r"\s*[01]([\s,;|]+[01]){2,}\s*")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
Spellings = dict[str, str]  # from a spelling to the one that is used for it
OPENING = ("[", "(", "{", "set(", "frozenset(")
FEW_ROWS = 10  # for each of many whole numbers, which then are a quantity


@dataclass(frozen=True)
class Encoded:
    """Labels as numbers: int64 (n,), float32 (n, labels), or float64 (n,) or (n, targets), by kind.

    `soft` are their probabilities, float32 (n, labels), where the table has these.
    """

    task: Task
    values: np.ndarray
    notes: tuple[str, ...]
    soft: np.ndarray | None = None


def encode_labels(columns: Sequence[Column], args: LabelArgs, task: Task | None = None) -> Encoded:
    """Label cells as numbers, by the kind of task that `task`, `args` or the cells themselves say.

    What the cells only seem to mean is said in the notes, with the option that would have them mean
    something else. Raises SteepError at a label that does not fit.
    """
    columns, notes = unfold(columns, args, task)
    kind: str = task.kind if task is not None else args.task
    if kind == "auto":
        kind, guess = infer_kind(columns, args)
        notes = (*notes, *guess)
    _check_kind(kind, columns)
    if args.ordered and kind != "single":
        source = columns[0].source
        raise SteepError(f"{source}: ordered: this is a task of kind '{kind}', without classes.")
    if kind == "multi":
        from steep.data.label_lists import encode_several

        found = encode_several(columns, args, task)
    elif kind == "regression":
        found = _regression(columns, task)
    else:
        found = _single(columns[0].filled(args.task == "single"), args, task)
    return replace(found, notes=(*found.notes, *notes))


def unfold(
    columns: Sequence[Column], args: LabelArgs, task: Task | None
) -> tuple[Sequence[Column], tuple[str, ...]]:
    """The columns, one of lists as what it means (`label_lists`); and notes on that."""
    if len(columns) > 1 or (columns[0].cells.type == TEXT and not _looks_like_lists(columns[0])):
        return columns, ()
    from steep.data.label_lists import unfold_lists

    return unfold_lists(columns[0], args, task)


def _looks_like_lists(column: Column) -> bool:
    """Whether most texts of a column begin as lists do."""
    distinct = column.distinct()
    opening = (text.lstrip().startswith(OPENING) or HOT.fullmatch(text) for text in distinct)
    return 2 * sum(map(bool, opening)) > len(distinct)


def infer_kind(columns: Sequence[Column], args: LabelArgs) -> tuple[str, tuple[str, ...]]:
    """multi: several columns, lists or a delimiter; regression: a quantity; else single.

    With notes, where that is a guess: whole numbers are classes if they run from 0 on without gaps,
    or have many rows each. Raises SteepError at numbers that may be others.
    """
    cells = columns[0].cells
    if len(columns) > 1 or cells.type == TEXTS or args.label_delimiter:
        return "multi", ()
    distinct = columns[0].distinct()
    if len(distinct) <= MOST_GRADES:
        return "single", ()
    numbers = read_numbers(distinct)
    if numbers.doubt:
        told = explain_doubt(columns[0].where, numbers.doubt)
        raise SteepError(f"{told} If they are names of classes, say --task single.")
    values = {value for value in numbers.values if value is not None}
    if None in numbers.values or len(values) <= MOST_GRADES:
        return "single", ()
    if not all(value.is_integer() for value in values):
        return "regression", ()
    rows = len(cells) - cells.null_count
    what = f"label {quoted(columns[0].name)}: {len(values):,} different whole numbers are read as"
    if len(values) <= rows / FEW_ROWS or values == set(range(len(values))):
        return "single", (f"{what} classes; if they are a quantity, say --task regression",)
    if len(values) > rows / 2:
        return "single", ()  # which is refused
    return "regression", (f"{what} a quantity; if they are classes, say --task single",)


def names_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of the columns."""
    return tuple(column.name for column in columns)


def _check_kind(kind: str, columns: Sequence[Column]) -> None:
    first, names = columns[0], some(names_of(columns), MANY)
    if kind == "single" and len(columns) > 1:
        told = f"a task of kind 'single' has one label column, not {names}"
        raise SteepError(f"{first.source}: {told}.")
    if kind != "multi" and first.cells.type == TEXTS:
        raise SteepError(f"{first.where}: holds lists, which is a task of kind 'multi'.")


def _single(column: Column, args: LabelArgs, task: Task | None) -> Encoded:
    column, notes = _respelled(column, args, task)
    texts = column.cells
    found = pc.unique(texts).to_pylist()
    if task is None:
        _check_classes(found, column, args)
    labels = task.labels if task is not None else in_order(found)
    places = pc.index_in(texts, value_set=pa.array(labels, pa.string()))
    if places.null_count:
        there = Counter(x for x in texts.to_pylist() if x not in labels)
        at = texts.index(next(iter(there))).as_py()
        raise unseen(column.place(at), there, len(texts), labels)
    if task is None:
        note = f"label {quoted(column.name)}: {len(labels)} classes ({some(labels, NAMED)})"
        notes = (note, *_delimiter_hint(found, column.name), *notes)
    known = task or Task("single", tuple(labels), ordered=args.ordered)
    _check_order(known, column)
    return Encoded(known, np.asarray(places).astype(np.int64), notes)


def _respelled(
    column: Column, args: LabelArgs, task: Task | None
) -> tuple[Column, tuple[str, ...]]:
    """The column with one spelling of each class, unless --task says that all are as written."""
    if args.task == "single":
        return column, ()
    counts = {c["values"]: c["counts"] for c in pc.value_counts(column.cells).to_pylist()}
    spellings = one_for_each(counts) if task is None else known_ones(counts, task.labels)
    if not spellings:
        return column, ()
    cells = pa.array([spellings.get(text, text) for text in column.cells.to_pylist()], TEXT)
    notes = spelling_notes(column.name, spellings, "single")
    return replace(column, cells=pa.chunked_array([cells])), notes


def _check_order(task: Task, column: Column) -> None:
    if task.ordered and (len(task.labels) < 3 or None in map(number_or_none, task.labels)):
        raise SteepError(
            f"{column.where}: ordered classes are three or more numbers, such as stars from 1 to "
            f"5, not {some(task.labels, NAMED)}. Write them as numbers, or leave --ordered out."
        )


def _delimiter_hint(found: Sequence[str], name: str) -> tuple[str, ...]:
    """A note if classes look like lists of other classes ('toxic,insult')."""
    for delimiter in "|;,":
        lists = [text.split(delimiter) for text in found if delimiter in text]
        parts = {part.strip() for items in lists for part in items}
        if len(lists) > 1 and len(parts & set(found)) > len(parts) / 2:
            example = quoted(delimiter.join(lists[0]))
            return (
                f"label {quoted(name)}: {example} looks like several labels; if so, say "
                f"--label-delimiter '{delimiter}'",
            )
    return ()


def _check_classes(found: Sequence[str], column: Column, args: LabelArgs) -> None:
    rows = len(column.rows)
    if len(found) == 1:
        raise SteepError(
            f"{column.where}: every row has the label {quoted(found[0])}; two classes are needed."
        )
    if args.task == "auto" and len(found) > max(2, rows / 2):
        numeric = None not in read_numbers(found).values
        advice = "--task regression if it is a quantity, " if numeric else ""
        raise SteepError(
            f"{column.where}: {len(found):,} different labels in {rows:,} rows look like "
            f"identifiers or texts. Name the right column, or say {advice}--task single if these "
            "are classes."
        )


def _regression(columns: Sequence[Column], task: Task | None) -> Encoded:
    if task is not None and len(columns) != len(task.labels):
        told = f"the targets must be {some(task.labels, MANY)}"
        raise SteepError(f"{columns[0].source}: {told}.")
    found = list(map(_quantity, columns))
    names = names_of(columns)
    notes = [
        f"label {quoted(name)}: a quantity from {values.min():g} to {values.max():g} (regression)"
        for name, values in zip(names, found, strict=True)
    ]
    notes += [note for column in columns for note in column.number_notes()]
    values = found[0] if len(found) == 1 else np.stack(found, axis=1)
    return Encoded(Task("regression", names), values, tuple(notes))


def _quantity(column: Column) -> np.ndarray:
    values = column.filled().numbers("a number")
    if values.min() == values.max():
        raise SteepError(f"{column.where}: every row has the target {values[0]:g}.")
    return values


def in_order(labels: Sequence[str] | set[str]) -> list[str]:
    """Numbers by value, anything else by name."""
    numbers = {label: number_or_none(label) for label in labels}
    if None in numbers.values():
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label], label))


def unseen(place: str, there: Counter[str], rows: int, labels: Sequence[str]) -> SteepError:
    """The error of labels that training rows do not have; `there` counts them, in `rows` rows."""
    counts = some([f"{brief(label, 30)} {count:,}" for label, count in there.items()], NAMED)
    return SteepError(
        f"{place}: the label {quoted(next(iter(there)))} does not occur in the training rows. Of "
        f"{rows:,} rows, so many have such labels: {counts}. Known: {some(labels, NAMED)}. Give "
        "training rows of them, or take these rows out."
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
