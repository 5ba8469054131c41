"""What do the labels mean? Kind of task, class names, and labels as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.args.table import LabelArgs
from steep.data.corpus import Task
from steep.data.raw import TEXTS, Column, is_missing, number_or_none
from steep.errors import SteepError
from steep.wording import some

ZERO_ONE = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
MOST_GRADES = 20
NAMED = 8  # labels that messages name


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

    Raises SteepError at a label that does not fit.
    """
    kind: str = task.kind if task is not None else args.task
    if kind == "auto":
        kind = _infer(columns, args)
    _check_kind(kind, columns)
    if args.ordered and kind != "single":
        source = columns[0].source
        raise SteepError(f"{source}: ordered: this is a task of kind '{kind}', without classes.")
    if kind == "multi":
        return _multi(columns, args, task)
    if kind == "regression":
        return _regression(columns, task)
    return _single(columns[0].filled(), args, task)


def names_of(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of the columns."""
    return tuple(column.name for column in columns)


def check_same_labels(labels: tuple[str, ...], task: Task | None, source: str) -> None:
    """Raises SteepError if these are not the labels of `task`, in its order."""
    if task is not None and labels != task.labels:
        raise SteepError(
            f"{source}: the labels must be {', '.join(task.labels)}, not {', '.join(labels)}."
        )


def _infer(columns: Sequence[Column], args: LabelArgs) -> str:
    """multi: several columns, lists or a delimiter; regression: many fractions; else single."""
    cells = columns[0].cells
    if len(columns) > 1 or cells.type == TEXTS or args.label_delimiter:
        return "multi"
    distinct = [text for text in pc.unique(cells).to_pylist() if not is_missing(text)]
    numbers = [number_or_none(text) for text in distinct]
    whole = all(number is not None and number.is_integer() for number in numbers)
    fractions = None not in numbers and not whole
    return "regression" if fractions and len(distinct) > MOST_GRADES else "single"


def _check_kind(kind: str, columns: Sequence[Column]) -> None:
    first = columns[0]
    if kind == "single" and len(columns) > 1:
        names = ", ".join(names_of(columns))
        raise SteepError(
            f"{first.source}: a task of kind 'single' has one label column, not {names}."
        )
    if kind != "multi" and first.cells.type == TEXTS:
        raise SteepError(f"{first.where}: holds lists, which is a task of kind 'multi'.")


def _single(column: Column, args: LabelArgs, task: Task | None) -> Encoded:
    texts = column.cells
    found = pc.unique(texts).to_pylist()
    if task is None:
        _check_classes(found, column, args)
    labels = task.labels if task is not None else _in_order(found)
    places = pc.index_in(texts, value_set=pa.array(labels, pa.string()))
    for at in np.flatnonzero(np.asarray(pc.is_null(places)))[:1].tolist():
        raise SteepError(_explain_unseen(column.place(at), texts[at].as_py(), labels))
    note = f"label '{column.name}': {len(labels)} classes ({some(labels, NAMED)})"
    notes = (note, *_delimiter_hint(found, column.name)) if task is None else ()
    known = task or Task("single", tuple(labels), ordered=args.ordered)
    _check_order(known, column)
    return Encoded(known, np.asarray(places).astype(np.int64), notes)


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
            example = delimiter.join(lists[0])
            return (
                f"label '{name}': '{example}' looks like several labels; if so, say "
                f"--label-delimiter '{delimiter}'",
            )
    return ()


def _check_classes(found: Sequence[str], column: Column, args: LabelArgs) -> None:
    rows = len(column.rows)
    if len(found) == 1:
        raise SteepError(
            f"{column.where}: every row has the label '{found[0]}'; two classes are needed."
        )
    if args.task == "auto" and len(found) > max(2, rows / 2):
        numeric = all(number_or_none(text) is not None for text in found)
        advice = "--task regression if it is a quantity, " if numeric else ""
        raise SteepError(
            f"{column.where}: {len(found):,} different labels in {rows:,} rows look like "
            f"identifiers or texts. Name the right column, or say {advice}--task single if these "
            "are classes."
        )


def _multi(columns: Sequence[Column], args: LabelArgs, task: Task | None) -> Encoded:
    first = columns[0]
    if len(columns) == 1 and (first.cells.type == TEXTS or args.label_delimiter):
        return _lists(first, args.label_delimiter, task)
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
        value = texts[at].as_py()
        raise SteepError(f"{column.place(at)}: expected 0 or 1, not '{value}'.")
    return np.array(list(ZERO_ONE.values()), np.float32)[np.asarray(places)]


def _lists(column: Column, delimiter: str | None, task: Task | None) -> Encoded:
    """Labels in lists, or in one text with a delimiter; a row may have none."""
    items = _items(column.cells, delimiter)
    labels = task.labels if task is not None else _in_order({x for row in items for x in row})
    if len(labels) < 2:
        raise SteepError(f"{column.where}: two labels are needed; found: {some(labels, NAMED)}.")
    place = {label: index for index, label in enumerate(labels)}
    values = np.zeros((len(items), len(labels)), np.float32)
    for at, row in enumerate(items):
        for label in row:
            if label not in place:
                raise SteepError(_explain_unseen(column.place(at), label, labels))
            values[at, place[label]] = 1
    return _several(values, tuple(labels), f"column '{column.name}'", task)


def _items(cells: pa.ChunkedArray, delimiter: str | None) -> list[list[str]]:
    if cells.type == TEXTS:
        items = cells.to_pylist()
    else:
        items = [(text or "").split(delimiter) for text in cells.to_pylist()]
    return [[x.strip() for x in row or () if not is_missing(x)] for row in items]


def _several(values: np.ndarray, labels: tuple[str, ...], where: str, task: Task | None) -> Encoded:
    counts = values.sum(axis=0).astype(int)
    named = [f"{label} {count:,}" for label, count in zip(labels, counts, strict=True)]
    none = int((values.sum(axis=1) == 0).sum())
    several = f"{len(labels)} labels in {where}, any number a row ({some(named, NAMED)})"
    notes = (f"{several}; {none:,} rows with none",) if task is None else ()
    return Encoded(Task("multi", labels), values, notes)


def _regression(columns: Sequence[Column], task: Task | None) -> Encoded:
    if task is not None and len(columns) != len(task.labels):
        source = columns[0].source
        raise SteepError(f"{source}: the targets must be {', '.join(task.labels)}.")
    found = [_quantity(column.filled()) for column in columns]
    names = names_of(columns)
    notes = [
        f"label '{name}': a quantity from {values.min():g} to {values.max():g} (regression)"
        for name, values in zip(names, found, strict=True)
    ]
    values = found[0] if len(found) == 1 else np.stack(found, axis=1)
    return Encoded(Task("regression", names), values, tuple(notes))


def _quantity(column: Column) -> np.ndarray:
    values = column.numbers("a number")
    if values.min() == values.max():
        raise SteepError(f"{column.where}: every row has the target {values[0]:g}.")
    return values


def _in_order(labels: Sequence[str] | set[str]) -> list[str]:
    """Numbers by value, anything else by name."""
    numbers = {label: number_or_none(label) for label in labels}
    if None in numbers.values():
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label], label))


def _explain_unseen(place: str, value: str, labels: Sequence[str]) -> str:
    return (
        f"{place}: the label '{value}' does not occur in the training rows. Known: "
        f"{some(labels, NAMED)}."
    )
