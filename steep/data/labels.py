"""What do the labels mean? Kind of task, class names, and labels as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steep.args import TableArgs
from steep.data.corpus import Task
from steep.data.raw import TEXTS
from steep.errors import SteepError

MISSING = ("", "nan", "null")
ZERO_ONE = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
MOST_GRADES = 20
NAMED = 8

Columns = Mapping[str, pa.ChunkedArray]


@dataclass(frozen=True)
class Encoded:
    """Labels as numbers: int64 (n,), float32 (n, labels), or float64 (n,) or (n, targets), by kind.

    `soft` are their probabilities, float32 (n, labels), where the table has these.
    """

    task: Task
    values: np.ndarray
    notes: tuple[str, ...]
    soft: np.ndarray | None = None


def encode(
    columns: Columns, rows: np.ndarray, args: TableArgs, source: str, task: Task | None = None
) -> Encoded:
    """Label cells as numbers, by the kind of task that `task`, `args` or the cells themselves say.

    `rows` are the row numbers (n,) for messages. Raises SteepError at a label that does not fit.
    """
    kind: str = task.kind if task is not None else args.task
    if kind == "auto":
        kind = _infer(columns, args)
    _check_kind(kind, columns, source)
    if args.ordered and kind != "single":
        raise SteepError(f"{source}: ordered: this is a task of kind '{kind}', without classes.")
    if kind == "multi":
        return _multi(columns, rows, args, source, task)
    if kind == "regression":
        return _regression(columns, rows, source, task)
    ((name, cells),) = columns.items()
    texts = filled(cells, rows, source, name)
    return _single(texts, rows, args, source, name, task)


def _infer(columns: Columns, args: TableArgs) -> str:
    """multi: several columns, lists or a delimiter; regression: many fractions; else single."""
    cells = next(iter(columns.values()))
    if len(columns) > 1 or cells.type == TEXTS or args.label_delimiter:
        return "multi"
    distinct = [text for text in pc.unique(cells).to_pylist() if not _is_missing(text)]
    numbers = [_number(text) for text in distinct]
    whole = all(number is not None and number.is_integer() for number in numbers)
    fractions = None not in numbers and not whole
    return "regression" if fractions and len(distinct) > MOST_GRADES else "single"


def _check_kind(kind: str, columns: Columns, source: str) -> None:
    names = ", ".join(columns)
    if kind == "single" and len(columns) > 1:
        raise SteepError(f"{source}: a task of kind 'single' has one label column, not {names}.")
    if kind != "multi" and next(iter(columns.values())).type == TEXTS:
        raise SteepError(
            f"{source}, column '{names}': holds lists, which is a task of kind 'multi'."
        )


def _single(
    texts: pa.ChunkedArray,
    rows: np.ndarray,
    args: TableArgs,
    source: str,
    name: str,
    task: Task | None,
) -> Encoded:
    found = pc.unique(texts).to_pylist()
    if task is None:
        _check_classes(found, len(rows), args, source, name)
    labels = task.labels if task is not None else _in_order(found)
    places = pc.index_in(texts, value_set=pa.array(labels, pa.string()))
    for at in islice(np.flatnonzero(np.asarray(pc.is_null(places))), 1):
        raise SteepError(_explain_unseen(source, rows[at], name, texts[int(at)].as_py(), labels))
    note = f"label '{name}': {len(labels)} classes ({_some(labels)})"
    notes = (note, *_delimiter_hint(found, name)) if task is None else ()
    known = task or Task("single", tuple(labels), ordered=args.ordered)
    _check_order(known, source, name)
    return Encoded(known, np.asarray(places).astype(np.int64), notes)


def _check_order(task: Task, source: str, name: str) -> None:
    if task.ordered and (len(task.labels) < 3 or None in map(_number, task.labels)):
        raise SteepError(
            f"{source}, column '{name}': ordered classes are three or more numbers, such as stars "
            f"from 1 to 5, not {_some(task.labels)}. Write them as numbers, or leave --ordered out."
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


def _check_classes(
    found: Sequence[str], rows: int, args: TableArgs, source: str, name: str
) -> None:
    where = f"{source}, column '{name}'"
    if len(found) == 1:
        raise SteepError(f"{where}: every row has the label '{found[0]}'; two classes are needed.")
    if args.task == "auto" and len(found) > max(2, rows / 2):
        numeric = all(_number(text) is not None for text in found)
        advice = "--task regression if it is a quantity, " if numeric else ""
        raise SteepError(
            f"{where}: {len(found):,} different labels in {rows:,} rows look like identifiers or "
            f"texts. Name the right column, or say {advice}--task single if these are classes."
        )


def _multi(
    columns: Columns, rows: np.ndarray, args: TableArgs, source: str, task: Task | None
) -> Encoded:
    first = next(iter(columns.values()))
    if len(columns) == 1 and (first.type == TEXTS or args.label_delimiter):
        return _lists(columns, rows, args, source, task)
    labels = tuple(columns)
    if task is not None and labels != task.labels:
        raise SteepError(
            f"{source}: the labels must be {', '.join(task.labels)}, not {', '.join(labels)}."
        )
    if len(labels) == 1 and task is None:
        raise SteepError(
            f"{source}, column '{labels[0]}': one column of 0 and 1 is a task of kind 'single'. "
            "Name several columns, or say what separates the labels with --label-delimiter."
        )
    values = [_zero_one(cells, rows, source, name) for name, cells in columns.items()]
    return _finish(np.stack(values, axis=1), labels, f"{len(labels)} columns of 0 and 1", task)


def _zero_one(cells: pa.ChunkedArray, rows: np.ndarray, source: str, name: str) -> np.ndarray:
    texts = pc.utf8_lower(filled(cells, rows, source, name))
    places = pc.index_in(texts, value_set=pa.array(list(ZERO_ONE)))
    for at in islice(np.flatnonzero(np.asarray(pc.is_null(places))), 1):
        value = texts[int(at)].as_py()
        raise SteepError(
            f"{source}, row {rows[at] + 1}, column '{name}': expected 0 or 1, not '{value}'."
        )
    return np.array(list(ZERO_ONE.values()), np.float32)[np.asarray(places)]


def _lists(
    columns: Columns, rows: np.ndarray, args: TableArgs, source: str, task: Task | None
) -> Encoded:
    """Labels in lists, or in one text with a delimiter; a row may have none."""
    ((name, cells),) = columns.items()
    items = _items(cells, args.label_delimiter)
    labels = task.labels if task is not None else _in_order({x for row in items for x in row})
    if len(labels) < 2:
        raise SteepError(
            f"{source}, column '{name}': two labels are needed; found: {_some(labels)}."
        )
    place = {label: index for index, label in enumerate(labels)}
    values = np.zeros((len(items), len(labels)), np.float32)
    for at, row in enumerate(items):
        for label in row:
            if label not in place:
                raise SteepError(_explain_unseen(source, rows[at], name, label, labels))
            values[at, place[label]] = 1
    return _finish(values, tuple(labels), f"column '{name}'", task)


def _items(cells: pa.ChunkedArray, delimiter: str | None) -> list[list[str]]:
    if cells.type == TEXTS:
        split = cells.to_pylist()
    else:
        split = [(text or "").split(delimiter) for text in cells.to_pylist()]
    return [[x.strip() for x in row or () if not _is_missing(x)] for row in split]


def _finish(values: np.ndarray, labels: tuple[str, ...], where: str, task: Task | None) -> Encoded:
    counts = values.sum(axis=0).astype(int)
    named = [f"{label} {count:,}" for label, count in zip(labels, counts, strict=True)]
    none = int((values.sum(axis=1) == 0).sum())
    several = f"{len(labels)} labels in {where}, any number a row ({_some(named)})"
    notes = (f"{several}; {none:,} rows with none",) if task is None else ()
    return Encoded(Task("multi", labels), values, notes)


def _regression(columns: Columns, rows: np.ndarray, source: str, task: Task | None) -> Encoded:
    if task is not None and len(columns) != len(task.labels):
        raise SteepError(f"{source}: the targets must be {', '.join(task.labels)}.")
    found = [_numbers(cells, rows, source, name) for name, cells in columns.items()]
    notes = [
        f"label '{name}': a quantity from {values.min():g} to {values.max():g} (regression)"
        for name, values in zip(columns, found, strict=True)
    ]
    values = found[0] if len(found) == 1 else np.stack(found, axis=1)
    return Encoded(Task("regression", tuple(columns)), values, tuple(notes))


def _numbers(cells: pa.ChunkedArray, rows: np.ndarray, source: str, name: str) -> np.ndarray:
    values = np.empty(len(rows))
    for at, text in enumerate(filled(cells, rows, source, name).to_pylist()):
        number = _number(text)
        if number is None or not np.isfinite(number):
            raise SteepError(
                f"{source}, row {rows[at] + 1}, column '{name}': expected a number, not '{text}'."
            )
        values[at] = number
    if values.min() == values.max():
        raise SteepError(f"{source}, column '{name}': every row has the target {values[0]:g}.")
    return values


def filled(cells: pa.ChunkedArray, rows: np.ndarray, source: str, name: str) -> pa.ChunkedArray:
    """The cells without surrounding blanks; SteepError if some are empty."""
    texts = pc.fill_null(pc.utf8_trim_whitespace(cells), "")
    empty = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING))
    at = np.flatnonzero(np.asarray(empty))
    if len(at):
        first = ", ".join(str(row + 1) for row in rows[at[:5]])
        raise SteepError(
            f"{source}, column '{name}': {len(at):,} rows have no label (rows {first}"
            f"{', ...' if len(at) > 5 else ''}). Label them, or move them to a file of their own; "
            "text without labels serves adaptation."
        )
    return texts


def _in_order(labels: Sequence[str] | set[str]) -> list[str]:
    """Numbers by value, anything else by name."""
    numbers = {label: _number(label) for label in labels}
    if None in numbers.values():
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label], label))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_missing(text: str | None) -> bool:
    return text is None or text.strip().lower() in MISSING


def _explain_unseen(source: str, row: int, name: str, value: str, labels: Sequence[str]) -> str:
    return (
        f"{source}, row {row + 1}, column '{name}': the label '{value}' does not occur in the "
        f"training rows. Known: {_some(labels)}."
    )


def _some(labels: Sequence[str]) -> str:
    more = f", ... {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return ", ".join(labels[:NAMED]) + more
