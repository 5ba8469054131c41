"""Which rows are predicted wrongly, and which predictions did step 2 fix or break?"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steep.errors import SteepError
from steep.reports.blocks import Example, Examples
from steep.wording import counted, number

SHOWN = 8
SMALLEST = 1e-7  # probabilities are written with few digits: keeps the logarithm finite


@dataclass(frozen=True)
class Votes:
    """What the seeds of one arm predict for the same rows.

    `rows` holds row, id, truth and usually text; `predicted` str (seeds, rows); `right` bool
    (seeds, rows); `loss` float64 (rows,), the mean over seeds of the cross entropy, or of the
    absolute error of a regression.
    """

    rows: pd.DataFrame
    predicted: np.ndarray
    right: np.ndarray
    loss: np.ndarray

    @property
    def mostly_right(self) -> np.ndarray:
        """Rows that more than half of the seeds get right, bool (rows,)."""
        return self.right.mean(axis=0) > 0.5

    @property
    def mostly_wrong(self) -> np.ndarray:
        """Rows that more than half of the seeds get wrong, bool (rows,)."""
        return self.right.mean(axis=0) < 0.5

    def majority(self, i: int) -> str:
        """What most seeds predict, if they are right; else the most common of wrong labels."""
        right = self.right[:, i]
        side = right if right.mean() > 0.5 else ~right
        word, times = Counter(self.predicted[side, i]).most_common(1)[0]
        seeds = len(self.predicted)
        return (word or "none") + (f" ({times} of {seeds})" if seeds > 1 else "")


def votes_of(predictions: list[pd.DataFrame], task: dict[str, Any]) -> Votes:
    """The predictions of one arm, a table for each seed; SteepError if their rows differ."""
    first = predictions[0]
    if any(list(table["row"]) != list(first["row"]) for table in predictions):
        raise SteepError("The predictions of this study are for different rows. Run it again.")
    predicted = np.array([table["predicted"].tolist() for table in predictions], dtype=object)
    return Votes(
        rows=first,
        predicted=predicted,
        right=predicted == np.array(first["truth"].tolist(), dtype=object),
        loss=np.mean([_loss(table, task) for table in predictions], axis=0),
    )


def worst_mistakes(arm: Votes, task: dict[str, Any], texts: bool) -> Examples | None:
    """The mistakes with the highest loss; None where there are none, or no probabilities."""
    regression = task["kind"] == "regression"
    wrong = np.flatnonzero(arm.loss > 0 if regression else arm.mostly_wrong)
    order = wrong[np.argsort(-arm.loss[wrong], kind="stable")][:SHOWN]
    examples = [_example(arm, i, _prediction(arm, i, task), texts) for i in order]
    if not examples or not arm.loss.any():
        return None
    note = f"{len(examples)} of {counted(len(wrong), 'mistake')} in {len(arm.rows):,} rows."
    if regression:
        note = f"{len(examples)} of {counted(len(arm.rows), 'row')}."
    return Examples("", examples, note)


def changed_by_step2(before: Votes, after: Votes, texts: bool) -> tuple[Examples, Examples]:
    """Rows that most seeds get right only with step 2, and those only without it."""
    fixed = before.mostly_wrong & after.mostly_right
    caused = before.mostly_right & after.mostly_wrong
    return (
        _list("Fixed by step 2", before, after, fixed, texts),
        _list("Broken by step 2", before, after, caused, texts),
    )


def _list(title: str, before: Votes, after: Votes, which: np.ndarray, texts: bool) -> Examples:
    moved = np.abs(after.right.mean(axis=0) - before.right.mean(axis=0))
    rows = np.flatnonzero(which)
    order = rows[np.argsort(-moved[rows], kind="stable")][:SHOWN]
    examples = [
        _example(before, i, [("base", before.majority(i)), ("adapted", after.majority(i))], texts)
        for i in order
    ]
    cut = f"The {SHOWN} on which the most seeds agree are shown." if len(rows) > SHOWN else ""
    return Examples(f"{title}: {counted(len(rows), 'row')}", examples, cut)


def _example(arm: Votes, i: int, facts: list[tuple[str, str]], texts: bool) -> Example:
    row = arm.rows.iloc[i]
    return Example(
        name=str(row["id"] if "id" in arm.rows else row["row"]),
        text=row["text"] if texts and "text" in arm.rows else None,
        facts=[("true label", row["truth"] or "none"), *facts],
    )


def _prediction(arm: Votes, i: int, task: dict[str, Any]) -> list[tuple[str, str]]:
    if task["kind"] == "regression":
        means = regression_targets(pd.Series(arm.predicted[:, i])).mean(axis=0)
        said = ", ".join(number(value) for value in means)
        return [("predicted", said), ("error", number(arm.loss[i]))]
    return [("predicted", arm.majority(i)), ("loss", number(arm.loss[i], 2))]


def _loss(table: pd.DataFrame, task: dict[str, Any]) -> np.ndarray:
    """The loss of every row, float64 (rows,); 0 where no probabilities were written."""
    if task["kind"] == "regression":
        return np.abs(
            regression_targets(table["predicted"]) - regression_targets(table["truth"])
        ).mean(axis=1)
    columns = [f"p_{label}" for label in task["labels"]]
    if not set(columns) <= set(table):
        return np.zeros(len(table))
    chances = np.clip(table[columns].to_numpy(float), SMALLEST, 1 - SMALLEST)
    true = true_labels(table["truth"], task)
    if task["kind"] == "single":
        return -np.log(chances[true])
    return -np.where(true, np.log(chances), np.log1p(-chances)).mean(axis=1)


def regression_targets(column: pd.Series) -> np.ndarray:
    """Targets of a regression, float64 (rows, targets); several are joined by '|'."""
    return np.array([str(cell).split("|") for cell in column], dtype=float)


def true_labels(column: pd.Series, task: dict[str, Any]) -> np.ndarray:
    """Which labels are true, bool (rows, labels)."""
    true = [[text] for text in column]
    if task["kind"] == "multi":
        from steep.metrics.predictions import names_in  # only now: it takes a second

        true = [names_in(text) for text in column]
    return np.array([[label in labels for label in task["labels"]] for labels in true], dtype=bool)
