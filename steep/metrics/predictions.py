"""How are predictions written down? A dictionary a row, in the order of the file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steep.data.corpus import Corpus, Task
from steep.data.numerals import number_or_none
from steep.metrics.thresholds import decide

EXCERPT = 300  # characters of a text that predictions show
BETWEEN = re.compile(r"(?<!\\)\|")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a cell begins with that is computed


def prediction_lines(corpus: Corpus, task: Task, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """One dictionary a row, in the file's order: row, id, text, truth, predicted, p_<label>.

    The corpus has labels; the thresholds are those of `task`.
    """
    lines = [
        {"row": record["row"], "id": record["id"], "text": record["text"][:EXCERPT]}
        for record in corpus.table
    ]
    if task.kind == "regression":
        both = zip(lines, corpus.labels(), probabilities, strict=True)
        return [line | {"truth": _joined(t), "predicted": _joined(p)} for line, t, p in both]
    truth, predicted = named(task, corpus.labels()), named(task, decide(task, probabilities))
    return [
        line | {"truth": known, "predicted": said} | _shares(task, given)
        for line, known, said, given in zip(lines, truth, predicted, probabilities, strict=True)
    ]


def named(task: Task, decided: np.ndarray) -> list[str]:
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


def _shares(task: Task, given: np.ndarray) -> dict[str, str]:
    return {f"p_{label}": f"{p:.6f}" for label, p in zip(task.labels, given, strict=True)}
