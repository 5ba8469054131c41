"""How are predictions written down? A dictionary a row, in the order of the file."""

from typing import Any

import numpy as np

from steep.data.corpus import Corpus, Task
from steep.metrics.thresholds import decide

EXCERPT = 300  # characters of a text that predictions show


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
    """Class indices (n,) by name, or labels 0/1 (n, L) by their names, joined by '|'."""
    if task.kind == "single":
        return [task.labels[int(index)] for index in decided]
    return [
        "|".join(label for label, on in zip(task.labels, row, strict=True) if on) for row in decided
    ]


def _joined(targets: np.ndarray) -> float | str:
    """A target, or several joined by '|'."""
    return float(targets) if targets.ndim == 0 else "|".join(str(float(t)) for t in targets)


def _shares(task: Task, given: np.ndarray) -> dict[str, str]:
    return {f"p_{label}": f"{p:.6f}" for label, p in zip(task.labels, given, strict=True)}
