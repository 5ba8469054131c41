"""Where do predictions and labels disagree? Mistakes, and labels that may be wrong.

Suspects: Northcutt, Jiang and Chuang 2021 (Confident Learning, JAIR 70), section 3, as cleanlab
computes it.
"""

import warnings
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from steep.metrics.predictions import names_in
from steep.reports.blocks import Example, Examples, Notes, Section
from steep.wording import counted, number

SHOWN = 8
SMALLEST = 1e-7  # probabilities are written with few digits: keeps the logarithm finite
SUSPECTS, RANKED = 15, "self_confidence"
SUSPECTS_TITLE = "Suspected label errors"
SUSPECTS_LEAD = (
    "Rows whose given label is improbable according to a model that was not trained on them. Some "
    "of these labels are wrong; others are right, and the row is hard or the model mistaken. Read "
    "each row before you change its label. In rare classes, some errors are missed. Do not change "
    "test labels to raise a score."
)
INSTALL = "This list needs cleanlab: pip install 'steep[understand]', then write the report again."
TRAINED_ON = "The model was trained on {} of these rows, so it mostly agrees with their labels."


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
    """The predictions of one arm: a table for each seed, all for the same rows."""
    first = predictions[0]
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
    return _shown(row, [("true label", row["truth"] or "none"), *facts], texts)


def _shown(row: pd.Series, facts: list[tuple[str, str]], texts: bool) -> Example:
    name = str(row["id"] if "id" in row else row["row"])
    return Example(name, row["text"] if texts and "text" in row else None, facts)


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
        true = [names_in(text) for text in column]
    return np.array([[label in labels for label in task["labels"]] for labels in true], dtype=bool)


def suspects_section(
    table: pd.DataFrame, task: dict[str, Any], texts: bool, trained_on: int
) -> Section | None:
    """The section on suspected labels; none for a regression, or without probabilities.

    `table` holds predictions as `RunFolder` has them; `trained_on` is how many of its rows the
    model was trained on.
    """
    columns = [f"p_{label}" for label in task["labels"]]
    if task["kind"] == "regression" or table.empty or not set(columns) <= set(table):
        return None
    if trained_on:
        return Section(SUSPECTS_TITLE, [Notes("Not searched for", [TRAINED_ON.format(trained_on)])])
    if find_spec("cleanlab") is None:
        return Section(SUSPECTS_TITLE, [Notes("Not searched for", [INSTALL])])
    with warnings.catch_warnings(action="ignore"):  # of rare classes: the lead says it once
        found = suspects(table, task)
    examples = [_suspect(table.iloc[i], task, texts) for i in found[:SUSPECTS]]
    note = f"{counted(len(found), 'suspect')} in {counted(len(table), 'row')}"
    note += f"; the first {SUSPECTS} are shown." if len(found) > SUSPECTS else "."
    return Section(SUSPECTS_TITLE, [Examples("", examples, note)], SUSPECTS_LEAD)


def suspects(table: pd.DataFrame, task: dict[str, Any]) -> list[int]:
    """Positions of the rows with suspect labels, the least probable label first."""
    chances = table[[f"p_{label}" for label in task["labels"]]].to_numpy(float)
    given = true_labels(table["truth"], task)  # bool (rows, labels)
    if task["kind"] == "single":
        return _of_classes(given.argmax(axis=1), chances)
    told = ~given.all(axis=0)  # what every row has cannot be judged
    given, chances = given[:, told], chances[:, told]
    if not given.any():
        return []
    if given.shape[1] == 1:
        return _of_classes(given[:, 0].astype(int), np.hstack([1 - chances, chances]))
    from cleanlab.multilabel_classification.filter import find_label_issues

    labels = [np.flatnonzero(row).tolist() for row in given]
    return find_label_issues(labels, chances, return_indices_ranked_by=RANKED, n_jobs=1).tolist()


def _of_classes(classes: np.ndarray, chances: np.ndarray) -> list[int]:
    from cleanlab.filter import find_label_issues

    if len(np.unique(classes)) < 2:
        return []
    return find_label_issues(classes, chances, return_indices_ranked_by=RANKED, n_jobs=1).tolist()


def _suspect(row: pd.Series, task: dict[str, Any], texts: bool) -> Example:
    chance = {label: float(row[f"p_{label}"]) for label in task["labels"]}
    facts = [("given", row["truth"] or "none"), ("suggested", row["predicted"] or "none")]
    if task["kind"] == "single":
        best = max(chance, key=lambda label: chance[label])
        given, suggested = number(chance[row["truth"]], 2), number(chance[best], 2)
        facts = [("given", f"{row['truth']} ({given})"), ("suggested", f"{best} ({suggested})")]
    return _shown(row, facts, texts)
