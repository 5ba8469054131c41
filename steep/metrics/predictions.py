"""How are predictions written down, and read again? A line a row, in the order of the file."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steep.data.raw import number_or_none
from steep.errors import SteepError
from steep.metrics.calibration import decide
from steep.wording import brief, quoted, some, twice

if TYPE_CHECKING:
    from steep.data.corpus import Corpus, Task

EXCERPT = 300  # characters of a text that predictions show
BETWEEN = re.compile(r"(?<!\\)\|")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a cell begins with that is computed
WITHOUT = "Fix it, remove the file to go without it, or run the command again that wrote it."
ANEW = "Fix it; or remove the file, and the 'steep compare' that wrote it makes the rest anew."
NO_NUMBER = sys.float_info.max  # stands for a cell that is none: beyond every bound


def prediction_lines(
    corpus: "Corpus", task: "Task", probabilities: np.ndarray
) -> list[dict[str, Any]]:
    """One dictionary a row, in the file's order: row, id, text, truth, predicted, p_<label>.

    `group` stands beside the id where rows belong together. The corpus has labels; the thresholds
    are those of `task`.
    """
    grouped = ("group",) if corpus.groups() is not None else ()
    lines = [
        {name: record[name] for name in ("row", "id", *grouped)}
        | {"text": record["text"][:EXCERPT]}
        for record in corpus.table
    ]
    if task.kind == "regression":
        both = zip(lines, corpus.labels(), probabilities, strict=True)
        return [line | {"truth": _joined(t), "predicted": _joined(p)} for line, t, p in both]
    truth, predicted = named(task, corpus.labels()), named(task, decide(task, probabilities))
    return [
        line
        | {"truth": known, "predicted": said}
        | {f"p_{label}": f"{p:.6f}" for label, p in zip(task.labels, given, strict=True)}
        for line, known, said, given in zip(lines, truth, predicted, probabilities, strict=True)
    ]


def named(task: "Task", decided: np.ndarray) -> list[str]:
    """Class indices (n,) by name, or labels 0/1 (n, L) by their names, joined by '|'.

    A '|' within a name has a backslash before it; `names_in` takes them apart.
    """
    if task.kind == "single":
        return [task.labels[int(index)] for index in decided]
    names = [label.replace("|", "\\|") for label in task.labels]
    return ["|".join(name for name, on in zip(names, row, strict=True) if on) for row in decided]


def names_in(cell: str) -> list[str]:
    """The labels that `named` joined; none of an empty cell."""
    return [name.replace("\\|", "|") for name in BETWEEN.split(cell)] if cell else []


def free_columns(own: Sequence[str], data: Sequence[str]) -> list[str]:
    """Names for the columns of `data`, such as the id and the labels, beside the program's `own`.

    A name that another column has already gets a '_' at its end, until it is free.
    """
    taken, names = set(own), []
    for name in data:
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def guarded(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line whose names and texts no spreadsheet takes for formulas.

    Those that begin like one, and are no numbers, get an apostrophe at their start.
    """
    names = free_columns([], [_guarded(name) for name in line])
    return dict(zip(names, map(_guarded, line.values()), strict=True))


def _guarded(cell: Any) -> Any:
    risky = isinstance(cell, str) and cell.startswith(FORMULA) and number_or_none(cell) is None
    return f"'{cell}" if risky else cell


def _joined(targets: np.ndarray) -> float | str:
    """A target, or several joined by '|'."""
    return float(targets) if targets.ndim == 0 else "|".join(str(float(t)) for t in targets)


def read_history(path: Path, remedy: str) -> pd.DataFrame:
    """A line an epoch or a measurement, float64; NaN where nothing was measured.

    Empty where there is no file. Raises SteepError with `remedy` at a cell that is no number.
    """
    from steep.shapes import MOST

    if not path.is_file():
        return pd.DataFrame()
    table = read_cells(path, remedy)
    for name in table:
        numbers = numbers_of(table[name])
        fits = ~(numbers.abs() > MOST) | np.isinf(numbers)
        _refuse(table[name], fits, "a number, or empty", path, remedy)
        table[name] = numbers
    return table


def read_predictions(path: Path, task: Mapping[str, Any] | None, remedy: str) -> pd.DataFrame:
    """Predictions for the rows of one part, as `RunFolder` has them; SteepError with `remedy`.

    `task` is that of results.json or study.json; None where the stage has none.
    """
    table = read_cells(path, remedy)
    for column in ("row", "truth", "predicted"):
        if column not in table:
            raise SteepError(
                f"{path}: the column '{column}' is missing; there are {some(list(table))}. {remedy}"
            )
    for name in (name for name in table if name.startswith("p_")):
        numbers = numbers_of(table[name])  # NaN where a training diverged
        fits = ~((numbers < 0) | (numbers > 1)) & (table[name] != "")
        _refuse(table[name], fits, "a number from 0 to 1", path, remedy)
        table[name] = numbers
    for name in ("truth", "predicted") if task is not None else ():
        _check_answers(table[name], task, path, remedy)
    return table


def read_cells(path: Path, remedy: str) -> pd.DataFrame:
    """Every cell as text, so that a label 'NA' or '007' stays what it is; '' where a row ends."""
    try:
        whole = pd.read_csv(
            path, dtype=str, keep_default_na=False, header=None, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:  # pandas' parser errors, and bytes that are no UTF-8
        why = brief(str(error), 200)
        raise SteepError(f"{path}: not a readable CSV file: {why}. {remedy}") from None
    names, table = list(whole.iloc[0]), whole.iloc[1:].reset_index(drop=True)
    if (name := twice(names)) is not None:
        raise SteepError(f"{path}: the column {quoted(name)} is there twice. {remedy}")
    return table.set_axis(names, axis=1)


def numbers_of(column: pd.Series) -> pd.Series:
    """The numbers in cells of text, float64; NaN where empty, `NO_NUMBER` for anything else."""
    return pd.Series([_number(cell) for cell in column], column.index, float)


def _number(cell: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return NO_NUMBER


def _check_answers(column: pd.Series, task: Any, path: Path, remedy: str) -> None:
    """Raises SteepError where a cell is no answer of the task."""
    labels, kind = list(task["labels"]), task["kind"]
    if kind == "single":
        fits, expected = column.isin(labels), f"one of {some(labels)}"
    elif kind == "regression":
        several = f"{len(labels)} numbers, joined by '|'"
        fits = column.map(lambda cell: _are_targets(cell, len(labels)))
        expected = several if len(labels) > 1 else "a number"
    else:
        known = set(labels)
        fits = column.map(lambda cell: known.issuperset(names_in(cell)))
        expected = f"of {some(labels)}, joined by '|'"
        fits |= any("|" in label for label in labels)  # older versions did not mark these
    _refuse(column, fits, expected, path, remedy)


def _are_targets(cell: str, count: int) -> bool:
    """Whether a cell holds so many numbers; of a training that diverged they are NaN."""
    from steep.shapes import MOST

    found = [_number(part) if part else NO_NUMBER for part in cell.split("|")]
    return len(found) == count and not any(abs(value) > MOST for value in found)


def _refuse(column: pd.Series, fits: pd.Series, expected: str, path: Path, remedy: str) -> None:
    """Raises SteepError at the first cell that does not fit."""
    if fits.all():
        return
    row = int(np.argmin(fits.to_numpy(bool)))
    raise SteepError(
        f"{path}, row {row + 1:,}: '{column.name}' must be {expected}, not "
        f"{quoted(column.iloc[row])}. {remedy}"
    )
