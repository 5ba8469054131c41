"""Which labels may be wrong? Confident learning on predictions of rows without training.

Northcutt, Jiang and Chuang 2021 (Confident Learning, JAIR 70), section 3, as cleanlab computes it.
"""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from steep.reports.blocks import Example, Examples, Notes, Section
from steep.reports.mistakes import true_labels
from steep.wording import counted, number

SHOWN, RANKED = 15, "self_confidence"
TITLE = "Suspected label errors"
LEAD = (
    "Rows whose given label is improbable according to a model that was not trained on them. Some "
    "of these labels are wrong; others are right, and the row is hard or the model mistaken. Read "
    "each row before you change its label. In rare classes, some errors are missed. Do not change "
    "test labels to raise a score."
)
INSTALL = "This list needs cleanlab: pip install 'steep[understand]', then write the report again."
TRAINED_ON = "The model was trained on {} of these rows, so it mostly agrees with their labels."


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
        return Section(TITLE, [Notes("Not searched for", [TRAINED_ON.format(trained_on)])])
    if find_spec("cleanlab") is None:
        return Section(TITLE, [Notes("Not searched for", [INSTALL])])
    with warnings.catch_warnings(action="ignore"):  # one for each rare class: LEAD says it once
        found = suspects(table, task)
    examples = [_example(table.iloc[i], task, texts) for i in found[:SHOWN]]
    note = f"{counted(len(found), 'suspect')} in {counted(len(table), 'row')}"
    note += f"; the first {SHOWN} are shown." if len(found) > SHOWN else "."
    return Section(TITLE, [Examples("", examples, note)], LEAD)


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
    order = find_label_issues(labels, chances, return_indices_ranked_by=RANKED, n_jobs=1)
    return [int(i) for i in order]


def _of_classes(classes: np.ndarray, chances: np.ndarray) -> list[int]:
    from cleanlab.filter import find_label_issues

    if len(np.unique(classes)) < 2:
        return []
    order = find_label_issues(classes, chances, return_indices_ranked_by=RANKED, n_jobs=1)
    return [int(i) for i in order]


def _example(row: pd.Series, task: dict[str, Any], texts: bool) -> Example:
    chance = {label: float(row[f"p_{label}"]) for label in task["labels"]}
    facts = [("given", row["truth"] or "none"), ("suggested", row["predicted"] or "none")]
    if task["kind"] == "single":
        best = max(chance, key=lambda label: chance[label])
        given, suggested = number(chance[row["truth"]], 2), number(chance[best], 2)
        facts = [("given", f"{row['truth']} ({given})"), ("suggested", f"{best} ({suggested})")]
    name = str(row["id"] if "id" in row else row["row"])
    return Example(name, row["text"] if texts and "text" in row else None, facts)
